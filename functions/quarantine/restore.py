"""The same way back: to the exact folder, with the read state, flag and categories of before, verified."""

from asyncio import gather
from dataclasses import replace

from functions.quarantine.models import Deps, UnitOfWork, item_key, mailbox_of
from functions.quarantine.rules import give_up, has_marks, is_restored, shown
from shared.domain.target import Copy, Target, TargetState
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import Item


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


async def survey(work: UnitOfWork, deps: Deps) -> None:
    """See where each copy is, and decide where it goes: where it was, or to the Inbox if that folder is gone."""
    copies = [(target, copy) for target in work.begin(TargetState.RESTORING) for copy in target.copies]
    items, paths = await gather(
        deps.mailboxes.get([item_key(target, copy) for target, copy in copies]),
        deps.mailboxes.folder_paths([(mailbox_of(target), copy.original.folder_id) for target, copy in copies]),
    )
    homeless: list[tuple[Target, Copy]] = []
    for target, copy in copies:
        item = items[item_key(target, copy)]
        path = paths[mailbox_of(target), copy.original.folder_id]
        if isinstance(item, Refusal):
            _refuse(work, target, item, "copy_missing")
            continue
        work.seen[item_key(target, copy)] = item
        if not isinstance(path, Refusal):
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


async def put_back(work: UnitOfWork, deps: Deps) -> None:
    """Move what is not yet where it is to be, and set marks again that the move changed."""
    away = [
        (target, copy)
        for target, copy in work.copies(TargetState.RESTORING)
        if work.seen[item_key(target, copy)].folder_id != copy.restored_folder_id
    ]
    answers = await deps.mailboxes.move([(*item_key(t, c), c.restored_folder_id or "") for t, c in away])
    for target, copy in away:
        answer = answers[item_key(target, copy)]
        if isinstance(answer, Refusal):
            _refuse(work, target, answer, answer.code)
        else:
            work.seen[item_key(target, copy)] = answer
    marks = {item_key(t, c): _marks_of_before(c, work.seen[item_key(t, c)]) for t, c in _changed(work)}
    await deps.mailboxes.set_marks([(mailbox, item) for (mailbox, _), item in marks.items()])


async def verify_restored(work: UnitOfWork, deps: Deps) -> None:
    """Look again: each copy is where it is to be, received when it was, marked as it was."""
    copies = work.copies(TargetState.RESTORING)
    items = await deps.mailboxes.get([item_key(target, copy) for target, copy in copies])
    for target, copy in copies:
        item = items[item_key(target, copy)]
        if isinstance(item, Refusal):
            _refuse(work, target, item, "copy_missing")
        elif not is_restored(copy, item):
            work.refuse(target.id, Refusal(RefusalKind.TRANSIENT, "not_as_before", 0))
    for target in work.still_ready(TargetState.RESTORING):
        gone = any(copy.restored_folder_id != copy.original.folder_id for copy in target.copies)
        reason = "original_folder_gone" if gone else None
        work.put(target.to(TargetState.RESTORED, reason, restored_at=deps.now()))


def _changed(work: UnitOfWork) -> list[tuple[Target, Copy]]:
    """The copies whose marks are not those of before."""
    copies = work.copies(TargetState.RESTORING)
    return [(t, c) for t, c in copies if not has_marks(c.original, work.seen[item_key(t, c)])]


def _marks_of_before(copy: Copy, item: Item) -> Item:
    before = copy.original
    return replace(item, is_read=before.is_read, flag=before.flag, categories=before.categories)


def _refuse(work: UnitOfWork, target: Target, refusal: Refusal, code: str) -> None:
    """As `UnitOfWork.refuse`; but what is gone cannot be put back, and is given up at once."""
    if refusal.kind is not RefusalKind.NOT_FOUND:
        work.refuse(target.id, refusal)
    elif target.id in work.ready:
        work.end(give_up(work.targets[target.id], code))


def _goes_to(work: UnitOfWork, target: Target, copy: Copy, folder_id: str, path: str) -> None:
    to = {"restored_folder_id": folder_id, "restored_folder_path": shown(path)}
    work.put_copy(target.id, copy.model_copy(update=to))
