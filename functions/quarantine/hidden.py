"""What lies in hidden folders, whatever the records say: listed, and put back when a person asks for it.

read what is asked ─▶ look into the folders, find the targets that have the mail ─▶ keep that
    │ only a list was asked for? that is the report
    ▼
mail of a target: its chunk puts it back, as an undo of these copies · mail of none: moved here
    │
    ▼
keep the report

What was found is kept before anything is moved, so that a second delivery means the same mail.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from functions.quarantine.models import Deps
from functions.quarantine.rules import shown
from shared.domain.hidden import (
    MAX_FOUND,
    MAX_ITEMS,
    HiddenAsked,
    HiddenFound,
    HiddenItem,
    HiddenReport,
    Owner,
    RefusedMailbox,
    Restored,
    asked_path,
    found_path,
    report_path,
)
from shared.domain.ids import ChunkId, IncidentId, MailboxId, TargetId
from shared.domain.incident import Command, Incident
from shared.domain.message import visible
from shared.domain.target import Target
from shared.errors import NotFoundError
from shared.pipeline.payloads import HiddenMail, IncidentChanged, RestoreChunk
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.incidents import Change
from shared.ports.mailboxes import Item, ItemKey

# Each takes two requests to Graph, and a function has five minutes.
MAX_MAILBOXES = 1_000

_MAX_TEXT = 200

Ended = tuple[Restored, Refusal | None]
"""What became of one mail, and the refusal that passes if there was one."""

_NOT_THERE = "not_there"
_PUT_BACK = "put_back"


@dataclass
class Places:
    """The mailboxes that are asked about, and the mail of a case in them."""

    addresses: dict[MailboxId, str] = field(default_factory=dict)
    refused: list[RefusedMailbox] = field(default_factory=list)
    left_off: int = 0
    messages: set[tuple[MailboxId, str]] | None = None
    """Only mail with one of these Message-IDs, or that the case has as a copy; None: whatever is there."""


async def answer(message: HiddenMail, deps: Deps) -> Outcome:
    """Answer one question about hidden mail, once."""
    try:
        asked = HiddenAsked.model_validate_json(await deps.evidence.read(asked_path(message.id)))
    except NotFoundError:
        return Reject("unknown_question")
    try:
        await deps.evidence.read(report_path(asked.id))
    except NotFoundError:
        return await _answer(asked, deps)
    return Done()


async def _answer(asked: HiddenAsked, deps: Deps) -> Outcome:
    async def look() -> bytes:
        return (await _look(asked, deps)).model_dump_json().encode()

    found = HiddenFound.model_validate_json(await deps.evidence.once(found_path(asked.id), look))
    report = HiddenReport(found=found)
    if asked.restore:
        wanted = [one for one in found.items if not asked.items or one.item in asked.items]
        if not asked.items and not asked.count == found.total == len(wanted):
            report = HiddenReport(found=found, problem="count_differs")
        else:
            done = [*await _ask_cases(asked, wanted, deps), *await _put_back(wanted, deps)]
            if (wait := _wait(done)) is not None:
                return wait
            report = HiddenReport(found=found, restored=(*(one for one, _ in done), *_absent(asked, found)))
    await deps.evidence.keep(report_path(asked.id), report.model_dump_json().encode(), "application/json")
    return Done()


async def _look(asked: HiddenAsked, deps: Deps) -> HiddenFound:
    places = await (_of_mailbox(asked.mailbox, deps) if asked.mailbox else _of_case(asked.incident_id, deps))
    listed = await deps.mailboxes.list_hidden(list(places.addresses))
    items = [(box, item) for box, one in listed.items() if not isinstance(one, Refusal) for item in one]
    holders: dict[ItemKey, list[Target]] = defaultdict(list)
    for target in await deps.targets.holding([item.id for _, item in items]):
        for copy in target.copies:
            holders[target.mailbox.id or MailboxId(""), copy.id].append(target)
    found = [_hidden_item(box, places.addresses[box], item, holders[box, item.id]) for box, item in items]
    refused = [
        RefusedMailbox(mailbox=places.addresses[box], code=one.code)
        for box, one in listed.items()
        if isinstance(one, Refusal)
    ]
    meant = sorted((one for one in found if _is_meant(one, asked, places)), key=lambda one: (one.mailbox, one.item))
    return HiddenFound(
        at=deps.now(),
        items=tuple(meant[:MAX_FOUND]),
        total=len(meant),
        refused=(*places.refused, *refused),
        left_off=places.left_off,
    )


async def _of_mailbox(mailbox: str, deps: Deps) -> Places:
    if "@" not in mailbox:
        return Places({MailboxId(mailbox): mailbox})
    found = (await deps.directory.resolve([mailbox]))[mailbox]
    if isinstance(found, Refusal):
        return Places(refused=[RefusedMailbox(mailbox=mailbox, code=found.code)])
    if found.mailbox_id is None:
        return Places(refused=[RefusedMailbox(mailbox=mailbox, code=f"directory:{found.kind}")])
    return Places({MailboxId(found.mailbox_id): found.primary_address})


async def _of_case(incident_id: IncidentId | None, deps: Deps) -> Places:
    places = Places(messages=set())
    more: set[MailboxId] = set()
    async for chunk in deps.targets.chunks_of(incident_id or IncidentId("")):
        for target in (await deps.targets.list_chunk(chunk)).values():
            if target is None or target.mailbox.id is None:
                continue
            if target.mailbox.id in places.addresses or len(places.addresses) < MAX_MAILBOXES:
                places.addresses[target.mailbox.id] = target.mailbox.address
            else:
                more.add(target.mailbox.id)
            if places.messages is not None:
                places.messages.add((target.mailbox.id, target.internet_message_id))
    places.left_off = len(more)
    return places


def _is_meant(item: HiddenItem, asked: HiddenAsked, places: Places) -> bool:
    if places.messages is None:
        return True
    ours = any(owner.incident_id == asked.incident_id for owner in item.owners)
    return ours or (item.mailbox_id, item.internet_message_id) in places.messages


def _hidden_item(mailbox: MailboxId, address: str, item: Item, targets: Iterable[Target]) -> HiddenItem:
    return HiddenItem(
        mailbox_id=mailbox,
        mailbox=address,
        item=item.id,
        folder_id=item.folder_id,
        internet_message_id=visible(item.internet_message_id, 1000) or "",
        subject=visible(item.subject, _MAX_TEXT),
        sender=visible(item.sender, _MAX_TEXT),
        received_at=item.received_at,
        owners=tuple(_owner(target, item.id) for target in targets),
    )


def _owner(target: Target, item: str) -> Owner:
    copy = next(copy for copy in target.copies if copy.id == item)
    return Owner(
        incident_id=target.incident_id,
        chunk_id=target.chunk_id,
        target_id=target.id,
        state=target.state,
        reason=target.reason,
        folder_id=copy.original.folder_id,
        folder=shown(copy.original.folder_path),
        holds=copy.restored_at is None,
    )


async def _ask_cases(asked: HiddenAsked, wanted: Sequence[HiddenItem], deps: Deps) -> list[Ended]:
    """Record the command in each case that has some of the mail, and let its chunks put it back."""
    chunks: dict[tuple[IncidentId, ChunkId], dict[TargetId, list[str]]] = defaultdict(lambda: defaultdict(list))
    done: list[Ended] = []
    for one in wanted:
        owners = [owner for owner in one.owners if owner.holds]
        for owner in owners:
            chunks[owner.incident_id, owner.chunk_id][owner.target_id].append(one.item)
        if owners:
            cases = tuple(sorted({owner.incident_id for owner in owners}))
            done.append((Restored(item=one.item, mailbox=one.mailbox, result="asked", incident_ids=cases), None))
    for incident_id in sorted({incident for incident, _ in chunks}):
        targets = sorted({key for (of, _), some in chunks.items() if of == incident_id for key in some})
        await _record(asked, incident_id, targets, deps)
    for (incident_id, chunk_id), some in chunks.items():
        items = sorted({item for items in some.values() for item in items})
        for start in range(0, len(items), MAX_ITEMS):
            message = RestoreChunk(
                incident_id=incident_id,
                chunk_id=chunk_id,
                targets=tuple(sorted(some)),
                items=tuple(items[start : start + MAX_ITEMS]),
                command_id=asked.id,
            )
            await deps.queue.send(message, correlation_id=incident_id)
    return done


async def _record(asked: HiddenAsked, incident_id: IncidentId, targets: list[TargetId], deps: Deps) -> None:
    command = Command(
        id=asked.id,
        incident_id=incident_id,
        command="restore_hidden",
        by=asked.by,
        at=asked.at,
        reason=asked.reason,
        targets=tuple(targets),
    )

    async def change(case: Incident) -> Change | None:
        known = await deps.incidents.command(incident_id, command.id)
        return None if known else Change(case, create=[command])

    await deps.incidents.update(incident_id, change)
    await deps.queue.send(IncidentChanged(incident_id=incident_id), correlation_id=incident_id)


async def _put_back(wanted: Sequence[HiddenItem], deps: Deps) -> list[Ended]:
    """Move what no target holds: to the folder that one of them knows, or to the Inbox."""
    mail = {(one.mailbox_id, one.item): one for one in wanted if not any(owner.holds for owner in one.owners)}
    seen = await deps.mailboxes.get(list(mail))
    folders = await _folders(list(mail.values()), deps)
    moves: dict[ItemKey, str] = {}
    answers: dict[ItemKey, Answer[Item]] = {}
    for key, one in mail.items():
        item, (folder, _) = seen[key], folders[key]
        if isinstance(item, Refusal) or item.folder_id != one.folder_id:
            # It is out of the folder: an earlier delivery moved it, or somebody else did.
            answers[key] = item
        elif isinstance(folder, Refusal):
            answers[key] = folder
        else:
            moves[key] = folder
    answers |= await deps.mailboxes.move([(*key, folder) for key, folder in moves.items()])
    return [_moved(one, answers[key], folders[key][1]) for key, one in mail.items()]


async def _folders(mail: Sequence[HiddenItem], deps: Deps) -> dict[ItemKey, tuple[Answer[str], str]]:
    """Id and name of the folder that each mail goes to."""
    known = {(one.mailbox_id, one.item): one.owners[-1] for one in mail if one.owners}
    paths = await deps.mailboxes.folder_paths([(mailbox, owner.folder_id) for (mailbox, _), owner in known.items()])
    inboxes = await deps.mailboxes.inboxes([one.mailbox_id for one in mail])
    found: dict[ItemKey, tuple[Answer[str], str]] = {}
    for one in mail:
        key = one.mailbox_id, one.item
        found[key] = inboxes[one.mailbox_id], "Inbox"
        if (owner := known.get(key)) is None:
            continue
        path = paths[one.mailbox_id, owner.folder_id]
        if not isinstance(path, Refusal):
            found[key] = owner.folder_id, shown(path)
        elif path.kind is not RefusalKind.NOT_FOUND:
            found[key] = path, owner.folder
    return found


def _moved(one: HiddenItem, answer: Answer[Item], folder: str) -> Ended:
    restored = Restored(item=one.item, mailbox=one.mailbox, result=_PUT_BACK)
    if not isinstance(answer, Refusal):
        return restored.model_copy(update={"folder": folder}), None
    result = _NOT_THERE if answer.kind is RefusalKind.NOT_FOUND else answer.code
    return restored.model_copy(update={"result": result}), answer if answer.kind.retryable else None


def _wait(done: Sequence[Ended]) -> RetryLater | None:
    """When to come again for what was refused for a while."""
    passing = [refusal for _, refusal in done if refusal is not None]
    if not passing:
        return None
    seconds = [refusal.retry_after for refusal in passing if refusal.retry_after is not None]
    return RetryLater(passing[0].code, max(seconds, default=None), service=True)


def _absent(asked: HiddenAsked, found: HiddenFound) -> list[Restored]:
    there = {one.item for one in found.items}
    return [Restored(item=item, mailbox="", result=_NOT_THERE) for item in asked.items if item not in there]
