from collections.abc import Sequence
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report import chain
from functions.report.chain import check
from functions.report.handler import settled
from shared.domain.activity import verify
from shared.domain.exposure import Counts
from shared.domain.ids import ChunkId, PlanId
from shared.domain.incident import IncidentState, PlanState
from shared.domain.target import Target, TargetState
from shared.errors import ConflictError, UnavailableError
from shared.pipeline.payloads import ChunkChanged, CloseIncident, IncidentChanged, ReportMessage
from shared.pipeline.stage import Done
from tests.fakes.checkpoints import ProcessDied
from tests.fakes.clock import START
from tests.unit.functions.report.case import CHUNK, INCIDENT, PLAN, Case, incident, plan, target

SETTLED = ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK)
CHANGED = IncidentChanged(incident_id=INCIDENT)
CLOSE = CloseIncident(incident_id=INCIDENT, command_id="cmd-1", by="ann", at=START, reason="done")


async def test_a_chunk_is_counted_when_it_is_over() -> None:
    case = await Case().keep(incident(plan(2)), [target("ann", TargetState.QUARANTINED), target("bob")])
    assert await case.handle(SETTLED) == Done()
    assert case.incident.counts.states == {"quarantined": 1}
    assert (case.incident.state, case.evidence.blobs) == (IncidentState.PULLING, {})

    await case.put(target("bob", TargetState.NOT_FOUND))
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"quarantined": 1, "not_found": 1}
    assert case.incident.state is IncidentState.CONTAINED
    assert case.incident.plans[0].state is PlanState.FINISHED
    assert list(case.evidence.blobs) == [f"anchors/{INCIDENT}/{PLAN}.json"]
    assert await case.kinds() == ["quarantined", "not_found"]


async def test_a_restore_moves_the_count() -> None:
    case = await Case().keep(incident(plan(1)), [target("ann", TargetState.QUARANTINED)])
    await case.handle(SETTLED)
    await case.put(target("ann", TargetState.RESTORED))
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"restored": 1}
    assert case.incident.counts.exposed_seconds == 60
    assert case.incident.plans[0].state is PlanState.FINISHED


async def test_more_facts_than_a_batch_holds() -> None:
    targets = [target(f"p{n:03}", TargetState.RESTORED) for n in range(99)]
    case = await Case().keep(incident(plan(99)), targets)
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"restored": 99}
    assert len(await case.entries()) == 198


async def test_a_plan_without_targets_is_over_and_needs_no_anchor() -> None:
    case = await Case().keep(incident(plan(0, PlanState.FINISHED)))
    await case.handle(CHANGED)
    assert case.incident.state is IncidentState.CONTAINED
    assert (await check(case.incident, case.activity, case.evidence)).intact


async def test_a_plan_that_was_over_from_the_start_has_its_anchor_too() -> None:
    case = await Case().keep(incident(plan(1, PlanState.FINISHED)), [target("guest", TargetState.MAILBOX_MISSING)])
    await case.handle(CHANGED)
    await case.handle(SETTLED)
    verified = await check(case.incident, case.activity, case.evidence)
    assert [anchor.name for anchor in verified.anchors] == [PLAN]
    assert verified.intact


async def test_another_plan_still_waits() -> None:
    second = plan(1, PlanState.AWAITING_APPROVAL, PlanId("plan-2"))
    case = await Case().keep(incident(plan(1), second), [target("ann", TargetState.QUARANTINED)])
    await case.handle(SETTLED)
    assert [p.state for p in case.incident.plans] == [PlanState.FINISHED, PlanState.AWAITING_APPROVAL]
    assert case.incident.state is IncidentState.AWAITING_APPROVAL


async def test_close() -> None:
    case = await Case().keep(incident())
    assert await case.handle(CLOSE) == Done()
    assert (case.incident.state, case.incident.closed_by) == (IncidentState.CLOSED, "ann")
    assert [command.reason for command in case.incident.commands] == ["done"]
    assert "closed" in await case.kinds()
    assert list(case.evidence.blobs) == [f"anchors/{INCIDENT}/closed.json"]
    before = case.incident
    await case.handle(CLOSE)
    await case.handle(CLOSE.model_copy(update={"command_id": "cmd-2", "by": "bob"}))
    assert case.incident == before
    assert (await check(before, case.activity, case.evidence)).intact


async def test_a_closing_that_is_not_through_yet_does_not_look_like_tampering() -> None:
    case = await Case().keep(incident())
    with pytest.MonkeyPatch.context() as away:
        away.setattr(case.evidence, "keep", AsyncMock(side_effect=UnavailableError("keep evidence")))
        with pytest.raises(UnavailableError):
            await case.handle(CLOSE)
    assert case.incident.state is IncidentState.CLOSED
    assert (await check(case.incident, case.activity, case.evidence)).intact

    await case.handle(CLOSE)
    verified = await check(case.incident, case.activity, case.evidence)
    assert [anchor.name for anchor in verified.anchors if anchor.holds] == ["closed"]


def test_older_sums_do_not_replace_newer_ones() -> None:
    newer = incident(counts=Counts(counted_to=5, read=2))
    assert settled(newer, Counts(counted_to=4, read=1), {}).counts.read == 2
    assert settled(newer, Counts(counted_to=6, read=3), {}).counts.read == 3


@pytest.mark.parametrize("port", ["activity", "incidents"])
async def test_whoever_is_second_tries_again_at_once(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ChunkId("plan-1.0001")
    case = await Case().keep(
        incident(plan(2)), [target("ann", TargetState.QUARANTINED)], [target("bob", TargetState.FAILED, other)]
    )
    store, method = getattr(case, port), {"activity": "append", "incidents": "replace"}[port]
    write = getattr(store, method)

    async def slow(*given: object) -> object:
        monkeypatch.setattr(store, method, write)
        await case.handle(ChunkChanged(incident_id=INCIDENT, chunk_id=other))
        return await write(*given)

    monkeypatch.setattr(store, method, slow)
    assert await case.handle(SETTLED) == Done()
    assert case.incident.counts.states == {"quarantined": 1, "failed": 1}
    assert case.incident.plans[0].state is PlanState.FINISHED
    assert (await check(case.incident, case.activity, case.evidence)).intact


@pytest.mark.parametrize("port", ["activity", "incidents"])
async def test_whoever_is_always_second_comes_back_later(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await Case().keep(incident(plan(1)), [target("ann", TargetState.QUARANTINED)])

    async def always_late(*_: object) -> None:
        raise ConflictError("changed")

    monkeypatch.setattr(getattr(case, port), {"activity": "append", "incidents": "replace"}[port], always_late)
    with pytest.raises(ConflictError):
        await case.handle(SETTLED)


CHUNKS = [ChunkId(f"plan-1.{n:04}") for n in range(3)]
ENDS: list[list[Target]] = [
    [target("ann", TargetState.QUARANTINED, CHUNKS[0]), target("bob", TargetState.GONE_BY_USER, CHUNKS[0])],
    [target("carol", TargetState.RESTORED, CHUNKS[1])],
    [target("dan", TargetState.QUARANTINED, CHUNKS[2], reason="restore_failed:copy_missing")],
]
ALL: list[ReportMessage] = [CHANGED, *(ChunkChanged(incident_id=INCIDENT, chunk_id=chunk) for chunk in CHUNKS)]


async def _whole() -> Case:
    return await Case().keep(incident(plan(4)), *ENDS)


async def _same_as_once(case: Case) -> None:
    once = await _whole()
    for message in ALL:
        await once.handle(message)
    assert {entry.id for entry in await case.entries()} == {entry.id for entry in await once.entries()}
    assert case.incident.counts == once.incident.counts
    assert await case.activity.plan_count(INCIDENT, PLAN) == 4
    assert case.incident.state is IncidentState.CONTAINED
    assert verify(await case.head(), await case.entries()).intact
    assert (await check(case.incident, case.activity, case.evidence)).intact


@given(st.lists(st.sampled_from(ALL), max_size=10), st.permutations(ALL))
async def test_any_order_and_any_repeats_give_the_same_record(
    repeats: Sequence[ReportMessage], order: Sequence[ReportMessage]
) -> None:
    case = await _whole()
    for message in [*repeats, *order]:
        assert await case.handle(message) == Done()
    await _same_as_once(case)


@given(st.permutations(ALL), st.lists(st.integers(0, 40), max_size=8))
async def test_any_number_of_deaths_gives_the_same_record(order: Sequence[ReportMessage], deaths: list[int]) -> None:
    case = await _whole()
    for message in order:
        while deaths:
            case.checkpoints.die_at = case.checkpoints.passed + deaths.pop()
            try:
                await case.handle(message)
            except ProcessDied:
                case.checkpoints.revive()
            else:
                break
        case.checkpoints.revive()
        await case.handle(message)
    await _same_as_once(case)


@given(st.lists(st.sampled_from(["seen", "undone", "failed", "again"]), max_size=6))
async def test_undo_told_late_or_never_in_between_counts_exactly(steps: list[str]) -> None:
    case = await Case().keep(incident(plan(1)), [target("ann", TargetState.QUARANTINED)])
    for step in steps:
        match step:
            case "undone":
                await case.put(target("ann", TargetState.RESTORED))
            case "failed" if (await case.targets.read_chunk(CHUNK))[1][0].state is TargetState.QUARANTINED:
                await case.put(target("ann", TargetState.QUARANTINED, reason="restore_failed:x"))
            case _:
                await case.handle(SETTLED)
    await case.handle(SETTLED)
    (state,) = case.incident.counts.states
    assert state == (await case.targets.read_chunk(CHUNK))[1][0].state
    assert (case.incident.counts.targets, case.incident.counts.read) == (1, 1)


async def test_a_changed_entry_and_a_new_chain_are_both_seen() -> None:
    case = await _whole()
    for message in ALL:
        await case.handle(message)
    entries = case.activity._entries[INCIDENT]
    last = max((stored.read().value for stored in entries.values()), key=lambda entry: entry.seq)
    entries[last.id].text = entries[last.id].text.replace(last.actor, "nobody")
    assert not (await check(case.incident, case.activity, case.evidence)).chain.intact

    # Whoever can rewrite the whole container makes a chain that is whole, and different from its anchor.
    case.activity._heads.clear()
    case.activity._entries.clear()
    case.activity._plans.clear()
    await chain.tell(INCIDENT, [], case.activity)
    await case.handle(CHANGED)
    rewritten = await check(case.incident, case.activity, case.evidence)
    assert rewritten.chain.intact
    assert [anchor.holds for anchor in rewritten.anchors] == [False]
    assert not rewritten.intact


async def test_a_missing_anchor_is_seen() -> None:
    case = await _whole()
    for message in ALL:
        await case.handle(message)
    case.evidence.blobs.clear()
    assert not (await check(case.incident, case.activity, case.evidence)).intact


@pytest.mark.parametrize("reason", ["recipients_unknown: 1", "message_not_identified: 1"])
@pytest.mark.parametrize("targets", [0, 1])
async def test_a_plan_that_could_not_search_waits_for_a_person_although_nothing_is_left_of_it(
    reason: str, targets: int
) -> None:
    held = plan(targets, PlanState.AWAITING_APPROVAL, approval_reasons=(reason,))
    chunks = [[target("ann", TargetState.NOT_FOUND)]] if targets else []
    case = await Case().keep(incident(held), *chunks)
    await case.handle(SETTLED if targets else CHANGED)
    assert case.incident.plans[0].state is PlanState.AWAITING_APPROVAL
    assert case.incident.state is IncidentState.AWAITING_APPROVAL

    approved = settled(incident(plan(0, PlanState.RUNNING, approval_reasons=(reason,))), Counts(), {})
    assert approved.state is IncidentState.CONTAINED
