"""What one message does for one chunk, in both directions.

read chunk ─▶ leased by another worker? retry when the lease ends
    │
    ▼
locate (what is to be pulled) · survey (what is to be put back)        nothing is changed yet
    │
    ▼
commit: everything that undo needs, and the lease     ◀── the write-ahead: two workers cannot both pass here
    │
    ▼
move ─▶ verify · put back ─▶ verify                   ◀── a crash here? the next message looks before it moves
    │
    ▼
commit: what was seen; the lease ends ─▶ report ─▶ retry for what is left
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from functions.quarantine.models import Deps, UnitOfWork
from functions.quarantine.pull import locate, move, verify
from functions.quarantine.restore import put_back, survey, verify_restored, wanted_back
from functions.quarantine.rules import not_put_back
from functions.quarantine.undone import stopped_if_undone
from shared.domain.ids import ChunkId, TargetId
from shared.domain.incident import Plan, PlanState
from shared.domain.target import Chunk, TargetState
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import ChunkChanged
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater

# A transactional batch takes 2 MB as sent (Cosmos DB service limit). The chunk's header and the batch around the
# documents have the rest.
_MAX_COMMIT = 1_800_000


async def advance(chunk_id: ChunkId, deps: Deps, *, undo: frozenset[TargetId] | None = None) -> Outcome:
    """Bring every target of the chunk as far as it goes now.

    Args:
        chunk_id: the chunk.
        deps: services.
        undo: the targets that are wanted back; empty means all, None means that nothing is.
    """
    header, targets = await deps.targets.read_chunk(chunk_id)
    chunk, now = header.value, deps.now()
    if chunk.lease_until is not None and chunk.lease_until > now:
        return RetryLater("leased", (chunk.lease_until - now).total_seconds())
    plan = await plan_of(chunk, deps)
    if plan is not None and _released(plan) and plan.approved_by is None:
        plan = await stopped_if_undone(plan, targets, deps)
    approved = plan is not None and _released(plan)
    # What an undo stopped was released: copies that are written down, and perhaps moved already, are brought to an end.
    stopped = plan is not None and plan.stopped_at is not None
    if undo is None and not approved and not stopped:
        return Reject("plan_not_approved")

    work = UnitOfWork({target.id: target for target in targets}, plan=plan)
    wanted = [target for target in targets if undo is not None and (not undo or target.id in undo)]
    for target in wanted:
        work.put(wanted_back(target))
    await _look(work, deps, (TargetState.PLANNED, TargetState.LOCATED) if approved else (TargetState.LOCATED,))
    work.fit(_MAX_COMMIT)

    acting = bool(work.still_ready(TargetState.LOCATED, TargetState.RESTORING))
    if changed := work.changed():
        lease_until = now + timedelta(seconds=deps.settings.lease_seconds) if acting else None
        leased = chunk.model_copy(update={"lease_until": lease_until})
        header = await deps.targets.commit(leased, header.etag, changed)
    if acting:
        await _act(work, deps)
        ended = chunk.model_copy(update={"lease_until": None})
        await deps.targets.commit(ended, header.etag, work.changed())

    await deps.queue.send(
        ChunkChanged(incident_id=chunk.incident_id, chunk_id=chunk_id), correlation_id=chunk.incident_id
    )
    emit(Event.CHUNK_CHANGED, incident_id=chunk.incident_id, chunk_id=chunk_id, **_counts(work))
    if any(target.state is TargetState.LOCATED for target in wanted):
        # Its pull had to be finished before it can be put back.
        return RetryLater("undo follows the pull", 0.0)
    if work.postponed:
        return RetryLater("targets left", work.retry_after or 0.0)
    left = [t for t in work.targets.values() if not t.terminal and (approved or t.state is not TargetState.PLANNED)]
    return RetryLater("targets left", work.retry_after, service=True) if left else Done()


async def _look(work: UnitOfWork, deps: Deps, pulled: Sequence[TargetState]) -> None:
    """Only reads, but for hidden folders that are missing.

    Args:
        work: the chunk.
        deps: services.
        pulled: the states of the targets that are to be pulled.
    """
    if work.of(*pulled):
        await locate(work, deps, *pulled)
    if work.of(TargetState.RESTORING):
        await survey(work, deps)


async def _act(work: UnitOfWork, deps: Deps) -> None:
    """Moves what is committed, and looks at the result."""
    if work.still_ready(TargetState.LOCATED):
        await move(work, deps)
        await verify(work, deps)
    if work.still_ready(TargetState.RESTORING):
        await put_back(work, deps)
        await verify_restored(work, deps)


def _released(plan: Plan) -> bool:
    return plan.state in {PlanState.RUNNING, PlanState.FINISHED}


async def plan_of(chunk: Chunk, deps: Deps) -> Plan | None:
    """The plan that the chunk belongs to; None if its incident does not have it."""
    found = await deps.incidents.plan(chunk.incident_id, chunk.plan_id)
    return found.value if found else None


def _counts(work: UnitOfWork) -> dict[str, int]:
    """How many targets are in which state, and how many could not be put back."""
    counts = Counter(str(target.state) for target in work.targets.values())
    if stuck := sum(not_put_back(target) for target in work.targets.values()):
        counts["restore_failed"] = stuck
    return dict(counts)
