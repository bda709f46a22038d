"""One round of work on one chunk, in both directions.

read chunk ─▶ claimed by another? wait
    │
    ▼
locate (what is to be pulled) · survey (what is to come back)          nothing is changed yet
    │
    ▼
commit: everything that undo needs, and the claim     ◀── the write-ahead: two workers cannot both pass here
    │
    ▼
move ─▶ verify (look again)                           ◀── died here? the next life looks before it moves
    │
    ▼
commit: what was seen; the claim is given back ─▶ report ─▶ whatever is left waits
"""

from collections import Counter
from datetime import timedelta

from functions.quarantine.models import Deps, Round
from functions.quarantine.pull import locate, move, verify
from functions.quarantine.restore import put_back, survey, wanted_back
from functions.quarantine.rules import not_put_back
from shared.domain.ids import ChunkId, TargetId
from shared.domain.incident import PlanState
from shared.domain.target import TargetState
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import ChunkChanged
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater

# A transactional batch takes 2 MB (Cosmos DB service limit). A copy is 0.4 KB of its target in the demo, 0.7 KB with
# Graph's long ids, some KB with a deep folder and many categories. 99 targets of a copy or two are far from it.
_MAX_COPIES = 500


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
        return RetryLater("claimed", (chunk.lease_until - now).total_seconds())
    plan = await deps.incidents.plan(chunk.incident_id, chunk.plan_id)
    approved = plan is not None and plan.value.state in {PlanState.RUNNING, PlanState.FINISHED}
    if undo is None and not approved:
        return Reject("plan_not_approved")

    work = Round({target.id: target for target in targets})
    wanted = [t for t in targets if undo is not None and (not undo or t.id in undo)]
    for target in wanted:
        work.put(wanted_back(target))
    await _look(work, deps, pull=approved)
    work.fit(_MAX_COPIES)
    acting = bool(work.to_act(TargetState.LOCATED) or work.to_act(TargetState.RESTORING))
    if changed := work.changed():
        lease_until = now + timedelta(seconds=deps.settings.lease_seconds) if acting else None
        claimed = chunk.model_copy(update={"lease_until": lease_until})
        header = await deps.targets.commit(claimed, header.etag, changed)
    if acting:
        await _act(work, deps)
        released = chunk.model_copy(update={"lease_until": None})
        await deps.targets.commit(released, header.etag, work.changed())
    await deps.queue.send(
        ChunkChanged(incident_id=chunk.incident_id, chunk_id=chunk_id), correlation_id=chunk.incident_id
    )
    states = Counter(str(target.state) for target in work.targets.values())
    if stuck := sum(not_put_back(target) for target in work.targets.values()):
        states["restore_failed"] = stuck
    emit(Event.CHUNK_CHANGED, incident_id=chunk.incident_id, chunk_id=chunk_id, **states)
    if any(target.state is TargetState.LOCATED for target in wanted):
        # Its pull had to be finished before it can come back.
        return RetryLater("undo follows the pull", 0.0)
    left = [t for t in work.targets.values() if not t.terminal and (approved or t.state is not TargetState.PLANNED)]
    if work.postponed:
        return RetryLater("targets left", work.retry_after or 0.0)
    return RetryLater("targets left", work.retry_after, service=True) if left else Done()


async def _look(work: Round, deps: Deps, *, pull: bool) -> None:
    if pull and work.of(TargetState.PLANNED, TargetState.LOCATED):
        await locate(work, deps)
    if work.of(TargetState.RESTORING):
        await survey(work, deps)


async def _act(work: Round, deps: Deps) -> None:
    if work.to_act(TargetState.LOCATED):
        await move(work, deps)
        await verify(work, deps)
    if work.to_act(TargetState.RESTORING):
        await put_back(work, deps)
