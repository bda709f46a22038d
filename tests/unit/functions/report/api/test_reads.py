from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from functions.report.api import reads
from functions.report.api.activity_csv import BYTE_ORDER_MARK
from functions.report.api.models import ReadDeps
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import Watch
from shared.domain.target import TargetState
from shared.domain.tenant import Amount, Budget, Pause, PauseChange
from shared.errors import NotFoundError
from shared.pipeline.payloads import ChunkChanged
from shared.web.problems import Problem
from tests.fakes.clock import START
from tests.unit.functions.report.case import CHUNK, INCIDENT, PLAN, Case, incident, plan, target


async def five() -> ReadDeps:
    targets = [target(name, TargetState.QUARANTINED) for name in "edcba"]
    case = await Case().keep(plan(5), chunks=[targets])
    await case.handle(ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK))
    return case.provide(ReadDeps)


async def test_incidents_newest_first() -> None:
    case = Case()
    for day in (1, 3, 2):
        case.incidents.keep(incident(id=IncidentId(f"inc-{day}"), opened_at=START.replace(day=day)))
    found = await reads.incidents({"top": "2"}, case.provide(ReadDeps))
    assert [one["id"] for one in found["incidents"]] == ["inc-3", "inc-2"]


async def test_an_incident_with_its_targets_and_their_tree() -> None:
    found = await reads.incident(INCIDENT, {}, await five())
    assert found["incident"]["id"] == INCIDENT
    assert found["counts"]["states"] == {"quarantined": 5}
    assert [one["id"] for one in found["targets"]] == [f"target-{name}" for name in "abcde"]
    assert found["tree"][0]["targets"] == [f"target-{name}" for name in "abcde"]
    assert "next" not in found


async def test_a_case_says_until_when_it_is_watched() -> None:
    case = await Case().keep(plan(5))
    assert "watch" not in await reads.incident(INCIDENT, {}, case.provide(ReadDeps))
    watch = Watch(incident_id=INCIDENT, until=START, next_at=START, last_look_at=START)
    for ended in (False, True):
        case.incidents.put(INCIDENT, watch.model_copy(update={"next_at": None}) if ended else watch)
        found = await reads.incident(INCIDENT, {}, case.provide(ReadDeps))
        assert found["watch"] == {"until": "2026-03-02T09:00:00Z", "lastLookAt": "2026-03-02T09:00:00Z", "ended": ended}


async def pages(read: Any, top: int, deps: ReadDeps) -> list[Any]:
    """All pages, as a caller follows `next`."""
    found = []
    query = {"top": str(top)}
    while True:
        page = await read(INCIDENT, query, deps)
        found.append(page)
        following = page[1] if isinstance(page, tuple) else page.get("next")
        if following is None:
            return found
        query = dict(parse_qsl(following.removeprefix("?")))
        assert query["top"] == str(top)


async def test_targets_come_in_pages_each_with_its_tree() -> None:
    found = await pages(reads.incident, 2, await five())
    assert [[one["mailbox"]["id"] for one in page["targets"]] for page in found] == [["a", "b"], ["c", "d"], ["e"]]
    assert [page["tree"][0]["targets"] for page in found] == [
        ["target-a", "target-b"],
        ["target-c", "target-d"],
        ["target-e"],
    ]


async def test_the_csv_comes_in_pages_too() -> None:
    found = await pages(reads.activity_csv, 4, await five())
    assert [len(text.splitlines()) for text, _ in found] == [5, 2]
    assert [text.startswith(BYTE_ORDER_MARK) for text, _ in found] == [True, False]


async def test_the_csv_says_which_rule_decided_and_who_approved() -> None:
    case = await Case().keep(plan(1), chunks=[[target("ann", TargetState.QUARANTINED)]])
    text, _ = await reads.activity_csv(INCIDENT, {}, case.provide(ReadDeps))
    assert text.splitlines()[1].endswith('"automatic","known bad"')


@pytest.mark.parametrize(
    "query",
    [
        {"top": "0"},
        {"top": "-1"},
        {"top": "many"},
        {"top": ""},
        {"top": "5001"},
        {"top": "9" * 5000},
        {"top": "\u0663"},
    ],
)
async def test_a_wrong_number(query: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        await reads.incident(INCIDENT, query, await five())
    assert caught.value.body["type"] == "urn:clawback:problem:wrong-parameter"
    assert query["top"] not in caught.value.body["detail"] or query["top"] in {"", "0"}


@pytest.mark.parametrize("read", [reads.incident, reads.activity_csv])
async def test_no_such_incident(read: object) -> None:
    with pytest.raises(NotFoundError):
        await read("inc-9", {}, await five())  # type: ignore[operator]  # two functions of one shape


async def test_verification() -> None:
    found = await reads.verification(INCIDENT, {}, await five())
    assert found["intact"]
    assert (found["chain"]["entries"], found["checkedTo"]) == (5, 5)
    assert [(anchor["name"], anchor["holds"]) for anchor in found["anchors"]] == [("plan-1", True)]
    assert "next" not in found


async def test_verification_comes_in_parts() -> None:
    deps = await five()
    first = await reads.verification(INCIDENT, {"max": "3"}, deps)
    assert (first["intact"], first["checkedTo"], first["next"]) == (True, 3, "?after=3&max=3")
    second = await reads.verification(INCIDENT, {"after": "3", "max": "3"}, deps)
    assert (second["intact"], second["checkedTo"], "next" in second) == (True, 5, False)


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": "6"}, {"after": "x"}, {"after": "9" * 17}, {"max": "0"}, {"max": "20001"}]
)
async def test_a_part_that_is_none(query: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        await reads.verification(INCIDENT, query, await five())
    assert (caught.value.status, caught.value.body["type"]) == (400, "urn:clawback:problem:wrong-parameter")


async def test_a_case_shows_the_budget_of_the_tenant_and_whether_pulling_is_paused() -> None:
    case = await Case().keep(plan(1))
    assert (await reads.incident(INCIDENT, {}, case.provide(ReadDeps)))["tenant"] == {
        "paused": None,
        "automatic": {
            "lastHour": {"targets": 0, "mailboxes": 0},
            "lastDay": {"targets": 0, "mailboxes": 0},
        },
    }
    taken = Budget().with_plan(PlanId("plan-9"), Amount(targets=7, mailboxes=5), START - timedelta(hours=2))
    case.tenant.put(taken.with_plan(PLAN, Amount(targets=3, mailboxes=2), START))
    told = PauseChange(command_id="cmd-1", paused=True, by="ann", at=START, reason="wrong mail")
    case.tenant.put(Pause(changes=(told,)))

    found = (await reads.incident(INCIDENT, {}, case.provide(ReadDeps)))["tenant"]

    assert (found["paused"]["by"], found["paused"]["reason"]) == ("ann", "wrong mail")
    assert found["automatic"] == {
        "lastHour": {"targets": 3, "mailboxes": 2},
        "lastDay": {"targets": 10, "mailboxes": 7},
    }
