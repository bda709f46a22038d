from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report.api import reads
from functions.report.api.models import ReadDeps
from functions.report.api.target_list import Position, page
from shared.domain.ids import ChunkId, IncidentId, PlanId, TargetId
from shared.domain.incident import Incident, Plan
from shared.web.problems import Problem
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, Case, plan, target


async def case_of(chunks: list[list[int]], *, minutes: list[int] | None = None) -> Case:
    """A case whose plans have chunks with so many targets each; each plan is made at its minute."""
    case = Case()
    plans: list[Plan] = []
    kept = []
    for number, sizes in enumerate(chunks):
        made = START + timedelta(minutes=minutes[number] if minutes else number)
        name = PlanId(f"plan-{number}")
        plans.append(plan(sum(sizes), plan_id=name, chunks=len(sizes), created_at=made))
        for place, size in enumerate(sizes):
            chunk = ChunkId(f"{name}.{place:04d}")
            # The ids of a chunk do not follow its place, and are written in another order than that of ids.
            kept.append([target(f"{(7 * n) % 101:03d}-{number}-{place}", chunk=chunk) for n in range(size)])
    return await case.keep(*plans, chunks=[chunk for chunk in kept if chunk])


async def listed(case: Case, tops: list[int]) -> tuple[list[TargetId], int]:
    """All targets, page by page; the sizes of the pages are repeated. And how many pages there were."""
    found: list[TargetId] = []
    after: Position | None = None
    number = 0
    while True:
        top, number = tops[number % len(tops)], number + 1
        before = len(found)
        last = await page(INCIDENT, after, top, lambda key, _: found.append(key), case.provide(ReadDeps))
        assert len(found) - before == top or last is None
        if last is None:
            return found, number
        after = Position.parse(last.token())
        assert after == last


sizes = st.lists(st.lists(st.integers(0, 12), max_size=4), max_size=4)


@given(sizes, st.lists(st.integers(1, 30), min_size=1, max_size=4), st.data())
async def test_no_target_is_lost_or_listed_twice_whatever_the_pages(
    chunks: list[list[int]], tops: list[int], data: st.DataObject
) -> None:
    # Some plans are made in the same moment.
    minutes = data.draw(st.lists(st.integers(0, 2), min_size=len(chunks), max_size=len(chunks)))
    case = await case_of(chunks, minutes=minutes)

    found, pages = await listed(case, tops)

    assert len(found) == len(set(found))
    assert set(found) == {target.id for target in case.targets.all}
    assert found == (await listed(case, [1000]))[0]
    # No page is empty, but for that of a case without targets.
    assert pages <= max(1, len(found))


async def test_a_page_reads_only_its_own_chunks() -> None:
    case = await case_of([[99] * 30, [99] * 30])
    before = case.checkpoints.passed

    found: list[TargetId] = []
    last = await page(INCIDENT, None, 100, lambda key, _: found.append(key), case.provide(ReadDeps))
    assert case.checkpoints.names[before:].count("list chunk") <= 3

    far = Position(PlanId("plan-1"), 25, TargetId(""))
    before = case.checkpoints.passed
    await page(INCIDENT, far, 150, lambda key, _: found.append(key), case.provide(ReadDeps))
    assert case.checkpoints.names[before:].count("list chunk") <= 4
    assert last is not None


def token(content: str) -> str:
    return urlsafe_b64encode(content.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "?",
        "\u00fc",
        "a",
        token("null"),
        token("7"),
        token('"abc"'),
        token("[]"),
        token('["plan-0", 0]'),
        token('["plan-0", 0, "target-1", 1]'),
        token('["plan-0", "0", "target-1"]'),
        token('["plan-0", -1, "target-1"]'),
        token('["plan-0", true, "target-1"]'),
        token('["plan-0", 1.0, "target-1"]'),
        token('["plan-0", 0, null]'),
        token('["plan-0", 2, "target-1"]'),
        token('["plan-0", 1e400, "target-1"]'),
        token('["plan-9", 0, "target-1"]'),
        token('["../plan-0", 0, "target-1"]'),
        token(f'["{INCIDENT}", 0, "target-1"]'),
        token('["plan-other", 0, "target-1"]'),
        token("[" * 300),
        "A" * 501,
        "A" * 100_000,
    ],
)
@pytest.mark.parametrize("read", [reads.incident, reads.activity_csv])
async def test_a_wrong_continuation_is_refused(read: Any, wrong: str) -> None:
    case = await case_of([[3, 3]])
    other = IncidentId("inc-2")
    case.incidents.keep(Incident(id=other, opened_at=START), plan(1, plan_id=PlanId("plan-other"), incident_id=other))

    with pytest.raises(Problem) as caught:
        await read(INCIDENT, {"continuation": wrong}, case.provide(ReadDeps))

    assert (caught.value.status, caught.value.body["type"]) == (400, "urn:clawback:problem:wrong-parameter")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda content: urlsafe_b64encode(content).decode()))
def test_whatever_a_continuation_holds_it_is_parsed_or_refused(text: str) -> None:
    try:
        position = Position.parse(text)
    except ValueError:
        return
    assert Position.parse(position.token()) == position


async def test_a_target_that_cannot_be_read_does_not_hide_the_others() -> None:
    case = await case_of([[3]])
    stored = case.targets._targets["plan-0.0000"]
    bad = sorted(stored)[1]
    stored[bad].text = stored[bad].text.replace('"planned"', '"unheard of"')

    found = await reads.incident(INCIDENT, {}, case.provide(ReadDeps))
    assert [one["id"] for one in found["targets"]] == [key for key in sorted(stored) if key != bad]
    assert found["unreadable"] == [bad]
    text, _ = await reads.activity_csv(INCIDENT, {}, case.provide(ReadDeps))
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == [f'"{key}"' for key in sorted(stored)]
