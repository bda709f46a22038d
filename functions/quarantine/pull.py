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
from functions.quarantine.rules import certainly_not_done, hidden_ids, is_named, located, seen_again, seen_hidden
from shared.domain.ids import TargetId
from shared.domain.target import Copy, Target, TargetState
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import FolderKey, Item, ItemKey, MessageKey, Where

Items = dict[TargetId, list[Item]]
Found = dict[MessageKey, Answer[tuple[Item, ...]]]


async def locate(work: UnitOfWork, deps: Deps) -> None:
    """Find every copy of every target that is planned, or was located by an earlier message.

    Those that are found and answered in full are `LOCATED` and ready; the rest is in a terminal state, or as before
    and waits. A planned target may have copies: they were moved when it was looked at before.
    """
    targets = work.begin(TargetState.PLANNED, TargetState.LOCATED)
    (visible, deletions), recorded = await gather(
        _search(targets, deps),
        deps.mailboxes.get([item_key(target, copy) for target in targets for copy in target.copies]),
    )
    named: Items = {}
    for target in targets:
        copies = {copy.id: recorded[item_key(target, copy)] for copy in target.copies}
        # Whatever else is refused: what is known of the copies is kept.
        work.put(seen_again(work.targets[target.id], copies, deps.now()))
        answers = visible[message_key(target)], deletions[message_key(target)]
        work.refuse(target.id, *refusals_in(*answers, *_unknown(copies)))
        named[target.id] = [item for item in items_in(*answers) if is_named(target, item)]
    await _add_missed(work, targets, named, recorded, deps)
    others = {target.id: _of_others(target, visible, deletions) for target in targets}
    most = deps.policy.limits.copies_per_mailbox
    for target in work.still_ready(TargetState.PLANNED, TargetState.LOCATED):
        if len({item.id for item in named[target.id]} | hidden_ids(target)) > most:
            work.end(target.ended(TargetState.HELD, "too_many_copies"))
    await _explain_missing(work, named, others, deps)
    await _record(work, named, deps)


async def move(work: UnitOfWork, deps: Deps) -> None:
    """Move what is located, committed and not yet moved. Only an answer that shows it in the hidden folder counts."""
    waiting = [(target, copy) for target, copy in work.copies(TargetState.LOCATED) if copy.moved_at is None]
    answers = await deps.mailboxes.move([(*item_key(t, c), c.quarantine_folder_id or "") for t, c in waiting])
    # First what is known of each copy, since a refusal may end its target.
    for target, copy in waiting:
        answer = answers[item_key(target, copy)]
        if isinstance(answer, Refusal):
            work.put_copy(target.id, copy.model_copy(update={"unmoved": certainly_not_done(answer)}))
        elif _shows(answer, copy):
            work.put_copy(target.id, seen_hidden(copy, answer, deps.now()))
    for target, copy in waiting:
        answer = answers[item_key(target, copy)]
        if isinstance(answer, Refusal):
            # Not found: the user or a rule moved it first. The next search shows where it is.
            work.refuse(target.id, _look_again(answer) if answer.kind is RefusalKind.NOT_FOUND else answer)
        elif not _shows(answer, copy):
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "moved_elsewhere", 0))


async def verify(work: UnitOfWork, deps: Deps) -> None:
    """Search again: no copy may be left, or be new, anywhere but in the hidden folder.

    That each copy is in the hidden folder was seen a moment ago, in the answer to its move or by `locate`. This search
    need not show it: whether a search of a mailbox covers hidden folders is not documented (graph.md 2.2).
    """
    targets = [t for t in work.still_ready(TargetState.LOCATED) if all(copy.moved_at for copy in t.copies)]
    visible, deletions = await _search(targets, deps)
    for target in targets:
        answers = visible[message_key(target)], deletions[message_key(target)]
        hidden = target.copies[0].quarantine_folder_id
        moved = [copy.moved_at for copy in target.copies if copy.moved_at]
        outside = [item for item in items_in(*answers) if is_named(target, item) and item.folder_id != hidden]
        for copy in target.copies:
            if copy.id in {item.id for item in outside}:
                work.put_copy(target.id, copy.model_copy(update={"moved_at": None, "unmoved": True}))
        if refusals := refusals_in(*answers):
            work.refuse(target.id, *refusals)
        elif outside:
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "still_there", 0))
        else:
            work.put(target.to(TargetState.QUARANTINED, pulled_at=max(moved), verified_at=deps.now()))


async def _search(targets: list[Target], deps: Deps) -> tuple[Found, Found]:
    """Everywhere where a person can reach a copy."""
    messages = [message_key(target) for target in targets]
    return await gather(deps.mailboxes.find(Where.VISIBLE, messages), deps.mailboxes.find(Where.DELETIONS, messages))


def _unknown(copies: dict[str, Answer[Item]]) -> list[Refusal]:
    """Refusals that leave open where a recorded copy is. One that is not found has left the mailbox: that is known."""
    return [refusal for refusal in refusals_in(*copies.values()) if refusal.kind is not RefusalKind.NOT_FOUND]


def _shows(answer: Item, copy: Copy) -> bool:
    """Whether the answer to a move shows the copy in the hidden folder."""
    return answer.id == copy.id and answer.folder_id == copy.quarantine_folder_id


async def _add_missed(
    work: UnitOfWork, targets: list[Target], named: Items, recorded: dict[ItemKey, Answer[Item]], deps: Deps
) -> None:
    """Count recorded copies as found that no search shows, but that are in the mailbox and not purged.

    A search goes by an index, which can be late; reading an item by its id does not.
    """
    missed: Items = {}
    for target in targets:
        shown_ids = {item.id for item in named[target.id]}
        for copy in work.targets[target.id].copies:
            item = recorded[item_key(target, copy)]
            if not isinstance(item, Refusal) and copy.moved_at is None and copy.id not in shown_ids:
                missed.setdefault(target.id, []).append(item)
    ready = [target for target in targets if target.id in work.ready and target.id in missed]
    if not ready:
        return
    purges = await deps.mailboxes.find(Where.PURGES, [message_key(target) for target in ready])
    for target in ready:
        answer = purges[message_key(target)]
        if isinstance(answer, Refusal):
            work.refuse(target.id, answer)
            continue
        purged = {item.id for item in answer}
        named[target.id] += [item for item in missed[target.id] if item.id not in purged]


def _of_others(target: Target, visible: Found, deletions: Found) -> bool:
    """Whether mail was found under this Message-ID that is not the mail that the incident named."""
    found = items_in(visible[message_key(target)], deletions[message_key(target)])
    return any(not is_named(target, item) for item in found)


async def _explain_missing(work: UnitOfWork, named: Items, others: dict[TargetId, bool], deps: Deps) -> None:
    """Distinguish what another case has, what somebody else sent, what was purged, and what was never there."""
    ready = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    targets = [target for target in ready if not named[target.id] and not hidden_ids(target)]
    keys = [message_key(target) for target in targets]
    hidden, purges = await gather(deps.mailboxes.find_hidden(keys), deps.mailboxes.find(Where.PURGES, keys))
    for target in targets:
        answers = hidden[message_key(target)], purges[message_key(target)]
        if refusals := refusals_in(*answers):
            work.refuse(target.id, *refusals)
        elif any(is_named(target, item) for item in items_in(answers[0])):
            work.end(target.ended(TargetState.ALREADY_QUARANTINED))
        elif others[target.id]:
            work.end(target.ended(TargetState.HELD, "sender_differs"))
        elif any(is_named(target, item) for item in items_in(answers[1])):
            work.end(target.ended(TargetState.GONE_BY_USER, "purged"))
        else:
            work.end(target.ended(TargetState.NOT_FOUND))


async def _record(work: UnitOfWork, items: Items, deps: Deps) -> None:
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
            work.put(located(target, items[target.id], hidden.id, texts))


def _retried_if_missing(refusal: Refusal) -> Refusal:
    # The folder is gone since the last answer: somebody is changing the mailbox, so look again later.
    return _look_again(refusal) if refusal.kind is RefusalKind.NOT_FOUND else refusal


def _look_again(refusal: Refusal) -> Refusal:
    return Refusal(RefusalKind.TRANSIENT, refusal.code, refusal.status)
