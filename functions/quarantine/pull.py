"""Locate, move, verify: out of the mailbox's folders into its hidden one."""

from asyncio import gather
from collections import defaultdict

from functions.quarantine.models import Deps, Round, mailbox_of, message_at
from functions.quarantine.rules import is_named, located
from shared.domain.ids import TargetId
from shared.domain.target import Copy, Target, TargetState
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item, MessageKey, Where


async def locate(work: Round, deps: Deps) -> None:
    """Find every copy of every target that is planned, or was located in an earlier life.

    Those that are found and answered in full are `LOCATED` and ready; the rest is in a terminal state, or as before
    with one more attempt used.
    """
    targets = work.of(TargetState.PLANNED, TargetState.LOCATED)
    recorded = [(target, copy) for target in targets for copy in target.copies]
    visible, deletions, looked = await gather(
        _find(Where.VISIBLE, targets, deps),
        _find(Where.DELETIONS, targets, deps),
        deps.mailboxes.get([(mailbox_of(target), copy.id) for target, copy in recorded]),
    )
    items: dict[TargetId, list[Item]] = defaultdict(list)
    pulled: dict[TargetId, set[str]] = defaultdict(set)
    work.ready = {target.id for target in targets}
    for target, answer in [
        (target, answers[message_at(target)]) for answers in (visible, deletions) for target in targets
    ]:
        if isinstance(answer, Refusal):
            work.refuse(target.id, answer)
        else:
            items[target.id].extend(answer)
    for target, copy in recorded:
        seen = looked[mailbox_of(target), copy.id]
        if isinstance(seen, Refusal):
            if seen.kind is not RefusalKind.NOT_FOUND:
                work.refuse(target.id, seen)
        elif seen.folder_id == copy.quarantine_folder_id:
            pulled[target.id].add(seen.id)

    for target in [t for t in targets if t.id in work.ready]:
        named = [item for item in items[target.id] if is_named(target, item)]
        if items[target.id] and not named:
            _end(work, target, TargetState.HELD, "sender_differs")
        elif len(named) > deps.policy.limits.copies_per_mailbox:
            _end(work, target, TargetState.HELD, "too_many_copies")
        items[target.id] = named
    await _explain_missing(work, [t for t in targets if not items[t.id] and not pulled[t.id]], deps)
    await _record(work, [t for t in targets if t.id in work.ready], items, pulled, deps)


async def _explain_missing(work: Round, targets: list[Target], deps: Deps) -> None:
    """Tell what was purged (it was there, and no client can reach it) from what was never there."""
    targets = [target for target in targets if target.id in work.ready]
    found = await _find(Where.PURGES, targets, deps)
    for target in targets:
        purged = found[message_at(target)]
        if isinstance(purged, Refusal):
            work.refuse(target.id, purged)
        elif any(is_named(target, item) for item in purged):
            _end(work, target, TargetState.GONE_BY_USER, "purged")
        else:
            _end(work, target, TargetState.NOT_FOUND)


async def _record(
    work: Round,
    targets: list[Target],
    items: dict[TargetId, list[Item]],
    pulled: dict[TargetId, set[str]],
    deps: Deps,
) -> None:
    """Write down on the target what undo needs: folder id and path, read state, flag, categories."""
    mailboxes = list(dict.fromkeys(mailbox_of(target) for target in targets))
    folders = list(dict.fromkeys((mailbox_of(t), item.folder_id) for t in targets for item in items[t.id]))
    quarantine = await deps.mailboxes.quarantine_folders(mailboxes)
    path_of = await deps.mailboxes.folder_paths(folders)
    for target in targets:
        mailbox = mailbox_of(target)
        folder = quarantine[mailbox]
        needed = {item.folder_id: path_of[mailbox, item.folder_id] for item in items[target.id]}
        refusals = [answer for answer in (folder, *needed.values()) if isinstance(answer, Refusal)]
        if isinstance(folder, Refusal) or refusals:
            # A folder that vanished between two answers is a mailbox in motion: look again.
            moving = Refusal(RefusalKind.TRANSIENT, refusals[0].code, refusals[0].status)
            gone = refusals[0].kind is RefusalKind.NOT_FOUND
            work.refuse(target.id, moving if gone else refusals[0])
            continue
        texts = {key: path for key, path in needed.items() if isinstance(path, str)}
        work.put(located(target, items[target.id], pulled[target.id], folder, texts, deps.now()))


async def move(work: Round, deps: Deps) -> None:
    """Move what is located, written down and not yet moved."""
    waiting = [(t, c) for t in work.to_act(TargetState.LOCATED) for c in t.copies if c.moved_at is None]
    answers = await deps.mailboxes.move([(mailbox_of(t), c.id, c.quarantine_folder_id or "") for t, c in waiting])
    for target, copy in waiting:
        answer = answers[mailbox_of(target), copy.id]
        if not isinstance(answer, Refusal):
            work.put(_with_copy(work.targets[target.id], copy.model_copy(update={"moved_at": deps.now()})))
        elif answer.kind is RefusalKind.NOT_FOUND:
            # The user or a rule was quicker: find out where it went.
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, answer.code, answer.status))
        else:
            work.refuse(target.id, answer)


async def verify(work: Round, deps: Deps) -> None:
    """Accepted is not gone: see each copy in the hidden folder, and none anywhere else."""
    targets = [t for t in work.to_act(TargetState.LOCATED) if all(c.moved_at for c in t.copies)]
    moved = [(target, copy) for target in targets for copy in target.copies]
    looked, visible, deletions = await gather(
        deps.mailboxes.get([(mailbox_of(target), copy.id) for target, copy in moved]),
        _find(Where.VISIBLE, targets, deps),
        _find(Where.DELETIONS, targets, deps),
    )
    astray: set[TargetId] = set()
    for target, copy in moved:
        seen = looked[mailbox_of(target), copy.id]
        if isinstance(seen, Refusal) and seen.kind is not RefusalKind.NOT_FOUND:
            work.refuse(target.id, seen)
        elif isinstance(seen, Refusal) or seen.folder_id != copy.quarantine_folder_id:
            astray.add(target.id)
    for target, answer in [
        (target, answers[message_at(target)]) for answers in (visible, deletions) for target in targets
    ]:
        folder = target.copies[0].quarantine_folder_id
        if isinstance(answer, Refusal):
            work.refuse(target.id, answer)
        elif any(is_named(target, item) and item.folder_id != folder for item in answer):
            astray.add(target.id)
    for target in [t for t in targets if t.id in work.ready]:
        if target.id in astray:
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "still_there", 0))
            continue
        pulled_at = max(copy.moved_at for copy in target.copies if copy.moved_at)
        work.put(target.to(TargetState.QUARANTINED, pulled_at=pulled_at, verified_at=deps.now()))


async def _find(where: Where, targets: list[Target], deps: Deps) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
    return await deps.mailboxes.find(where, [message_at(target) for target in targets])


def _end(work: Round, target: Target, state: TargetState, reason: str | None = None) -> None:
    work.put(target.to(state, reason))
    work.ready.discard(target.id)


def _with_copy(target: Target, copy: Copy) -> Target:
    copies = tuple(copy if old.id == copy.id else old for old in target.copies)
    return target.model_copy(update={"copies": copies})
