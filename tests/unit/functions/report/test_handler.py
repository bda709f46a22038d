from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.quarantine.sweep import SweepDeps, sweep
from functions.report import chain
from functions.report.models import Verification
from shared.domain.activity import Head
from shared.domain.exposure import Counts
from shared.domain.ids import AlertId, ChunkId, IncidentId, PlanId
from shared.domain.incident import (
    AlertLink,
    AlertStep,
    CaseDocument,
    Command,
    Incident,
    IncidentState,
    Plan,
    PlanCounts,
    PlanState,
)
from shared.domain.incident import Intake as IntakeCounter
from shared.domain.target import Target, TargetState
from shared.errors import ConflictError, UnavailableError
from shared.pipeline.payloads import ChunkChanged, CloseIncident, IncidentChanged, ReportMessage
from shared.pipeline.stage import Done, RetryLater
from shared.ports.incidents import Change, Joined
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import START
from tests.unit.functions.report.case import CHUNK, INCIDENT, PLAN, Case, alert_link, incident, plan, target

SETTLED = ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK)
CHANGED = IncidentChanged(incident_id=INCIDENT)
CLOSE = CloseIncident(incident_id=INCIDENT, command_id="cmd-1", by="ann", at=START, reason="done")


async def verification(case: Case) -> Verification:
    return await chain.check(case.incident, case.incidents, case.activity, case.evidence)


async def test_a_chunk_is_counted_when_it_is_over() -> None:
    case = await Case().keep(plan(2), chunks=[[target("ann", TargetState.QUARANTINED), target("bob")]])
    assert await case.handle(SETTLED) == Done()
    assert case.incident.counts.states == {"quarantined": 1}
    assert (case.incident.state, case.evidence.blobs) == (IncidentState.PULLING, {})

    await case.put(target("bob", TargetState.NOT_FOUND))
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"quarantined": 1, "not_found": 1}
    assert case.incident.state is IncidentState.CONTAINED
    assert case.plan.state is PlanState.FINISHED
    assert list(case.evidence.blobs) == [f"anchors/{INCIDENT}/{PLAN}.json"]
    assert await case.kinds() == ["quarantined", "not_found"]


async def test_a_restore_moves_the_count() -> None:
    case = await Case().keep(plan(1), chunks=[[target("ann", TargetState.QUARANTINED)]])
    await case.handle(SETTLED)
    await case.put(target("ann", TargetState.RESTORED))
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"restored": 1}
    assert case.incident.counts.exposed_seconds == 60
    assert case.plan.state is PlanState.FINISHED


async def test_more_facts_than_a_batch_holds() -> None:
    targets = [target(f"p{n:03}", TargetState.RESTORED) for n in range(99)]
    case = await Case().keep(plan(99), chunks=[targets])
    await case.handle(SETTLED)
    assert case.incident.counts.states == {"restored": 99}
    assert len(await case.entries()) == 198


async def test_a_plan_without_targets_is_over_and_needs_no_anchor() -> None:
    case = await Case().keep(plan(0, PlanState.FINISHED))
    await case.handle(CHANGED)
    assert case.incident.state is IncidentState.NOTHING_FOUND
    assert (await verification(case)).intact


async def test_a_plan_that_was_over_from_the_start_has_its_anchor_too() -> None:
    case = await Case().keep(plan(1, PlanState.FINISHED), chunks=[[target("guest", TargetState.MAILBOX_MISSING)]])
    await case.handle(CHANGED)
    await case.handle(SETTLED)
    verified = await verification(case)
    assert [anchor.name for anchor in verified.anchors] == [PLAN]
    assert verified.intact


async def test_another_plan_still_waits() -> None:
    second = plan(1, PlanState.AWAITING_APPROVAL, PlanId("plan-2"))
    case = await Case().keep(plan(1), second, chunks=[[target("ann", TargetState.QUARANTINED)]])
    await case.handle(SETTLED)
    plans = case.incidents.of(INCIDENT, Plan)
    assert [p.state for p in plans] == [PlanState.FINISHED, PlanState.AWAITING_APPROVAL]
    assert case.incident.plans == PlanCounts(awaiting_approval=1, finished=1)
    assert case.incident.state is IncidentState.AWAITING_APPROVAL


async def test_close() -> None:
    case = await Case().keep()
    assert await case.handle(CLOSE) == Done()
    assert (case.incident.state, case.incident.closed_by) == (IncidentState.CLOSED, "ann")
    assert [command.reason for command in case.incidents.of(INCIDENT, Command)] == ["done"]
    assert not (await case.incidents.intake(INCIDENT)).value.open
    assert "closed" in await case.kinds()
    assert list(case.evidence.blobs) == [f"anchors/{INCIDENT}/closed.json"]
    before = case.incident
    assert (before.unrecorded, before.close_anchored) == (False, True)
    await case.handle(CLOSE)
    await case.handle(CLOSE.model_copy(update={"command_id": "cmd-2", "by": "bob"}))
    assert case.incident == before
    assert (await verification(case)).intact


async def test_a_closing_that_is_not_through_yet_does_not_look_like_tampering() -> None:
    case = await Case().keep()
    with pytest.MonkeyPatch.context() as away:
        away.setattr(case.evidence, "keep", AsyncMock(side_effect=UnavailableError("keep evidence")))
        with pytest.raises(UnavailableError):
            await case.handle(CLOSE)
    assert case.incident.state is IncidentState.CLOSED
    assert (await verification(case)).intact

    await case.handle(CLOSE)
    verified = await verification(case)
    assert [anchor.name for anchor in verified.anchors if anchor.holds] == ["closed"]


async def test_older_sums_do_not_replace_newer_ones() -> None:
    case = await Case().keep(plan(2), chunks=[[target("ann", TargetState.QUARANTINED), target("bob")]])
    await case.handle(SETTLED)
    newer = Counts(counted_to=5, read=2)
    case.change(case.incident, counts=newer)
    await case.handle(SETTLED)
    assert case.incident.counts == newer
    case.change(case.incident, counts=Counts(counted_to=0, read=7))
    await case.handle(SETTLED)
    assert (case.incident.counts.counted_to, case.incident.counts.read) == (1, 1)


@pytest.mark.parametrize("port", ["activity", "incidents"])
async def test_whoever_is_second_tries_again_at_once(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ChunkId("plan-1.0001")
    case = await Case().keep(
        plan(2), chunks=[[target("ann", TargetState.QUARANTINED)], [target("bob", TargetState.FAILED, other)]]
    )
    store, method = getattr(case, port), {"activity": "append", "incidents": "update"}[port]
    write = getattr(store, method)

    async def slow(*given: Any) -> Any:
        monkeypatch.setattr(store, method, write)
        if port == "activity":
            await case.handle(ChunkChanged(incident_id=INCIDENT, chunk_id=other))
            return await write(*given)
        key, change = given
        late = [ChunkChanged(incident_id=INCIDENT, chunk_id=other)]

        async def change_late(now: Incident) -> Change | None:
            wanted: Change | None = await change(now)
            while late:
                await case.handle(late.pop())
            return wanted

        return await write(key, change_late)

    monkeypatch.setattr(store, method, slow)
    assert await case.handle(SETTLED) == Done()
    assert case.incident.counts.states == {"quarantined": 1, "failed": 1}
    assert case.plan.state is PlanState.FINISHED
    assert (await verification(case)).intact


@pytest.mark.parametrize("port", ["activity", "incidents"])
async def test_whoever_is_always_second_comes_back_later(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await Case().keep(plan(1), chunks=[[target("ann", TargetState.QUARANTINED)]])

    async def always_late(*_: object) -> None:
        raise ConflictError("changed")

    if port == "activity":
        monkeypatch.setattr(case.activity, "append", always_late)
    case.incidents.before_write = lambda: case.change(case.incident)
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
    return await Case().keep(plan(4), chunks=ENDS)


async def _same_as_once(case: Case) -> None:
    once = await _whole()
    for message in ALL:
        await once.handle(message)
    assert {entry.id for entry in await case.entries()} == {entry.id for entry in await once.entries()}
    assert case.incident.counts == once.incident.counts
    assert await case.activity.plan_count(INCIDENT, PLAN) == 4
    assert case.incident.state is IncidentState.ATTENTION
    assert (await verification(case)).intact


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
                case.now.advance(61)
            else:
                break
        case.checkpoints.revive()
        await case.handle(message)
    await _same_as_once(case)


@given(st.lists(st.sampled_from(["seen", "undone", "failed", "again"]), max_size=6))
async def test_undo_told_late_or_never_in_between_counts_exactly(steps: list[str]) -> None:
    case = await Case().keep(plan(1), chunks=[[target("ann", TargetState.QUARANTINED)]])
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
    assert not (await verification(case)).chain.intact

    # Whoever can rewrite the whole container makes a chain that is whole, and different from its anchor.
    case.activity._heads.clear()
    case.activity._entries.clear()
    case.activity._plans.clear()
    told: list[CaseDocument] = [case.incident, case.plan, *case.incidents.of(INCIDENT, AlertLink)]
    for document in told:
        case.change(document, unrecorded=True)
    await case.handle(CHANGED)
    rewritten = await verification(case)
    assert rewritten.chain.intact
    assert [anchor.holds for anchor in rewritten.anchors] == [False]
    assert not rewritten.intact


@pytest.mark.parametrize("state", [PlanState.FINISHED, PlanState.RUNNING, PlanState.AWAITING_APPROVAL])
async def test_a_plan_that_says_nothing_of_its_anchor_hides_no_new_chain(state: PlanState) -> None:
    case = await _whole()
    for message in ALL:
        await case.handle(message)
    # Whoever can write a new chain can write the plan and the header too; only the evidence stays.
    case.activity._heads.clear()
    case.activity._entries.clear()
    case.activity._plans.clear()
    case.change(case.plan, state=state, anchor_seq=None)
    case.change(case.incident, close_anchored=False)
    found = await verification(case)
    assert not found.intact
    assert {anchor.holds for anchor in found.anchors} == {False}


async def test_an_anchor_that_is_made_while_the_chain_is_checked_is_no_tampering(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = await _whole()
    await case.handle(CHANGED)
    read = case.activity.head
    first = True

    async def head(incident_id: IncidentId) -> Versioned[Head] | None:
        nonlocal first
        if not first:
            return await read(incident_id)
        first = False
        found = await read(incident_id)
        for message in ALL:
            await case.handle(message)
        return found

    monkeypatch.setattr(case.activity, "head", head)
    assert (await verification(case)).intact
    assert case.plan.anchor_seq is not None


async def test_a_missing_anchor_is_seen() -> None:
    case = await _whole()
    for message in ALL:
        await case.handle(message)
    case.evidence.blobs.clear()
    assert not (await verification(case)).intact


@pytest.mark.parametrize("reason", ["recipients_unknown: 1", "message_not_identified: 1"])
@pytest.mark.parametrize("targets", [0, 1])
async def test_a_plan_that_could_not_search_waits_for_a_person_although_nothing_is_left_of_it(
    reason: str, targets: int
) -> None:
    held = plan(targets, PlanState.AWAITING_APPROVAL, approval_reasons=(reason,))
    chunks = [[target("ann", TargetState.NOT_FOUND)]] if targets else []
    case = await Case().keep(held, chunks=chunks)
    await case.handle(SETTLED if targets else CHANGED)
    assert case.plan.state is PlanState.AWAITING_APPROVAL
    assert case.incident.state is IncidentState.AWAITING_APPROVAL

    approved = plan(0, approval_reasons=(reason,), approved_by="ann", approved_at=START, unrecorded=True)
    case = await Case().keep(approved)
    await case.handle(CHANGED)
    assert case.incident.state is IncidentState.NOTHING_FOUND


async def test_a_case_is_not_closed_while_an_alert_has_no_plan() -> None:
    case = await Case().keep(alert_link(AlertStep.DECIDED))
    before = case.incident
    assert isinstance(await case.handle(CLOSE), RetryLater)
    assert case.incident == before
    assert case.incidents.of(INCIDENT, Command) == []
    assert (await case.incidents.intake(INCIDENT)).value.open

    case.change(alert_link())
    case.change(before, planned=1)
    assert await case.handle(CLOSE) == Done()
    assert case.incident.state is IncidentState.CLOSED


async def test_an_alert_that_joins_in_the_moment_of_closing_is_waited_for() -> None:
    case = await Case().keep()
    late = alert_link(AlertStep.JOINED, id=AlertId("alert-2"), decision=None)

    def join_now() -> None:
        if len(case.incidents.of(INCIDENT, AlertLink)) == 1:
            case.incidents.put(INCIDENT, late, IntakeCounter(incident_id=INCIDENT, alerts=2))

    case.incidents.before_write = join_now
    assert isinstance(await case.handle(CLOSE), RetryLater)
    assert case.incident.closed_at is None
    assert (await case.incidents.intake(INCIDENT)).value == IntakeCounter(incident_id=INCIDENT, alerts=2)


async def test_no_alert_joins_a_closed_case() -> None:
    case = await Case().keep()
    await case.handle(CLOSE)
    late = alert_link(AlertStep.JOINED, id=AlertId("alert-2"), decision=None)
    assert (await case.incidents.join(late, [], []))[0] is Joined.CLOSED
    assert case.incident.alerts == 1


async def test_each_document_is_recorded_once_and_only_the_new_ones_are_looked_at() -> None:
    case = await Case().keep(alert_link(), plan(0, PlanState.FINISHED, unrecorded=True))
    await case.handle(CHANGED)
    kinds = await case.kinds()
    assert sorted(kinds) == sorted(["opened", "alert_joined", "decided", "planned"])
    assert await case.incidents.unrecorded(INCIDENT, 10) == []

    case.checkpoints.names.clear()
    await case.handle(CHANGED)
    assert await case.kinds() == kinds
    assert "before append" not in case.checkpoints.names

    case.incidents.put(INCIDENT, alert_link(AlertStep.JOINED, id=AlertId("alert-2"), decision=None))
    await case.handle(CHANGED)
    assert await case.kinds() == [*kinds, "alert_joined"]


async def test_a_document_that_changes_while_it_is_recorded_is_recorded_again() -> None:
    undecided = alert_link(AlertStep.JOINED, decision=None)
    case = await Case().keep(undecided, header=incident(unrecorded=False))
    times = iter([1])

    def decide() -> None:
        for _ in times:
            case.incidents.put(INCIDENT, alert_link(AlertStep.DECIDED), case.incident)

    case.incidents.before_write = decide
    await case.handle(CHANGED)
    assert await case.kinds() == ["alert_joined", "decided"]
    assert [link.step for link in case.incidents.of(INCIDENT, AlertLink)] == [AlertStep.DECIDED]
    assert await case.incidents.unrecorded(INCIDENT, 10) == []


def many(number: int) -> list[AlertLink]:
    return [alert_link(id=AlertId(f"alert-{n:04}")) for n in range(number)]


async def test_more_documents_than_a_batch_are_recorded_in_several() -> None:
    case = await Case().keep(*many(100))
    assert await case.handle(CHANGED) == Done()
    assert case.queue.sent == [CHANGED]
    assert await case.handle(CHANGED) == Done()
    assert case.queue.sent == [CHANGED]
    assert len(await case.entries()) == 201
    assert await case.incidents.unrecorded(INCIDENT, 10) == []


async def test_more_documents_than_one_delivery_records_are_sent_on() -> None:
    case = await Case().keep(*many(400))
    for _ in range(10):
        await case.handle(CHANGED)
        if not case.queue.sent:
            break
        assert case.queue.sent == [CHANGED]
        case.queue.sent.clear()
    assert len(await case.entries()) == 801
    assert (await verification(case)).intact
    assert await case.incidents.unrecorded(INCIDENT, 10) == []


async def test_documents_that_are_larger_than_a_batch_together_are_recorded_in_several() -> None:
    # As large as the API lets an undo be: forty of them put back 40,000 targets.
    targets = tuple(f"target-{n:026}" for n in range(1000))
    commands = [
        Command(
            id=f"cmd-{n:032}",
            incident_id=INCIDENT,
            command="undo_pull",
            by="🐟" * 128,
            at=START,
            reason="🐟" * 1000,
            targets=targets,
        )
        for n in range(60)
    ]
    case = await Case().keep(*commands)
    for _ in range(2):
        assert await case.handle(CHANGED) == Done()
    assert (await case.kinds()).count("undo_pull_asked") == 60
    assert await case.incidents.unrecorded(INCIDENT, 10) == []


MIXED: list[CaseDocument] = [
    *many(60),
    plan(1, unrecorded=True),
    Command(id="cmd-0", incident_id=INCIDENT, command="undo_pull", by="bob", at=START),
]


async def _mixed(checkpoints: Checkpoints) -> Case:
    case = await Case(checkpoints).keep(*MIXED, chunks=[[target("ann", TargetState.QUARANTINED)]])
    checkpoints.passed = 0
    return case


@pytest.mark.parametrize("resumed", ["redelivery", "sweep"])
@pytest.mark.parametrize("message", [CHANGED, SETTLED, CLOSE])
async def test_a_crash_anywhere_changes_nothing_about_the_record(message: ReportMessage, resumed: str) -> None:
    calm = await _mixed(Checkpoints())
    await calm.handle(message)
    places = calm.checkpoints.passed
    rest: list[ReportMessage] = [SETTLED, CHANGED]
    for last in rest:
        await calm.handle(last)
    assert places > 5
    for place in range(places):
        case = await _mixed(Checkpoints())
        case.checkpoints.die_at = place
        with pytest.raises(ProcessDied):
            await case.handle(message)
        case.checkpoints.revive()
        case.now.advance(61)
        if resumed == "sweep":
            case.queue.sent.clear()
            found = await sweep(case.provide(SweepDeps))
            assert case.queue.sent == [CHANGED] * found
            for _ in range(found):
                assert await case.handle(CHANGED) == Done()
        # The message comes again anyway; what others send about the chunk and the case comes too.
        for last in [message, *rest]:
            assert await case.handle(last) == Done()
        assert {one.id for one in await case.entries()} == {one.id for one in await calm.entries()}, place
        assert case.incident.counts.states == calm.incident.counts.states == {"quarantined": 1}
        assert (case.incident.state, case.incident.unrecorded) == (calm.incident.state, False)
        assert case.plan.state is PlanState.FINISHED
        assert (await verification(case)).intact, place
        assert await case.incidents.unrecorded(INCIDENT, 10) == []
        assert await case.incidents.expired_leases(START + timedelta(days=1), 10) == []
