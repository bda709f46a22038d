"""The quarantine stage: pulls chunks, puts them back, and takes the commands that lead to either."""

from collections.abc import AsyncIterator

from functions.quarantine.engine import advance
from functions.quarantine.models import Deps
from shared.domain.ids import ChunkId
from shared.domain.incident import Command, Incident, PlanState
from shared.domain.target import chunk_id
from shared.pipeline.payloads import ApprovePlan, IncidentChanged, PullChunk, QuarantineMessage, RestoreChunk, UndoPull
from shared.pipeline.stage import Done, Outcome, Reject

# An incident can have a thousand chunks; what is held in memory is this many of their ids.
_SENT_AT_ONCE = 100


async def handle(message: QuarantineMessage, deps: Deps) -> Outcome:
    """Handle one message of the quarantine queue."""
    match message:
        case PullChunk():
            return await advance(message.chunk_id, deps)
        case RestoreChunk():
            return await advance(message.chunk_id, deps, undo=frozenset(message.targets))
        case ApprovePlan():
            return await approve(message, deps)
        case UndoPull():
            return await undo(message, deps)


async def approve(message: ApprovePlan, deps: Deps) -> Outcome:
    """Release a plan: exactly the one that the approval names by its hash."""
    incident = await deps.incidents.read(message.incident_id)
    plan = incident.value.plan(message.plan_id)
    if plan is None or plan.hash != message.plan_hash:
        return Reject("plan_differs", "the approval names a plan that does not exist, or another state of it")
    if plan.state is PlanState.AWAITING_APPROVAL:
        if incident.value.closed_at is not None:
            return Reject("incident_closed")
        approved = plan.model_copy(
            update={"state": PlanState.RUNNING, "approved_by": message.by, "approved_at": message.at}
        )
        command = Command(id=message.command_id, kind=message.kind, by=message.by, at=message.at, reason=message.reason)
        changed = _with_command(incident.value, command).with_plan(approved)
        await deps.incidents.replace(changed, incident.etag)
    # Sent again on every delivery: an earlier one may have died after its commit. A chunk that is done says so.
    await deps.queue.send_all(
        [
            IncidentChanged(incident_id=message.incident_id),
            *(
                PullChunk(incident_id=message.incident_id, chunk_id=chunk_id(plan.id, number))
                for number in range(plan.chunks)
            ),
        ],
        correlation_id=message.incident_id,
    )
    return Done()


async def undo(message: UndoPull, deps: Deps) -> Outcome:
    """Record who wants what back, and ask each chunk that holds some of it."""
    incident = await deps.incidents.read(message.incident_id)
    command = Command(
        id=message.command_id,
        kind=message.kind,
        by=message.by,
        at=message.at,
        reason=message.reason,
        targets=message.targets,
    )
    if all(known.id != command.id for known in incident.value.commands):
        await deps.incidents.replace(_with_command(incident.value, command), incident.etag)
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


def _with_command(incident: Incident, command: Command) -> Incident:
    return incident.model_copy(update={"commands": (*incident.commands, command)})
