"""The same way back: to the exact folder, with the read state, flag and categories of before, verified.

Each copy is put back by itself. Its marks are set while it is still hidden, where nobody else changes them; once it is
seen outside of the hidden folder it is its owner's, and is neither moved nor marked any more.
"""

from asyncio import gather
from dataclasses import replace

from functions.quarantine.models import Deps, UnitOfWork, item_key, mailbox_of
from functions.quarantine.rules import (
    all_asked_are_back,
    claimed_by,
    give_up,
    has_marks,
    is_exact,
    is_hidden,
    shown,
    wanted_copies,
)
from shared.domain.target import Copy, Target, TargetState
from shared.pipeline.payloads import RestoreChunk
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import Item

OTHER_CASE = "quarantined_by_other_case"
OTHER_TARGET = "quarantined_by_other_target"

_MISSING = Refusal(RefusalKind.NOT_FOUND, "copy_missing", 404)


async def survey(work: UnitOfWork, deps: Deps) -> None:
    """See where each copy is, and decide where it goes: where it was, or to the Inbox if that folder is gone.

    A copy that another target has in quarantine too is let go: its place is written down for the case that the other
    one lets it go as well.
    """
    work.begin(TargetState.RESTORING)
    copies = _wanted(work)
    items, paths, work.way_back.holders = await gather(
        deps.mailboxes.get([item_key(target, copy) for target, copy in copies]),
        deps.mailboxes.folder_paths([(mailbox_of(target), copy.original.folder_id) for target, copy in copies]),
        deps.targets.holding([copy.id for _, copy in copies]),
    )
    homeless: list[tuple[Target, Copy]] = []
    for target, copy in copies:
        item = items[item_key(target, copy)]
        path = paths[mailbox_of(target), copy.original.folder_id]
        if isinstance(item, Refusal):
            work.way_back.stuck[target.id].append(_MISSING if item.kind is RefusalKind.NOT_FOUND else item)
        elif not is_hidden(copy, item):
            _is_back(work, target, copy, item, deps)
        elif isinstance(path, Refusal) and path.kind is not RefusalKind.NOT_FOUND:
            work.way_back.stuck[target.id].append(path)
        else:
            work.way_back.hidden[item_key(target, copy)] = item
            if isinstance(path, Refusal):
                homeless.append((target, copy))
            else:
                _goes_to(work, target, copy, copy.original.folder_id, path, deps)
    inboxes = await deps.mailboxes.inboxes([mailbox_of(target) for target, _ in homeless])
    for target, copy in homeless:
        inbox = inboxes[mailbox_of(target)]
        if isinstance(inbox, Refusal):
            del work.way_back.hidden[item_key(target, copy)]
            work.way_back.stuck[target.id].append(inbox)
        else:
            _goes_to(work, target, copy, inbox, "Inbox", deps)


async def put_back(work: UnitOfWork, deps: Deps) -> None:
    """Set the marks that are not those of before, then move what is hidden to where it is to be."""
    copies = await _free(work, deps)
    changed = {
        item_key(target, copy): _marked(copy, work.way_back.hidden[item_key(target, copy)])
        for target, copy in copies
        if not has_marks(copy.marks, work.way_back.hidden[item_key(target, copy)])
    }
    marked = await deps.mailboxes.set_marks([(mailbox, item) for (mailbox, _), item in changed.items()])
    unmarked = {key for key, answer in marked.items() if isinstance(answer, Refusal)}
    for target, copy in copies:
        if isinstance(answer := marked.get(item_key(target, copy)), Refusal):
            work.way_back.stuck[target.id].append(_look_again(answer))
    moves = [(target, copy) for target, copy in copies if item_key(target, copy) not in unmarked]
    answers = await deps.mailboxes.move([(*item_key(t, c), c.restored_folder_id or "") for t, c in moves])
    for target, copy in moves:
        answer = answers[item_key(target, copy)]
        if isinstance(answer, Refusal):
            work.way_back.stuck[target.id].append(_look_again(answer))
        else:
            work.way_back.answers[item_key(target, copy)] = answer


async def verify_restored(work: UnitOfWork, deps: Deps) -> None:
    """Look again at what was moved, and decide what becomes of each target."""
    copies = [(t, c) for t, c in _wanted(work) if item_key(t, c) in work.way_back.answers]
    items = await deps.mailboxes.get([item_key(target, copy) for target, copy in copies])
    for target, copy in copies:
        item = items[item_key(target, copy)]
        if isinstance(item, Refusal) and item.kind is RefusalKind.NOT_FOUND:
            # The answer to its move showed it. What its owner did with it since is the owner's to do.
            _is_back(work, target, copy, work.way_back.answers[item_key(target, copy)], deps)
        elif isinstance(item, Refusal):
            work.way_back.stuck[target.id].append(item)
        elif is_hidden(copy, item):
            work.way_back.stuck[target.id].append(Refusal(RefusalKind.TRANSIENT, "still_hidden", 0))
        else:
            _is_back(work, target, copy, item, deps)
    await _tell_others(work, deps)
    for target in work.still_ready(TargetState.RESTORING):
        _conclude(work, target)


def _conclude(work: UnitOfWork, target: Target) -> None:
    refusals = work.way_back.stuck[target.id]
    if passing := [refusal for refusal in refusals if refusal.kind.retryable]:
        work.refuse(target.id, *passing)
    elif refusals:
        work.end(give_up(target, refusals[0].code))
    elif claims := [one for copy in wanted_copies(target) if (one := _claim(work, target, copy)) is not None]:
        other_case = any(one.incident_id != target.incident_id for one in claims)
        work.end(give_up(target, OTHER_CASE if other_case else OTHER_TARGET))
    else:
        work.end(all_asked_are_back(target, _remark(work, target)))


def _remark(work: UnitOfWork, target: Target) -> str | None:
    """What is to be said of a target whose copies are all out of the hidden folder."""
    answers = [(copy, work.way_back.answers.get(item_key(target, copy))) for copy in target.copies]
    if any(answer is not None and not is_exact(copy, answer) for copy, answer in answers):
        return "not_as_before"
    if any(copy.restored_folder_id not in {None, copy.original.folder_id} for copy in target.copies):
        return "original_folder_gone"
    return "found_elsewhere" if target.id in work.way_back.found_elsewhere else None


async def _free(work: UnitOfWork, deps: Deps) -> list[tuple[Target, Copy]]:
    """The hidden copies that no other target wants there, as it is now that what we want is committed.

    Of two cases that are undone at the same time, at least one sees here that the other one lets the copy go.
    """
    copies = [(t, c) for t, c in _wanted(work) if item_key(t, c) in work.way_back.hidden]
    if released := [copy.id for _, copy in copies if copy.released_at is not None]:
        work.way_back.holders = await deps.targets.holding(released)
    return [(t, c) for t, c in copies if c.released_at is None or _claim(work, t, c) is None]


async def _tell_others(work: UnitOfWork, deps: Deps) -> None:
    """Let targets that had let go of a copy see that it is back, so that their state says so too."""
    back = {copy.id for target in work.still_ready(TargetState.RESTORING) for copy in target.copies if copy.restored_at}
    for other in work.way_back.holders:
        items = tuple(sorted(copy.id for copy in other.copies if copy.id in back and copy.released_at))
        if items and other.id not in work.targets:
            message = RestoreChunk(
                incident_id=other.incident_id,
                chunk_id=other.chunk_id,
                targets=(other.id,),
                items=items,
                command_id=f"released-{other.id}",
            )
            await deps.queue.send(message, correlation_id=other.incident_id)


def _wanted(work: UnitOfWork) -> list[tuple[Target, Copy]]:
    return [(target, copy) for target in work.still_ready(TargetState.RESTORING) for copy in wanted_copies(target)]


def _claim(work: UnitOfWork, target: Target, copy: Copy) -> Target | None:
    return claimed_by(target, copy, work.way_back.holders)


def _marked(copy: Copy, item: Item) -> Item:
    marks = copy.marks
    return replace(item, is_read=marks.is_read, flag=marks.flag, categories=marks.categories)


def _look_again(refusal: Refusal) -> Refusal:
    """What is not found any more: the copy or the folder that it goes to. The next look shows which."""
    if refusal.kind is not RefusalKind.NOT_FOUND:
        return refusal
    return Refusal(RefusalKind.TRANSIENT, refusal.code, refusal.status)


def _is_back(work: UnitOfWork, target: Target, copy: Copy, item: Item, deps: Deps) -> None:
    ours = copy.restored_folder_id is not None or copy.moved_at is None
    if not ours and item.folder_id != copy.original.folder_id:
        work.way_back.found_elsewhere.add(target.id)
    known = {"restored_at": deps.now(), "moved_at": None, "unmoved": True}
    work.put_copy(target.id, copy.model_copy(update=known))


def _goes_to(work: UnitOfWork, target: Target, copy: Copy, folder_id: str, path: str, deps: Deps) -> None:
    update: dict[str, object] = {"restored_folder_id": folder_id, "restored_folder_path": shown(path)}
    if _claim(work, target, copy) is not None:
        update |= {"released_at": copy.released_at or deps.now()}
    work.put_copy(target.id, copy.model_copy(update=update))
