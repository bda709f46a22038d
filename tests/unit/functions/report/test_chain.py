import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report.chain import CLOSED, anchor, batches, check, record
from functions.report.models import CountedEvent, Verification
from shared.domain.activity import AuditEvent
from shared.domain.batch import MAX_BATCH
from shared.domain.ids import ChunkId, PlanId
from shared.domain.target import Target, TargetState
from shared.errors import ConflictError
from tests.fakes.activity import FakeActivity
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, Case, incident, plan, target


def told(number: int, counts: Target | None = None, **data: str) -> CountedEvent:
    return CountedEvent(AuditEvent(id=f"event-{number}", kind="test", at=START, actor="test", data=data), counts)


def ended(number: int, plan: int) -> Target:
    return target(f"p{number}", TargetState.NOT_FOUND, ChunkId(f"plan-{plan}.0000"))


async def test_every_batch_has_room_for_the_head_and_the_counts_of_plans() -> None:
    events = [told(number, ended(number, plan=number % 60)) for number in range(300)]

    for batch in batches(events):
        plans = {one.target.plan_id for one in batch if one.target}
        assert 1 + len(plans) + len(batch) <= MAX_BATCH

    store = FakeActivity()
    head = await record(INCIDENT, events, store)
    assert (head.seq, head.counts.states) == (300, {"not_found": 300})
    assert [await store.plan_count(INCIDENT, PlanId(f"plan-{n}")) for n in (0, 59, 60)] == [5, 5, 0]


async def test_batches_are_cut_by_size_as_sent() -> None:
    # As sent, 120 KB each.
    events = [told(number, reason="\U0001f41f" * 10_000) for number in range(40)]

    assert [len(batch) for batch in batches(events)] == [15, 15, 10]
    assert (await record(INCIDENT, events, FakeActivity())).seq == 40


async def test_nothing_to_tell_still_gives_the_head() -> None:
    assert list(batches([])) == [[]]
    assert (await record(INCIDENT, [], FakeActivity())).seq == 0


@given(st.lists(st.integers(0, 24), max_size=6), st.integers(1, 250))
async def test_counts_and_chain_agree_however_often_the_process_dies(deaths: list[int], number: int) -> None:
    events = [told(n, ended(n, plan=n % 3)) for n in range(number)]
    checkpoints = Checkpoints()
    store = FakeActivity(checkpoints)
    for death in deaths:
        checkpoints.die_at = checkpoints.passed + death
        try:
            await record(INCIDENT, events, store)
        except ProcessDied:
            await _agree(store, checkpoints)
    checkpoints.revive()
    head = await record(INCIDENT, events, store)

    assert (head.seq, head.counts.counted_to) == (number, number)
    await _agree(store, checkpoints)


async def _agree(store: FakeActivity, checkpoints: Checkpoints) -> None:
    checkpoints.revive()
    kept = await store.head(INCIDENT)
    counts = [await store.plan_count(INCIDENT, PlanId(f"plan-{n}")) for n in range(3)]
    entries = len([entry async for entry in store.entries(INCIDENT)])
    assert (sum(counts), entries) == ((kept.value.counts.targets, kept.value.seq) if kept else (0, 0))


async def test_counts_and_chain_agree_although_others_append_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeActivity()
    read = store.plan_count
    rivals = [told(n, ended(n, plan=1)) for n in range(100, 103)]

    async def others_are_quicker(*given: Any) -> int:
        count = await read(*given)
        if rivals:
            rival = rivals.pop()
            await record(INCIDENT, [rival], store)
        return count

    monkeypatch.setattr(store, "plan_count", others_are_quicker)
    head = await record(INCIDENT, [told(n, ended(n, plan=1)) for n in range(5)], store)

    assert head.seq == head.counts.targets == await read(INCIDENT, PlanId("plan-1")) == 8


async def test_many_who_tell_the_same_at_once_count_it_once() -> None:
    store = FakeActivity()
    events = [told(n, ended(n, plan=1)) for n in range(30)]
    told_by = await asyncio.gather(*(record(INCIDENT, events, store) for _ in range(4)), return_exceptions=True)

    assert all(isinstance(one, ConflictError) or not isinstance(one, BaseException) for one in told_by)
    kept = await store.head(INCIDENT)
    assert kept is not None
    assert kept.value.seq == kept.value.counts.targets == await store.plan_count(INCIDENT, PlanId("plan-1")) == 30


class Checked:
    """A case with entries and anchors, whose chain is checked in parts."""

    def __init__(self) -> None:
        self.case = Case()

    async def keep(self, entries: int, anchors: dict[str, int], *, closed: int | None = None) -> "Checked":
        """Entries 1 to `entries`; anchors of plans by their places."""
        for seq in range(1, entries + 1):
            head = await record(INCIDENT, [told(seq)], self.case.activity)
            for name in [name for name, place in anchors.items() if place == seq]:
                await anchor(head, name, START, self.case.evidence)
            if closed == seq:
                await anchor(head, CLOSED, START, self.case.evidence)
        plans = [plan(1, plan_id=PlanId(name), anchor_seq=place) for name, place in anchors.items()]
        header = incident(closed_at=START, closed_by="ann", close_anchored=True) if closed else incident()
        await self.case.keep(*plans, header=header)
        return self

    async def check(self, after: int = 0, most: int = 20_000) -> Verification:
        case = self.case
        return await check(case.incident, case.incidents, case.activity, case.evidence, after=after, most=most)

    async def in_parts(self, most: int) -> list[Verification]:
        """Every part, as a caller follows `next`."""
        parts = [await self.check(0, most)]
        while (following := parts[-1].next) is not None:
            parts.append(await self.check(following, most))
        return parts

    def change(self, seq: int, **changes: Any) -> None:
        """Change the stored entry of this number."""
        (stored,) = [one for one in self.case.activity._entries[INCIDENT].values() if f'"seq": {seq},' in one.text]
        stored.text = json.dumps({**json.loads(stored.text), **changes})


ANCHORS = {"plan-1": 3, "plan-2": 3, "plan-3": 4, "plan-4": 10}


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9, 10, 11])
async def test_a_chain_is_checked_in_parts(most: int) -> None:
    checked = await Checked().keep(10, ANCHORS, closed=9)

    parts = await checked.in_parts(most)

    assert all(part.intact for part in parts)
    assert [part.checked_to for part in parts] == [min(end, 10) for end in range(most, 10 + most, most)]
    found = [(one.name, one.seq) for part in parts for one in part.anchors]
    assert found == [("plan-1", 3), ("plan-2", 3), ("plan-3", 4), (CLOSED, 9), ("plan-4", 10)]
    assert all(one.holds for part in parts for one in part.anchors)


async def test_a_broken_chain_is_not_followed_further() -> None:
    checked = await Checked().keep(10, ANCHORS)
    checked.change(5, actor="nobody")

    first, second = await checked.in_parts(4)

    assert (first.intact, first.next) == (True, 4)
    assert (second.intact, second.next, second.checked_to, second.chain.broken_at) == (False, None, 4, 5)
    # What stands behind the break says nothing.
    assert second.anchors == ()


async def test_an_anchor_that_the_chain_no_longer_has() -> None:
    checked = await Checked().keep(10, ANCHORS)
    other = FakeActivity()
    for seq in range(1, 10):
        await record(INCIDENT, [told(seq + 100)], other)
    checked.case.activity = other

    found = await checked.check()

    assert found.chain.intact
    assert not found.intact
    # The new chain is shorter than the last anchor says.
    assert [(one.name, one.holds) for one in found.anchors] == [(name, False) for name in ANCHORS]


async def test_an_anchor_is_compared_with_the_place_that_its_plan_names() -> None:
    checked = await Checked().keep(10, ANCHORS)
    checked.case.change(plan(1, plan_id=PlanId("plan-4")), anchor_seq=9)

    found = await checked.check()

    assert [(one.name, one.holds) for one in found.anchors][-1] == ("plan-4", False)
    assert not found.intact


@pytest.mark.parametrize("most", [3, 20])
async def test_a_missing_anchor(most: int) -> None:
    checked = await Checked().keep(10, ANCHORS, closed=9)
    for name in ("plan-3", CLOSED):
        del checked.case.evidence.blobs[f"anchors/{INCIDENT}/{name}.json"]

    parts = await checked.in_parts(most)

    missing = [one.name for part in parts for one in part.anchors if not one.holds]
    assert sorted(missing) == [CLOSED, "plan-3"]
    assert not all(part.intact for part in parts)
    assert all(part.chain.intact for part in parts)


@pytest.mark.parametrize("most", [3, 20])
async def test_an_anchor_whose_plan_was_deleted_is_told(most: int) -> None:
    checked = await Checked().keep(10, ANCHORS)
    gone = await record(INCIDENT, [told(11)], checked.case.activity)
    await anchor(gone, "plan-deleted", START, checked.case.evidence)

    parts = await checked.in_parts(most)

    assert [one.name for part in parts for one in part.anchors if not one.holds] == ["plan-deleted"]
    assert not parts[-1].intact
    assert all(part.chain.intact for part in parts)


async def test_the_entry_that_a_part_follows_is_missing() -> None:
    checked = await Checked().keep(10, {})
    del checked.case.activity._entries[INCIDENT]["event-4"]

    found = await checked.check(after=4)

    assert (found.intact, found.checked_to, found.chain.broken_at, found.next) == (False, 4, 4, None)


async def test_a_part_beyond_the_end_of_the_chain() -> None:
    checked = await Checked().keep(3, {})

    assert (await checked.check(after=3)).intact
    with pytest.raises(ValueError, match="ends before"):
        await checked.check(after=4)


async def test_an_entry_behind_the_head_is_seen() -> None:
    checked = await Checked().keep(3, {})
    rival = await Checked().keep(4, {})
    stored = rival.case.activity._entries[INCIDENT]["event-4"]
    checked.case.activity._entries[INCIDENT]["event-4"] = stored

    found = await checked.check()

    assert (found.intact, found.chain.broken_at, found.chain.problem) == (False, 4, "entry after the head")


async def test_a_chain_that_grows_during_its_check_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = await Checked().keep(3, {})
    read = checked.case.activity.head
    appended = False

    async def grows(*given: Any) -> Any:
        nonlocal appended
        now = await read(*given)
        if not appended:
            appended = True
            await record(INCIDENT, [told(4)], checked.case.activity)
        return now

    monkeypatch.setattr(checked.case.activity, "head", grows)

    found = await checked.check()
    assert (found.intact, found.checked_to) == (True, 3)
