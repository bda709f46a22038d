import pytest

from functions.report.api import reads
from functions.report.api.models import ReadDeps
from shared.domain.ids import IncidentId
from shared.domain.target import TargetState
from shared.errors import NotFoundError
from shared.pipeline.payloads import ChunkChanged
from shared.web.problems import Problem
from tests.fakes.clock import START
from tests.unit.functions.report.case import CHUNK, INCIDENT, Case, incident, plan, target


async def five() -> ReadDeps:
    targets = [target(name, TargetState.QUARANTINED) for name in "edcba"]
    case = await Case().keep(incident(plan(5)), targets)
    await case.handle(ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK))
    return case.provide(ReadDeps)


async def test_incidents_newest_first() -> None:
    case = Case()
    for day in (1, 3, 2):
        await case.incidents.add(incident(id=IncidentId(f"inc-{day}"), opened_at=START.replace(day=day)))
    found = await reads.incidents({"top": "2"}, case.provide(ReadDeps))
    assert [one["id"] for one in found["incidents"]] == ["inc-3", "inc-2"]


async def test_an_incident_with_its_targets_and_their_tree() -> None:
    found = await reads.incident(INCIDENT, {}, await five())
    assert found["incident"]["id"] == INCIDENT
    assert found["counts"]["states"] == {"quarantined": 5}
    assert [one["id"] for one in found["targets"]] == [f"target-{name}" for name in "abcde"]
    assert found["tree"][0]["targets"] == [f"target-{name}" for name in "abcde"]
    assert "next" not in found


async def test_targets_come_in_pages() -> None:
    deps = await five()
    first = await reads.incident(INCIDENT, {"top": "2"}, deps)
    assert first["next"] == "?after=target-b&top=2"
    second = await reads.incident(INCIDENT, {"after": "target-b", "top": "2"}, deps)
    third = await reads.incident(INCIDENT, {"after": "target-d", "top": "2"}, deps)
    pages = [[one["mailbox"]["id"] for one in page["targets"]] for page in (first, second, third)]
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert "next" not in third


async def test_the_csv_comes_in_pages_too() -> None:
    text, following = await reads.activity_csv(INCIDENT, {"top": "4"}, await five())
    assert len(text.splitlines()) == 5
    assert following == "?after=target-d&top=4"
    text, following = await reads.activity_csv(INCIDENT, {"after": "target-d"}, await five())
    assert (len(text.splitlines()), following) == (2, None)


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


async def test_a_page_after_nothing() -> None:
    with pytest.raises(Problem, match="wrong"):
        await reads.incident(INCIDENT, {"after": "nobody"}, await five())


@pytest.mark.parametrize("read", [reads.incident, reads.activity_csv])
async def test_no_such_incident(read: object) -> None:
    with pytest.raises(NotFoundError):
        await read("inc-9", {}, await five())  # type: ignore[operator]  # two functions of one shape


async def test_verification() -> None:
    found = await reads.verification(INCIDENT, await five())
    assert found["intact"]
    assert found["chain"]["entries"] == 5
    assert [(anchor["name"], anchor["holds"]) for anchor in found["anchors"]] == [("plan-1", True)]
