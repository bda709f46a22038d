"""The quarantine stage: pulls chunks, puts them back, and takes the commands that lead to either."""

from collections.abc import AsyncIterator

from functions.quarantine.engine import advance
from functions.quarantine.hidden import answer
from functions.quarantine.models import Deps
from shared.domain.ids import ChunkId, TargetId
from shared.domain.incident import Command, Incident, Plan, PlanState
from shared.domain.target import chunk_id
from shared.pipeline.payloads import (
    ApprovePlan,
    HiddenMail,
    IncidentChanged,
    PullChunk,
    QuarantineMessage,
    RestoreChunk,
    UndoPull,
)
from shared.pipeline.stage import Done, Outcome, Reject
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned

# An incident can have a thousand chunks; what is held in memory is this many of their ids.
_SENT_AT_ONCE = 100


async def handle(message: QuarantineMessage, deps: Deps) -> Outcome:
    """Handle one message of the quarantine queue."""
    match message:
        case PullChunk():
            return await advance(message.chunk_id, deps)
        case RestoreChunk():
            return await advance(message.chunk_id, deps, undo=message)
        case ApprovePlan():
            return await approve(message, deps)
        case UndoPull():
            return await undo(message, deps)
        case HiddenMail():
            return await answer(message, deps)


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
    """Record who wants what back, and ask each chunk that holds some of it."""

    async def change(case: Incident) -> Change | None:
        known = await deps.incidents.command(message.incident_id, message.command_id)
        return None if known else Change(case, create=[_command(message, message.targets)])

    await deps.incidents.update(message.incident_id, change)
    await deps.queue.send(IncidentChanged(incident_id=message.incident_id), correlation_id=message.incident_id)
    chunks: list[ChunkId] = []
    async for chunk in _chunks(message, deps):
        chunks.append(chunk)
        if len(chunks) == _SENT_AT_ONCE:
            await _send_back(message, chunks, deps)
            chunks.clear()
    await _send_back(message, chunks, deps)
    return Done()


async def _chunks(message: UndoPull, deps: Deps) -> AsyncIterator[ChunkId]:
    """The chunks that hold something of what is wanted back; no target named means all of the incident."""
    if not message.targets:
        async for chunk in deps.targets.chunks_of(message.incident_id):
            yield chunk
        return
    for chunk in await deps.targets.chunks_with(message.incident_id, message.targets):
        yield chunk


async def _send_back(message: UndoPull, chunks: list[ChunkId], deps: Deps) -> None:
    await deps.queue.send_all(
        [
            RestoreChunk(
                incident_id=message.incident_id,
                chunk_id=chunk,
                targets=message.targets,
                command_id=message.command_id,
            )
            for chunk in chunks
        ],
        correlation_id=message.incident_id,
    )


def _command(message: ApprovePlan | UndoPull, targets: tuple[TargetId, ...] = ()) -> Command:
    return Command(
        id=message.command_id,
        incident_id=message.incident_id,
        command=message.kind,
        by=message.by,
        at=message.at,
        reason=message.reason,
        targets=targets,
    )
