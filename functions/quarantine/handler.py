"""The quarantine stage: pulls chunks, puts them back, and takes the commands that lead to either."""

from functions.quarantine.chunks import chunks_of
from functions.quarantine.engine import advance
from functions.quarantine.hidden import answer
from functions.quarantine.hold import held_back
from functions.quarantine.looks import look_again, look_at_chunk
from functions.quarantine.models import Deps
from functions.quarantine.rules import approved
from functions.quarantine.undone import messages_of
from shared.domain.ids import ChunkId
from shared.domain.incident import OBSERVE, Incident, Plan, PlanState, same_person
from shared.domain.target import chunk_id
from shared.domain.undone import UndoEntry
from shared.pipeline.payloads import (
    ApprovePlan,
    ExpandRecipients,
    HiddenMail,
    IncidentChanged,
    LookAgain,
    LookAtChunk,
    PullChunk,
    QuarantineMessage,
    RestoreChunk,
    UndoPull,
)
from shared.pipeline.stage import Done, Outcome, Reject
from shared.policy import Mode
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned


async def handle(message: QuarantineMessage, deps: Deps) -> Outcome:
    """Handle one message of the quarantine queue."""
    match message:
        case PullChunk():
            outcome = await held_back(deps) or await advance(message.chunk_id, deps)
        case RestoreChunk():
            outcome = await advance(message.chunk_id, deps, undo=message)
        case ApprovePlan():
            outcome = await approve(message, deps)
        case UndoPull():
            outcome = await undo(message, deps)
        case LookAgain():
            outcome = await look_again(message, deps)
        case LookAtChunk():
            outcome = await held_back(deps) or await look_at_chunk(message, deps)
        case HiddenMail():
            outcome = await answer(message, deps)
    return outcome


async def approve(message: ApprovePlan, deps: Deps) -> Outcome:
    """Release a plan: exactly the one that the approval names by its hash; by two people where policy wants that."""
    plan: Plan | None = None
    refused: Reject | None = None

    async def change(case: Incident) -> Change | None:
        nonlocal plan, refused
        stored = await deps.incidents.plan(message.incident_id, message.plan_id)
        if stored is None or stored.value.hash != message.plan_hash:
            refused = Reject("plan_differs", "the approval names a plan that does not exist, or another state of it")
            return None
        plan = stored.value
        if plan.state is not PlanState.AWAITING_APPROVAL:
            return None
        if await deps.incidents.command(message.incident_id, message.command_id) is not None:
            # The first of two approvals, delivered again.
            return None
        refused = _refused(plan, message, case, deps)
        if refused is not None:
            return None
        before, plan = plan, approved(plan, message, by_two=deps.policy.four_eyes.wanted_for(plan, case))
        if plan.state is PlanState.RUNNING:
            case = case.with_plan(before.state, plan.state).changed(
                unapproved_targets=case.unapproved_targets - before.pending,
                unapproved_mailboxes=case.unapproved_mailboxes - before.pending_mailboxes,
            )
        return Change(case, create=[message.to_command()], replace=[Versioned(plan, stored.etag)])

    await deps.incidents.update(message.incident_id, change)
    if refused is not None or plan is None:
        return refused or Reject("plan_differs")
    if plan.state is PlanState.AWAITING_APPROVAL:
        await deps.queue.send(IncidentChanged(incident_id=message.incident_id), correlation_id=message.incident_id)
        return Done()
    # Sent again on every delivery: an earlier one may have died after its commit. A chunk that is done says so.
    chunks = (chunk_id(plan.id, number) for number in range(plan.chunks))
    await deps.queue.send_all(
        [
            IncidentChanged(incident_id=message.incident_id),
            *(PullChunk(incident_id=message.incident_id, chunk_id=chunk) for chunk in chunks),
            ExpandRecipients(incident_id=message.incident_id),
        ],
        correlation_id=message.incident_id,
    )
    return Done()


def _refused(plan: Plan, message: ApprovePlan, case: Incident, deps: Deps) -> Reject | None:
    """Why this plan, which waits, may not be approved by this person; None if it may."""
    if deps.policy.mode is Mode.OBSERVE:
        return Reject(OBSERVE, "policy lets this installation only plan")
    if case.closed_at is not None:
        return Reject("incident_closed")
    if deps.policy.four_eyes.wanted_for(plan, case) and same_person(plan.first_approved_by or "", message.by):
        return Reject("same_person", "another person has to approve as well")
    return None


async def undo(message: UndoPull, deps: Deps) -> Outcome:
    """Remember by message that a person undid it, record who wants what back, and ask each chunk that holds some of it.

    In this order: a plan that is recorded on the case after the command has seen what is remembered, and a chunk that
    begins to look for copies after this sees it too.
    """
    await deps.incidents.read(message.incident_id)
    await deps.undone.remember(await messages_of(message, deps), _entry(message))

    async def change(case: Incident) -> Change | None:
        known = await deps.incidents.command(message.incident_id, message.command_id)
        said = {"targets": message.targets, "all": message.takes_all, "undo_class": message.undo_class}
        return None if known else Change(case, create=[message.to_command(**said)])

    await deps.incidents.update(message.incident_id, change)
    await deps.queue.send(IncidentChanged(incident_id=message.incident_id), correlation_id=message.incident_id)
    async for chunks in chunks_of(message.incident_id, None if message.takes_all else message.targets, deps):
        await _send_back(message, chunks, deps)
    return Done()


async def _send_back(message: UndoPull, chunks: list[ChunkId], deps: Deps) -> None:
    await deps.queue.send_all(
        [
            RestoreChunk(
                incident_id=message.incident_id,
                chunk_id=chunk,
                targets=message.targets,
                all=message.takes_all,
                command_id=message.command_id,
            )
            for chunk in chunks
        ],
        correlation_id=message.incident_id,
    )


def _entry(message: UndoPull) -> UndoEntry:
    return UndoEntry(
        command_id=message.command_id,
        incident_id=message.incident_id,
        by=message.by,
        at=message.at,
        reason=message.reason,
        undo_class=message.undo_class,
    )
