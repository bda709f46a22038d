"""Looking again: what ended is opened for its next look, under the ETag of its chunk.

A look is asked for by a new alert (its plan), by a person (a command) or by the watch (a run of it, or a delivery that
message trace shows). Whoever asks is noted on the target: it opens one look, however often its message is delivered.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from functions.quarantine.chunks import chunks_of
from functions.quarantine.engine import advance, plan_of
from functions.quarantine.models import Deps, target_size
from functions.quarantine.undone import not_undone
from shared.domain.batch import MAX_BATCH_BYTES
from shared.domain.ids import ChunkId, MailboxId, TargetId
from shared.domain.incident import Incident, PlanState
from shared.domain.target import (
    LOOKED_AT_AGAIN,
    MAX_AUTOMATIC_LOOKS,
    Chunk,
    Mailbox,
    Target,
    TargetState,
    target_id,
)
from shared.pipeline.payloads import IncidentChanged, LookAgain, LookAtChunk
from shared.pipeline.stage import Done, Outcome, RetryLater
from shared.ports.answers import Refusal, RefusalKind, raise_for_refusals
from shared.ports.incidents import Change

# The rest of a batch is for the chunk's header.
_MAX_COMMIT = MAX_BATCH_BYTES - 100_000

# What is opened and not taken up, because its worker died, is left to the sweep after this.
_LOST_AFTER = timedelta(minutes=2)

# Transport and mailbox write down the same delivery at moments that differ.
_ABOUT = timedelta(minutes=15)

_PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED}

_NO_MAILBOX = {
    RefusalKind.ON_PREMISES: TargetState.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: TargetState.MAILBOX_MISSING,
}


async def look_again(message: LookAgain, deps: Deps) -> Outcome:
    """Record who wants what looked at again, and ask each chunk that holds some of it."""

    async def change(case: Incident) -> Change | None:
        known = await deps.incidents.command(message.incident_id, message.command_id)
        return None if known else Change(case, create=[message.to_command(targets=message.targets or ())])

    await deps.incidents.update(message.incident_id, change)
    await deps.queue.send(IncidentChanged(incident_id=message.incident_id), correlation_id=message.incident_id)
    async for chunks in chunks_of(message.incident_id, message.targets, deps):
        await _send(message, chunks, deps)
    return Done()


async def _send(message: LookAgain, chunks: Sequence[ChunkId], deps: Deps) -> None:
    await deps.queue.send_all(
        [
            LookAtChunk(
                incident_id=message.incident_id,
                chunk_id=chunk,
                targets=message.targets,
                opener=message.command_id,
                automatic=False,
            )
            for chunk in chunks
        ],
        correlation_id=message.incident_id,
    )


async def look_at_chunk(message: LookAtChunk, deps: Deps) -> Outcome:
    """Open the next look at those targets of the chunk that are to be looked at again, and go on as for any pull.

    A look follows the approval of the plan of its target: nothing is opened while that plan waits. Nobody but a person
    opens one in a closed case, or at mail that a person undid.
    """
    header, targets = await deps.targets.read_chunk(message.chunk_id)
    chunk, now = header.value, deps.now()
    if chunk.lease_until is not None and chunk.lease_until > now:
        return RetryLater("leased", (chunk.lease_until - now).total_seconds())
    plan = await plan_of(chunk, deps)
    if plan is None or plan.state not in {PlanState.RUNNING, PlanState.FINISHED}:
        return Done()
    if message.automatic and (await deps.incidents.read(chunk.incident_id)).closed_at is not None:
        return Done()
    asked = [target for target in targets if message.targets is None or target.id in message.targets]
    opened = [target for target in asked if opens(target, message)]
    if message.automatic:
        opened = await not_undone(opened, deps)
    found = await _mailboxes([target for target in opened if target.mailbox.id is None], deps)
    changed = [_opened(target, message, found.get(target.id), now) for target in opened]
    # Their look is not over, and searches after this: it is what is asked for.
    changed += [target.asked_by(_opener(target, message)) for target in asked if _is_open(target, message)]
    for some in _that_fit(changed):
        header = await deps.targets.commit(_to_do(header.value, now), header.etag, some)
    if changed or any(_opener(target, message) in target.openers for target in asked):
        # Also when the message comes again: an earlier delivery may have died after its commit.
        return await advance(message.chunk_id, deps)
    return Done()


def opens(target: Target, message: LookAtChunk) -> bool:
    """Whether this message opens the next look at a target that has ended."""
    if target.state not in LOOKED_AT_AGAIN or target.put_back_failed or _opener(target, message) in target.openers:
        return False
    if not all(copy.claimed for copy in target.copies):
        # Somebody wanted it back.
        return False
    if not message.automatic:
        return True
    if target.automatic_looks >= MAX_AUTOMATIC_LOOKS or (not message.pulled_too and target.state in _PULLED):
        return False
    if message.delivered:
        return target.id in message.delivered and not _has_copy_of(target, message.delivered[target.id])
    return message.since is None or target.looked_at is None or target.looked_at < message.since


def _is_open(target: Target, message: LookAtChunk) -> bool:
    looking = target.state in {TargetState.PLANNED, TargetState.LOCATED}
    return looking and _opener(target, message) not in target.openers


def _opener(target: Target, message: LookAtChunk) -> str:
    at = message.delivered.get(target.id)
    return message.opener if at is None else f"delivery:{at.isoformat()}"


def _has_copy_of(target: Target, delivered: datetime) -> bool:
    """Whether one of its copies is of this delivery."""
    received = [copy.original.received_at for copy in target.copies if copy.original.received_at is not None]
    return any(abs(at - delivered) <= _ABOUT for at in received)


def _opened(target: Target, message: LookAtChunk, found: Mailbox | Refusal | None, now: datetime) -> Target:
    """The target planned for its next look; ended as before, or by this refusal, if it has no mailbox now either."""
    mailbox = found if isinstance(found, Mailbox) else None
    again = target.look_again(_opener(target, message), automatic=message.automatic, mailbox=mailbox)
    if again.mailbox.id is not None:
        return again
    if isinstance(found, Refusal):
        return again.ended(_NO_MAILBOX.get(found.kind, target.state), found.code, looked_at=now)
    return again.ended(target.state, target.reason, looked_at=now)


async def _mailboxes(targets: Sequence[Target], deps: Deps) -> dict[TargetId, Mailbox | Refusal]:
    """The mailboxes that the directory knows now for targets that had none, or why there is none.

    One that is a target of the case by itself is left to that target.

    Raises:
        UnavailableError, DeniedError: the directory does not answer now.
    """
    if not targets:
        return {}
    recipients = await deps.directory.resolve(sorted({target.mailbox.address for target in targets}))
    raise_for_refusals("resolve", [one for one in recipients.values() if isinstance(one, Refusal)])
    found: dict[TargetId, Mailbox] = {}
    for target in targets:
        recipient = recipients.get(target.mailbox.address)
        if recipient is not None and not isinstance(recipient, Refusal) and recipient.mailbox_id is not None:
            marks = {"protected": target.mailbox.protected, "privileged": target.mailbox.privileged}
            found[target.id] = Mailbox.of(recipient).model_copy(update=marks)
    ids = {key: MailboxId(str(mailbox.id)) for key, mailbox in found.items()}
    kinds = await deps.directory.mailbox_kinds(sorted(set(ids.values())))
    others = {t.id: target_id(t.incident_id, ids[t.id], t.message_key) for t in targets if t.id in ids}
    known = await deps.targets.known(targets[0].incident_id, list(others.values()))
    answers: dict[TargetId, Mailbox | Refusal] = {}
    for key, mailbox in found.items():
        kind = kinds[ids[key]]
        if isinstance(kind, Refusal):
            raise_for_refusals("mailbox kinds", [kind] if kind.kind.retryable else [])
            answers[key] = kind
        elif others[key] not in known:
            answers[key] = mailbox
    return answers


def _to_do(chunk: Chunk, now: datetime) -> Chunk:
    """The header of a chunk in which something is to be done now: by this worker, or else by the sweep."""
    return chunk.model_copy(
        update={
            "lease_until": None,
            "next_at": None,
            "sweep_at": now + _LOST_AFTER,
            "waiting_since": chunk.waiting_since or now,
        }
    )


def _that_fit(targets: Sequence[Target]) -> Iterator[list[Target]]:
    """The targets in parts that one batch takes."""
    some: list[Target] = []
    size = 0
    for target in targets:
        more = target_size(target)
        if some and size + more > _MAX_COMMIT:
            yield some
            some, size = [], 0
        some.append(target)
        size += more
    if some:
        yield some
