"""The same way back: to the exact folder, with the read state, flag and categories of before, verified."""

from asyncio import gather

from functions.quarantine.models import Deps, Round, mailbox_of
from functions.quarantine.rules import give_up, has_marks, is_restored
from shared.domain.target import Copy, Target, TargetState
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item, ItemKey

Pair = tuple[Target, Copy]


def wanted_back(target: Target) -> Target:
    """What an undo makes of a target before anything is moved."""
    match target.state:
        case TargetState.QUARANTINED:
            return target.to(TargetState.RESTORING, attempts=0)
        case TargetState.PLANNED:
            # It was never touched, and must not be any more.
            return target.to(TargetState.HELD, "undo_requested")
        case _:
            return target


async def survey(work: Round, deps: Deps) -> None:
    """Decide where each copy goes: where it was, or to the Inbox if that folder is gone."""
    targets = work.of(TargetState.RESTORING)
    work.ready |= {target.id for target in targets}
    pairs = [(target, copy) for target in targets for copy in target.copies]
    looked, paths = await gather(
        _look(pairs, deps),
        deps.mailboxes.folder_paths([(mailbox_of(t), c.original.folder_id) for t, c in pairs]),
    )
    homeless: list[Pair] = []
    for target, copy in pairs:
        seen = looked[mailbox_of(target), copy.id]
        path = paths[mailbox_of(target), copy.original.folder_id]
        if isinstance(seen, Refusal):
            _refuse(work, target, seen, "copy_missing")
        elif not isinstance(path, Refusal):
            _goes_to(work, target, copy, copy.original.folder_id, path)
        elif path.kind is RefusalKind.NOT_FOUND:
            homeless.append((target, copy))
        else:
            work.refuse(target.id, path)
    inboxes = await deps.mailboxes.inboxes([mailbox_of(target) for target, _ in homeless])
    for target, copy in homeless:
        inbox = inboxes[mailbox_of(target)]
        if isinstance(inbox, Refusal):
            work.refuse(target.id, inbox)
        else:
            _goes_to(work, target, copy, inbox, "Inbox")


async def put_back(work: Round, deps: Deps) -> None:
    """Move what is not yet where it is to be, mend its marks if the move changed them, and look again."""
    pairs = _pairs(work)
    looked = await _look(pairs, deps)
    away = [(t, c) for t, c in pairs if not _is_at(c, looked[mailbox_of(t), c.id])]
    answers = await deps.mailboxes.move([(mailbox_of(t), c.id, c.restored_folder_id or "") for t, c in away])
    for target, copy in away:
        answer = answers[mailbox_of(target), copy.id]
        if isinstance(answer, Refusal):
            _refuse(work, target, answer, answer.code)
    await _verify(work, await _mend(work, deps), deps)


async def _mend(work: Round, deps: Deps) -> list[Pair]:
    pairs = _pairs(work)
    seen = await _look(pairs, deps)
    bare = [
        (target, copy, item)
        for target, copy in pairs
        if not isinstance(item := seen[mailbox_of(target), copy.id], Refusal) and not has_marks(copy.original, item)
    ]
    await deps.mailboxes.set_marks([(mailbox_of(target), _as_before(copy, item)) for target, copy, item in bare])
    return pairs


async def _verify(work: Round, pairs: list[Pair], deps: Deps) -> None:
    looked = await _look(pairs, deps)
    for target, copy in pairs:
        item = looked[mailbox_of(target), copy.id]
        if isinstance(item, Refusal):
            _refuse(work, target, item, "copy_missing")
        elif not is_restored(copy, item):
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "not_as_before", 0))
    for target in work.to_act(TargetState.RESTORING):
        moved_in = any(copy.restored_folder_id != copy.original.folder_id for copy in target.copies)
        reason = "original_folder_gone" if moved_in else None
        work.put(target.to(TargetState.RESTORED, reason, restored_at=deps.now()))


def _pairs(work: Round) -> list[Pair]:
    return [(target, copy) for target in work.to_act(TargetState.RESTORING) for copy in target.copies]


async def _look(pairs: list[Pair], deps: Deps) -> dict[ItemKey, Answer[Item]]:
    return await deps.mailboxes.get([(mailbox_of(target), copy.id) for target, copy in pairs])


def _is_at(copy: Copy, seen: Item | Refusal) -> bool:
    return not isinstance(seen, Refusal) and seen.folder_id == copy.restored_folder_id


def _refuse(work: Round, target: Target, refusal: Refusal, code: str) -> None:
    if refusal.kind is RefusalKind.NOT_FOUND:
        if target.id in work.ready:
            work.put(give_up(work.targets[target.id], code))
        work.ready.discard(target.id)
    else:
        work.refuse(target.id, refusal)


def _goes_to(work: Round, target: Target, copy: Copy, folder_id: str, path: str) -> None:
    to = copy.model_copy(update={"restored_folder_id": folder_id, "restored_folder_path": path})
    now = work.targets[target.id]
    copies = tuple(to if old.id == copy.id else old for old in now.copies)
    work.put(now.model_copy(update={"copies": copies}))


def _as_before(copy: Copy, item: Item) -> Item:
    before = copy.original
    return Item(
        id=item.id,
        internet_message_id=item.internet_message_id,
        folder_id=item.folder_id,
        is_read=before.is_read,
        flag=before.flag,
        categories=before.categories,
    )
