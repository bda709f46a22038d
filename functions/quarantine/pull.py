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
from functions.quarantine.rules import (
    Judged,
    certainly_not_done,
    hidden_ids,
    located,
    said_yes,
    seen_again,
    seen_hidden,
    why_held,
)
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
    and waits. A planned target may have copies: they were moved when it was looked at before.
    """
    targets = work.begin(*states)
    (visible, deletions), recorded = await gather(
        _search(targets, deps),
        deps.mailboxes.get([item_key(target, copy) for target in targets for copy in target.copies]),
    )
    for target in targets:
        copies = {copy.id: recorded[item_key(target, copy)] for copy in target.copies}
        # Whatever else is refused: what is known of the copies is kept.
        work.put(seen_again(work.targets[target.id], copies, deps.now()))
        answers = visible[message_key(target)], deletions[message_key(target)]
        work.refuse(target.id, *refusals_in(*answers, *_unknown(copies)))
    ready = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    judged = await _judge(work, ready, deps, visible, deletions)
    await _add_missed(work, judged, recorded, deps, visible, deletions)
    for target in work.still_ready(TargetState.PLANNED, TargetState.LOCATED):
        why = _held(target, judged[target.id], work, deps)
        if (judged[target.id].ours or hidden_ids(target)) and why is not None:
            work.end(target.ended(TargetState.HELD, why))
    await _explain_missing(work, judged, deps)
    await _record(work, {key: one.ours for key, one in judged.items()}, deps)


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
        work.refuse(target.id, *refusals_in(visible[message_key(target)], deletions[message_key(target)]))
    targets = [target for target in targets if target.id in work.ready]
    judged = await _judge(work, targets, deps, visible, deletions)
    for target in [target for target in targets if target.id in work.ready]:
        hidden = target.copies[0].quarantine_folder_id
        moved = [copy.moved_at for copy in target.copies if copy.moved_at]
        outside = [item for item in judged[target.id].ours if item.folder_id != hidden]
        for copy in target.copies:
            if copy.id in {item.id for item in outside}:
                work.put_copy(target.id, copy.model_copy(update={"moved_at": None, "unmoved": True}))
        if outside:
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


def _held(target: Target, judged: Judged, work: UnitOfWork, deps: Deps) -> str | None:
    return why_held(judged, hidden_ids(target), work.plan, deps.policy)


def _unknown(copies: dict[str, Answer[Item]]) -> list[Refusal]:
    """Refusals that leave open where a recorded copy is. One that is not found has left the mailbox: that is known."""
    return [refusal for refusal in refusals_in(*copies.values()) if refusal.kind is not RefusalKind.NOT_FOUND]


def _shows(answer: Item, copy: Copy) -> bool:
    """Whether the answer to a move shows the copy in the hidden folder."""
    return answer.id == copy.id and answer.folder_id == copy.quarantine_folder_id


async def _add_missed(
    work: UnitOfWork, judged: dict[TargetId, Judged], recorded: dict[ItemKey, Answer[Item]], deps: Deps, *found: Found
) -> None:
    """Count recorded copies as found that no search shows, but that are in the mailbox and not purged.

    A search goes by an index, which can be late; reading an item by its id does not. That it is the mail was decided
    when it was recorded.
    """
    missed: Items = {}
    for target in work.still_ready(TargetState.PLANNED, TargetState.LOCATED):
        found_ids = {item.id for item in items_in(*(answers[message_key(target)] for answers in found))}
        for copy in target.copies:
            item = recorded[item_key(target, copy)]
            if not isinstance(item, Refusal) and copy.moved_at is None and copy.id not in found_ids:
                missed.setdefault(target.id, []).append(item)
    if not missed:
        return
    purges = await deps.mailboxes.find(Where.PURGES, [message_key(work.targets[key]) for key in missed])
    for key, items in missed.items():
        answer = purges[message_key(work.targets[key])]
        if isinstance(answer, Refusal):
            work.refuse(key, answer)
        else:
            purged = {item.id for item in answer}
            judged[key].ours += [item for item in items if item.id not in purged]


async def _explain_missing(work: UnitOfWork, judged: dict[TargetId, Judged], deps: Deps) -> None:
    """Distinguish what another case has, what somebody else sent, what was purged, and what was never there."""
    ready = work.still_ready(TargetState.PLANNED, TargetState.LOCATED)
    targets = [target for target in ready if not judged[target.id].ours and not hidden_ids(target)]
    keys = [message_key(target) for target in targets]
    hidden, purges = await gather(deps.mailboxes.find_hidden(keys), deps.mailboxes.find(Where.PURGES, keys))
    for target in targets:
        work.refuse(target.id, *refusals_in(hidden[message_key(target)], purges[message_key(target)]))
    targets = [target for target in targets if target.id in work.ready]
    in_hidden = await _judge(work, targets, deps, hidden)
    in_purges = await _judge(work, targets, deps, purges)
    for target in [target for target in targets if target.id in work.ready]:
        unsure = in_hidden[target.id].unsure or in_purges[target.id].unsure
        if in_hidden[target.id].ours:
            work.end(target.ended(TargetState.ALREADY_QUARANTINED))
        elif (why := _held(target, judged[target.id], work, deps)) is not None:
            work.end(target.ended(TargetState.HELD, why))
        elif in_purges[target.id].ours:
            work.end(target.ended(TargetState.GONE_BY_USER, "purged"))
        else:
            work.end(target.ended(TargetState.NOT_FOUND, SENDER_UNKNOWN if unsure else None))


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
