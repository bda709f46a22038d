"""The quarantine stage: pulls chunks, puts them back, and takes the commands that lead to either."""

from functions.quarantine.engine import advance
from functions.quarantine.models import Deps
from functions.quarantine.undone import chunks_of, messages_of
from shared.domain.ids import ChunkId
from shared.domain.incident import Command, Incident, Plan, PlanState
from shared.domain.target import chunk_id
from shared.domain.undone import UndoEntry
from shared.pipeline.payloads import ApprovePlan, IncidentChanged, PullChunk, QuarantineMessage, RestoreChunk, UndoPull
from shared.pipeline.stage import Done, Outcome, Reject
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned


async def handle(message: QuarantineMessage, deps: Deps) -> Outcome:
    """Handle one message of the quarantine queue."""
    match message:
        case PullChunk():
            return await advance(message.chunk_id, deps)
        case RestoreChunk():
            # The engine takes no named target for all of the chunk: the message itself says which of both is meant.
            return await advance(message.chunk_id, deps, undo=frozenset(message.targets))
        case ApprovePlan():
            return await approve(message, deps)
        case UndoPull():
            return await undo(message, deps)


async def approve(message: ApprovePlan, deps: Deps) -> Outcome:
    """Release a plan: exactly the one that the approval names by its hash."""
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
        if case.closed_at is not None:
            refused = Reject("incident_closed")
            return None
        approved = plan.model_copy(
            update={
                "state": PlanState.RUNNING,
                "approved_by": message.by,
                "approved_at": message.at,
                "unrecorded": True,
            }
        )
        header = case.with_plan(plan.state, PlanState.RUNNING).changed(
            unapproved_targets=case.unapproved_targets - plan.pending,
            unapproved_mailboxes=case.unapproved_mailboxes - plan.pending_mailboxes,
        )
        return Change(header, create=[_command(message)], replace=[Versioned(approved, stored.etag)])

    await deps.incidents.update(message.incident_id, change)
    if refused is not None or plan is None:
        return refused or Reject("plan_differs")
    # Sent again on every delivery: an earlier one may have died after its commit. A chunk that is done says so.
    chunks = (chunk_id(plan.id, number) for number in range(plan.chunks))
    await deps.queue.send_all(
        [
            IncidentChanged(incident_id=message.incident_id),
            *(PullChunk(incident_id=message.incident_id, chunk_id=chunk) for chunk in chunks),
        ],
        correlation_id=message.incident_id,
    )
    return Done()


async def undo(message: UndoPull, deps: Deps) -> Outcome:
    """Remember by message that a person undid it, record who wants what back, and ask each chunk that holds some of it.

    In this order: a plan that is recorded on the case after the command has seen what is remembered, and a chunk that
    begins to look for copies after this sees it too.
    """
    await deps.incidents.read(message.incident_id)
    await deps.undone.remember(await messages_of(message, deps), _entry(message))

    async def change(case: Incident) -> Change | None:
        known = await deps.incidents.command(message.incident_id, message.command_id)
        return None if known else Change(case, create=[_command(message)])

    await deps.incidents.update(message.incident_id, change)
    await deps.queue.send(IncidentChanged(incident_id=message.incident_id), correlation_id=message.incident_id)
    async for chunks in chunks_of(message, deps):
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


def _command(message: ApprovePlan | UndoPull) -> Command:
    command = Command(
        id=message.command_id,
        incident_id=message.incident_id,
        command=message.kind,
        by=message.by,
        at=message.at,
        reason=message.reason,
    )
    if isinstance(message, ApprovePlan):
        return command
    said = {"targets": message.targets, "all": message.takes_all, "undo_class": message.undo_class}
    return command.model_copy(update=said)


def _entry(message: UndoPull) -> UndoEntry:
    return UndoEntry(
        command_id=message.command_id,
        incident_id=message.incident_id,
        by=message.by,
        at=message.at,
        reason=message.reason,
        undo_class=message.undo_class,
    )
