"""What one message does for one chunk, in both directions.

read chunk ─▶ leased by another worker, or another message is due? done; an undo waits
    │
    ▼
locate (what is to be pulled) · survey (what is to be put back)        nothing is changed yet
    │
    ▼
paused meanwhile? nothing is committed
    │
    ▼
commit: everything that undo needs, and the lease     ◀── the write-ahead: two workers cannot both pass here
    │
    ▼
move ─▶ verify · put back ─▶ verify                   ◀── a crash here? the next message looks before it moves
    │
    ▼
commit: what was seen; the lease ends; when what is left is due ─▶ report ─▶ retry for what is left
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from functions.quarantine.hold import held_back
from functions.quarantine.models import Deps, UnitOfWork
from functions.quarantine.pull import locate, move, verify
from functions.quarantine.restore import put_back, survey, verify_restored
from functions.quarantine.rules import wanted_back
from functions.quarantine.undone import stopped_if_undone
from shared.domain.ids import ChunkId
from shared.domain.incident import Plan, PlanState
from shared.domain.target import Chunk, Target, TargetState
from shared.errors import ClawbackError, UnavailableError
from shared.pipeline.envelope import MAX_AGE, backoff
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import ChunkChanged, RestoreChunk
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater
from shared.ports.versioned import Versioned

# A transactional batch takes 2 MB as sent (Cosmos DB service limit). The chunk's header and the batch around the
# documents have the rest.
_MAX_COMMIT = 1_800_000

# The part of a lease that may be used. What was sent in the last moment of it is carried out before the lease ends.
_USED_OF_LEASE = 0.8

# How long after a message is due the sweep takes it for lost. A queue that is not behind shows it within seconds.
_LOST_AFTER = timedelta(minutes=2)

# A pull that comes back after a crash may meet the last moments of the lease of its own first delivery.
_ENDS_SOON = timedelta(seconds=10)

# The clocks of workers and of the queue differ: what comes so little before its time is no other message.
_SAME_MOMENT = timedelta(seconds=2)


async def advance(chunk_id: ChunkId, deps: Deps, *, undo: RestoreChunk | None = None) -> Outcome:
    """Bring every target of the chunk as far as it goes now.

    Args:
        chunk_id: the chunk.
        deps: services.
        undo: what is wanted back; None means that nothing is.
    """
    header, targets = await deps.targets.read_chunk(chunk_id)
    chunk, now = header.value, deps.now()
    if (other := _taken_care_of(chunk, now, undo=undo is not None)) is not None:
        return other
    plan = await plan_of(chunk, deps)
    if plan is not None and plan.approved_by is None:
        plan = await stopped_if_undone(plan, targets, deps)
    approved = plan is not None and _released(plan)
    # What an undo stopped was released: copies that are written down, and perhaps moved already, are brought to an end.
    stopped = plan is not None and plan.stopped_at is not None
    if undo is None and not approved and not stopped:
        return Reject("plan_not_approved")

    work = UnitOfWork({target.id: target for target in targets}, deps.now, plan=plan)
    wanted = await _want_back(work, undo, deps) if undo else []
    read = header
    try:
        await _look(work, deps, (TargetState.PLANNED, TargetState.LOCATED) if approved else (TargetState.LOCATED,))
        work.write_ahead()
        work.fit(_MAX_COMMIT)
        if work.still_ready(TargetState.LOCATED, TargetState.RESTORING):
            if undo is None and (held := await held_back(deps)):
                # Paused while mailboxes were searched, which may take minutes. Nothing is committed yet.
                return held
            header = await deps.targets.commit(_leased(chunk, deps), header.etag, work.changed())
            await _act(header, work, deps)
    except UnavailableError as error:
        return await _wait(header, error, [] if header is read else work.changed(), deps)
    return await _finish(header, work, wanted, approved=approved, deps=deps)


async def _finish(
    header: Versioned[Chunk], work: UnitOfWork, wanted: list[Target], *, approved: bool, deps: Deps
) -> Outcome:
    """Commit what was seen and when something is due again, report it, and say when this message comes again."""
    chunk, now = header.value, deps.now()
    left = [t for t in work.targets.values() if not t.terminal and (approved or t.state is not TargetState.PLANNED)]
    due = now if work.postponed else _next_due([work.due(target, now) for target in left], now)
    pulled_first = [work.due(target, now) for target in wanted if target.state is TargetState.LOCATED]
    # A pull that waits continues what is wanted back too, once that is committed.
    merges = bool(wanted) and not pulled_first and not work.postponed and _comes_before(due, chunk, now)
    after = _after(chunk, chunk.next_at if merges else due, now)
    if (changed := work.changed()) or after != chunk:
        await deps.targets.commit(after, header.etag, changed)

    await deps.queue.send(
        ChunkChanged(incident_id=chunk.incident_id, chunk_id=chunk.id), correlation_id=chunk.incident_id
    )
    emit(Event.CHUNK_CHANGED, incident_id=chunk.incident_id, chunk_id=chunk.id, **_counts(work))
    if pulled_first:
        # Their pull has to be finished before they can be put back.
        return RetryLater("undo follows the pull", (min(pulled_first) - now).total_seconds())
    if due is None or merges:
        waits = not approved and bool(work.of(TargetState.PLANNED))
        # A pull that came while this message had the lease left everything to it.
        return RetryLater("approved meanwhile", 0.0) if waits and await _is_released(chunk, deps) else Done()
    return RetryLater("targets left", (due - now).total_seconds(), service=bool(work.retries))


async def _want_back(work: UnitOfWork, undo: RestoreChunk, deps: Deps) -> list[Target]:
    """Note which copies are wanted back; the targets that the undo is about, as they were.

    While pulling is paused, nothing else of the chunk is pulled.
    """
    wanted = [target for target in work.targets.values() if not undo.targets or target.id in undo.targets]
    for target in wanted:
        work.put(wanted_back(target, undo.command_id, undo.items))
    if await held_back(deps):
        # A pull of theirs that has begun is finished, so that it can be undone.
        work.leave_out(TargetState.PLANNED, TargetState.LOCATED, but={target.id for target in wanted})
    return wanted


def _taken_care_of(chunk: Chunk, now: datetime, *, undo: bool) -> Outcome | None:
    """What becomes of a message whose chunk another one works on, or is about to; None if this one is to work.

    A pull adds nothing to what the other message does, so that it is done: if the other one is lost, the sweep sends
    one. An undo names what is wanted back, and waits for a lease to end.
    """
    if chunk.lease_until is not None and chunk.lease_until > now:
        waits = undo or chunk.lease_until - now <= _ENDS_SOON
        return RetryLater("leased", (chunk.lease_until - now).total_seconds()) if waits else Done()
    if undo or chunk.next_at is None or chunk.next_at - _SAME_MOMENT <= now or _too_old(chunk, now):
        return None
    return Done()


def _too_old(chunk: Chunk, now: datetime) -> bool:
    """Whether the message of the chunk may be a dead letter, so that nothing may be left to it."""
    return chunk.waiting_since is not None and now - chunk.waiting_since > MAX_AGE


def _leased(chunk: Chunk, deps: Deps) -> Chunk:
    now = deps.now()
    until = now + timedelta(seconds=deps.settings.lease_seconds)
    since = chunk.waiting_since or now
    return chunk.model_copy(update={"lease_until": until, "sweep_at": until, "waiting_since": since})


def _next_due(times: list[datetime], now: datetime) -> datetime | None:
    """When the next message is due: for the first target, and for those that are due little later, in one round."""
    if not times:
        return None
    first = min(times)
    return max(time for time in times if time <= first + (first - now) / 2)


def _comes_before(due: datetime | None, chunk: Chunk, now: datetime) -> bool:
    """Whether another message of the chunk is on its way that comes before something is due."""
    waiting = chunk.next_at is not None and chunk.next_at > now and not _too_old(chunk, now)
    return waiting and due is not None and chunk.next_at is not None and chunk.next_at <= due


def _after(chunk: Chunk, due: datetime | None, now: datetime, retries: int = 0) -> Chunk:
    """The header when a message has done what it could: no lease, and when something is due again, if it is."""
    swept = due is not None and not _too_old(chunk, now)
    return chunk.model_copy(
        update={
            "lease_until": None,
            "next_at": due,
            "sweep_at": due + _LOST_AFTER if due and swept else None,
            "waiting_since": (chunk.waiting_since or now) if due else None,
            "retries": retries,
        }
    )


async def _wait(header: Versioned[Chunk], error: UnavailableError, changed: list[Target], deps: Deps) -> Outcome:
    """Graph cannot be asked at all: note when this message comes again, so that no other one is needed."""
    now, retries = deps.now(), header.value.retries
    waited = now - (header.value.waiting_since or now)
    wait = backoff(retries, waited) if error.retry_after is None else timedelta(seconds=error.retry_after)
    await _keep(header, _after(header.value, now + wait, now, retries + 1), changed, deps)
    return RetryLater(str(error), wait.total_seconds(), service=True)


async def _keep(header: Versioned[Chunk], chunk: Chunk, changed: list[Target], deps: Deps) -> None:
    """Commit what is known after an error, if it can be; otherwise the lease ends by itself."""
    with suppress(ClawbackError):
        await deps.targets.commit(chunk, header.etag, changed)


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


async def _act(header: Versioned[Chunk], work: UnitOfWork, deps: Deps) -> None:
    """Moves what is committed, and looks at the result, within the lease.

    After its lease another worker may move the same copies, in the other direction too.
    """
    try:
        async with asyncio.timeout(deps.settings.lease_seconds * _USED_OF_LEASE):
            if work.still_ready(TargetState.LOCATED):
                await move(work, deps)
                await verify(work, deps)
            if work.still_ready(TargetState.RESTORING):
                await put_back(work, deps)
                await verify_restored(work, deps)
    except TimeoutError as error:
        raise UnavailableError("work within the lease of a chunk") from error
    except UnavailableError:
        raise
    except Exception:  # a bug of ours: what was moved is kept before the host counts the failure
        now = deps.now()
        await _keep(header, _after(header.value, now, now), work.changed(), deps)
        raise


async def _is_released(chunk: Chunk, deps: Deps) -> bool:
    plan = await plan_of(chunk, deps)
    return plan is not None and _released(plan)


def _released(plan: Plan) -> bool:
    return plan.state in {PlanState.RUNNING, PlanState.FINISHED}


async def plan_of(chunk: Chunk, deps: Deps) -> Plan | None:
    """The plan that the chunk belongs to; None if its incident does not have it."""
    found = await deps.incidents.plan(chunk.incident_id, chunk.plan_id)
    return found.value if found else None


def _counts(work: UnitOfWork) -> dict[str, int]:
    """How many targets are in which state, and how many could not be put back."""
    counts = Counter(str(target.state) for target in work.targets.values())
    if stuck := sum(target.put_back_failed for target in work.targets.values()):
        counts["restore_failed"] = stuck
    return dict(counts)
