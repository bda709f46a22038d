"""Locate, move, verify: out of the mailbox's folders into its hidden one."""

from asyncio import gather

from functions.quarantine.models import (
    Deps,
    UnitOfWork,
    item_key,
    items_in,
    mailbox_of,
    message_key,
    refusals_in,
)
from functions.quarantine.rules import Judged, located, said_yes, why_held
from shared.domain.identity import SENDER_UNKNOWN
from shared.domain.ids import TargetId
from shared.domain.target import Copy, Target, TargetState
from shared.pipeline.identify import judge
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import FolderKey, Item, ItemKey, MessageKey, Where

Items = dict[TargetId, list[Item]]
Found = dict[MessageKey, Answer[tuple[Item, ...]]]


async def locate(work: UnitOfWork, deps: Deps, *states: TargetState) -> None:
    """Find every copy of every target in one of these states: planned, or located by an earlier message.

    Those that are found and answered in full are `LOCATED` and ready; the rest is in a terminal state, or as before
    with one more attempt used.
    """
    targets = work.begin(*states)
    (visible, deletions), recorded = await gather(
        _search(targets, deps),
        deps.mailboxes.get([item_key(target, copy) for target in targets for copy in target.copies]),
    )
    for target in targets:
        answers = visible[message_key(target)], deletions[message_key(target)]
        work.refuse(target.id, *refusals_in(*answers, *_unknown(target, recorded)))
    ready = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    judged = await _judge(work, ready, deps, visible, deletions)
    pulled = {target.id: _in_hidden_folder(target, recorded) for target in targets}
    for target in work.still_ready(TargetState.PLANNED, TargetState.LOCATED):
        # What an earlier worker moved was judged by it, and is not left behind.
        why = why_held(judged[target.id], work.plan, deps.policy) if not pulled[target.id] else None
        if why is not None:
            work.end(target.to(TargetState.HELD, why))
    ready = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    await _explain_missing(work, [t for t in ready if not judged[t.id].ours and not pulled[t.id]], deps)
    await _record(work, {key: one.ours for key, one in judged.items()}, pulled, deps)


async def move(work: UnitOfWork, deps: Deps) -> None:
    """Move what is located, committed and not yet moved. Only an answer that shows it in the hidden folder counts."""
    waiting = [(target, copy) for target, copy in work.copies(TargetState.LOCATED) if copy.moved_at is None]
    answers = await deps.mailboxes.move([(*item_key(t, c), c.quarantine_folder_id or "") for t, c in waiting])
    for target, copy in waiting:
        answer = answers[item_key(target, copy)]
        if isinstance(answer, Refusal):
            # Not found: the user or a rule moved it first. The next search shows where it is.
            work.refuse(target.id, _look_again(answer) if answer.kind is RefusalKind.NOT_FOUND else answer)
        elif answer.id == copy.id and answer.folder_id == copy.quarantine_folder_id:
            work.put_copy(target.id, copy.model_copy(update={"moved_at": deps.now()}))
        else:
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "moved_elsewhere", 0))


async def verify(work: UnitOfWork, deps: Deps) -> None:
    """Search again: no copy may be left, or be new, anywhere but in the hidden folder.

    That each copy is in the hidden folder was seen a moment ago, in the answer to its move or by `locate`. This search
    need not show it: whether a search of a mailbox covers hidden folders is not documented (graph.md 2.2).
    """
    targets = [t for t in work.still_ready(TargetState.LOCATED) if all(copy.moved_at for copy in t.copies)]
    visible, deletions = await _search(targets, deps)
    for target in targets:
        work.refuse(target.id, *refusals_in(visible[message_key(target)], deletions[message_key(target)]))
    targets = [target for target in targets if target.id in work.ready]
    judged = await _judge(work, targets, deps, visible, deletions)
    for target in [target for target in targets if target.id in work.ready]:
        hidden = target.copies[0].quarantine_folder_id
        moved = [copy.moved_at for copy in target.copies if copy.moved_at]
        if any(item.folder_id != hidden for item in judged[target.id].ours):
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "still_there", 0))
        else:
            left = SENDER_UNKNOWN if judged[target.id].unsure else None
            work.put(target.to(TargetState.QUARANTINED, left, pulled_at=max(moved), verified_at=deps.now()))


async def _search(targets: list[Target], deps: Deps) -> tuple[Found, Found]:
    """Everywhere where a person can reach a copy."""
    messages = [message_key(target) for target in targets]
    return await gather(deps.mailboxes.find(Where.VISIBLE, messages), deps.mailboxes.find(Where.DELETIONS, messages))


async def _judge(work: UnitOfWork, targets: list[Target], deps: Deps, *found: Found) -> dict[TargetId, Judged]:
    """What the mailboxes of these targets have under their Message-IDs. A refusal on the way is the target's."""
    asked = [
        (target, item)
        for target in targets
        for item in items_in(*(answers[message_key(target)] for answers in found))
        if item.internet_message_id == target.internet_message_id
    ]
    answers = await judge([(mailbox_of(target), target.traits, item) for target, item in asked], deps.mailboxes)
    judged = {target.id: Judged() for target in targets}
    for (target, item), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Refusal):
            work.refuse(target.id, _retried_if_missing(answer))
        else:
            judged[target.id].add(item, answer, said_yes=said_yes(work.plan))
    return judged


def _unknown(target: Target, recorded: dict[ItemKey, Answer[Item]]) -> list[Refusal]:
    """Refusals that leave open where a recorded copy is. One that is not found has left the mailbox: that is known."""
    answers = refusals_in(*(recorded[item_key(target, copy)] for copy in target.copies))
    return [refusal for refusal in answers if refusal.kind is not RefusalKind.NOT_FOUND]


def _in_hidden_folder(target: Target, recorded: dict[ItemKey, Answer[Item]]) -> set[str]:
    """The copies that an earlier worker moved before it died, so that the move is not committed."""

    def is_there(copy: Copy) -> bool:
        item = recorded[item_key(target, copy)]
        return not isinstance(item, Refusal) and item.folder_id == copy.quarantine_folder_id

    return {copy.id for copy in target.copies if is_there(copy)}


async def _explain_missing(work: UnitOfWork, targets: list[Target], deps: Deps) -> None:
    """Distinguish what was purged (it was there, and no client can reach it) from what was never there."""
    found = await deps.mailboxes.find(Where.PURGES, [message_key(target) for target in targets])
    for target in targets:
        work.refuse(target.id, *refusals_in(found[message_key(target)]))
    targets = [target for target in targets if target.id in work.ready]
    judged = await _judge(work, targets, deps, found)
    for target in [target for target in targets if target.id in work.ready]:
        if judged[target.id].ours:
            work.end(target.to(TargetState.GONE_BY_USER, "purged"))
        else:
            work.end(target.to(TargetState.NOT_FOUND, SENDER_UNKNOWN if judged[target.id].unsure else None))


async def _record(work: UnitOfWork, items: Items, pulled: dict[TargetId, set[str]], deps: Deps) -> None:
    """Write down on the target what undo needs: folder id and path, read state, flag, categories."""
    targets = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    folders = await deps.mailboxes.quarantine_folders([mailbox_of(target) for target in targets])
    paths: dict[FolderKey, Answer[str]] = {
        (mailbox, key): path
        for mailbox, folder in folders.items()
        if not isinstance(folder, Refusal)
        for key, path in folder.paths.items()
    }
    needed = [(mailbox_of(target), item.folder_id) for target in targets for item in items[target.id]]
    paths |= await deps.mailboxes.folder_paths([key for key in needed if key not in paths])
    for target in targets:
        mailbox = mailbox_of(target)
        hidden = folders[mailbox]
        path_of = {item.folder_id: paths[mailbox, item.folder_id] for item in items[target.id]}
        if isinstance(hidden, Refusal):
            work.refuse(target.id, _retried_if_missing(hidden))
        elif refusals := refusals_in(*path_of.values()):
            work.refuse(target.id, *map(_retried_if_missing, refusals))
        else:
            texts = {key: str(path) for key, path in path_of.items()}
            work.put(located(target, items[target.id], pulled[target.id], hidden.id, texts, deps.now()))


def _retried_if_missing(refusal: Refusal) -> Refusal:
    # The folder is gone since the last answer: somebody is changing the mailbox, so look again later.
    return _look_again(refusal) if refusal.kind is RefusalKind.NOT_FOUND else refusal


def _look_again(refusal: Refusal) -> Refusal:
    return Refusal(RefusalKind.TRANSIENT, refusal.code, refusal.status)
