"""`Mailboxes` over Graph."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from shared.adapters.graph.documents import (
    IN_REPLY_TO,
    REFERENCES,
    UNEXPECTED,
    Climb,
    Document,
    id_of,
    item_of,
    items_of,
    marks_of,
    read,
    rules_of,
    sent_copies,
)
from shared.adapters.graph.gateway import IMMUTABLE, GraphGateway, Request
from shared.adapters.graph.odata import literal, query, segment
from shared.domain.ids import MailboxId
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import ForwardingRule, Item, SentCopy, Where

_ITEM = "id,internetMessageId,parentFolderId,subject,from,receivedDateTime,isRead,flag,categories"

# Copies of one message in one mailbox; more are on further pages.
_PAGE = 50

# Outlook takes folder trees of 300 levels; nobody has them, and a loop ends here.
_DEPTH = 40

# About 15 MB at most; a worker of a larger tenant learns anew.
_MAX_ROOTS = 50_000


class GraphMailboxes:
    """See `Mailboxes`.

    Args:
        gateway: the way to Graph.
        folder_name: display name of the hidden folder that pulled mail goes to.
    """

    def __init__(self, gateway: GraphGateway, folder_name: str) -> None:
        self._gateway = gateway
        self._folder_name = folder_name
        self._roots: dict[MailboxId, str] = {}
        """The visible roots of mailboxes, learnt in passing."""

    async def find(self, where: Where, wanted: Sequence[tuple[MailboxId, str]]) -> list[Answer[tuple[Item, ...]]]:
        """See `Mailboxes.find`."""
        place = "" if where is Where.VISIBLE else f"/mailFolders/{where}"
        requests = [
            _get(
                mailbox,
                f"{place}/messages",
                query(filter=f"internetMessageId eq {literal(message_id)}", select=_ITEM, top=_PAGE),
            )
            for mailbox, message_id in wanted
        ]
        answers = await self._gateway.collect(requests)
        if where is not Where.VISIBLE:
            answers = [_no_folder(answer) for answer in answers]
        found = [read(answer, items_of) for answer in answers]
        return [
            answer
            if isinstance(answer, Refusal)
            else tuple(item for item in answer if item.internet_message_id == message_id)
            for (_, message_id), answer in zip(wanted, found, strict=True)
        ]

    async def look(self, items: Sequence[tuple[MailboxId, str]]) -> list[Answer[Item]]:
        """See `Mailboxes.look`."""
        answers = await self._gateway.send(
            [_get(mailbox, f"/messages/{segment(item)}", query(select=_ITEM)) for mailbox, item in items]
        )
        return [read(answer, item_of) for answer in answers]

    async def folder_paths(self, folders: Sequence[tuple[MailboxId, str]]) -> list[Answer[str]]:
        """See `Mailboxes.folder_paths`."""
        strangers = [mailbox for mailbox in dict.fromkeys(m for m, _ in folders) if mailbox not in self._roots]
        wanted = [
            *(_folder(mailbox, "msgfolderroot") for mailbox in strangers),
            *(_folder(mailbox, folder) for mailbox, folder in folders),
        ]
        answers = await self._gateway.send(wanted)
        roots: dict[MailboxId, Answer[str]] = {
            **{mailbox: self._roots[mailbox] for mailbox, _ in folders if mailbox in self._roots},
            **{m: read(a, id_of) for m, a in zip(strangers, answers[: len(strangers)], strict=True)},
        }
        climbs = [
            Climb(mailbox, roots[mailbox], answer)
            for (mailbox, _), answer in zip(folders, answers[len(strangers) :], strict=True)
        ]
        for _ in range(_DEPTH):
            climbing = [climb for climb in climbs if climb.next is not None]
            if not climbing:
                break
            answers = await self._gateway.send([_folder(climb.mailbox, climb.next or "") for climb in climbing])
            for climb, answer in zip(climbing, answers, strict=True):
                climb.step(answer)
        return [climb.path for climb in climbs]

    async def quarantine_folders(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str]]:
        """See `Mailboxes.quarantine_folders`."""
        # Asked each time: a folder that somebody deleted keeps its id, and lies in Deleted Items for all to see.
        answers = await self._find_folders(mailboxes)
        missing = [place for place, answer in enumerate(answers) if answer is None]
        body = {"displayName": self._folder_name, "isHidden": True}
        made = await self._gateway.send(
            [
                Request(f"/users/{segment(mailboxes[i])}/mailFolders", "POST", mailboxes[i], body, IMMUTABLE)
                for i in missing
            ]
        )
        raced = []
        for place, answer in zip(missing, made, strict=True):
            if isinstance(answer, Refusal) and answer.kind is RefusalKind.EXISTS:
                raced.append(place)
            else:
                answers[place] = read(answer, partial(self._made, mailboxes[place]))
        for place, found in zip(raced, await self._find_folders([mailboxes[i] for i in raced]), strict=True):
            # There, and not hidden: a person's own folder of this name.
            answers[place] = found or Refusal(RefusalKind.EXISTS, "QuarantineFolderVisible", HTTPStatus.CONFLICT)
        return [answer or UNEXPECTED for answer in answers]

    async def _find_folders(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str] | None]:
        options = query(
            filter=f"displayName eq {literal(self._folder_name)}", select="id,displayName,isHidden,parentFolderId"
        )
        answers = await self._gateway.collect(
            [_get(mailbox, "/mailFolders", f"{options}&includeHiddenFolders=true") for mailbox in mailboxes]
        )
        return [
            read(answer, partial(self._the_folder, mailbox)) for mailbox, answer in zip(mailboxes, answers, strict=True)
        ]

    def _the_folder(self, mailbox: MailboxId, folders: list[Document]) -> str | None:
        # Graph compares without regard to case. Should there be two, everybody takes the same one.
        hidden = [f for f in folders if f["isHidden"] is True and f["displayName"] == self._folder_name]
        return min((self._made(mailbox, folder) for folder in hidden), default=None)

    def _made(self, mailbox: MailboxId, folder: Document) -> str:
        # It lies below the visible root, whose id never changes: one question less for each path.
        if len(self._roots) >= _MAX_ROOTS:
            self._roots.clear()
        self._roots[mailbox] = str(folder["parentFolderId"])
        return id_of(folder)

    async def move(self, moves: Sequence[tuple[MailboxId, str, str]]) -> list[Answer[Item]]:
        """See `Mailboxes.move`."""
        answers = await self._gateway.send(
            [
                Request(
                    f"/users/{segment(mailbox)}/messages/{segment(item)}/move",
                    "POST",
                    mailbox,
                    {"destinationId": folder},
                    IMMUTABLE,
                )
                for mailbox, item, folder in moves
            ]
        )
        return [read(answer, item_of) for answer in answers]

    async def set_marks(self, items: Sequence[tuple[MailboxId, Item]]) -> list[Answer[Item]]:
        """See `Mailboxes.set_marks`."""
        answers = await self._gateway.send(
            [
                Request(
                    f"/users/{segment(mailbox)}/messages/{segment(item.id)}",
                    "PATCH",
                    mailbox,
                    marks_of(item),
                    IMMUTABLE,
                )
                for mailbox, item in items
            ]
        )
        return [read(answer, item_of) for answer in answers]

    async def inboxes(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str]]:
        """See `Mailboxes.inboxes`."""
        answers = await self._gateway.send([_folder(mailbox, "inbox") for mailbox in mailboxes])
        return [read(answer, id_of) for answer in answers]

    async def sent_descendants(self, wanted: Sequence[tuple[MailboxId, str]]) -> list[Answer[tuple[SentCopy, ...]]]:
        """See `Mailboxes.sent_descendants`."""
        requests = [
            request
            for mailbox, message_id in wanted
            for request in (
                _sent(mailbox, f"ep/id eq '{IN_REPLY_TO}' and ep/value eq {literal(message_id)}"),
                _sent(mailbox, f"ep/id eq '{REFERENCES}' and contains(ep/value,{literal(message_id)})"),
            )
        ]
        answers = [_no_folder(answer) for answer in await self._gateway.collect(requests)]
        pairs = zip(answers[::2], answers[1::2], strict=True)
        return [
            read(_both(*pair), partial(sent_copies, message_id=message_id))
            for (_, message_id), pair in zip(wanted, pairs, strict=True)
        ]

    async def forwarding_rules(self, mailboxes: Sequence[MailboxId]) -> list[Answer[tuple[ForwardingRule, ...]]]:
        """See `Mailboxes.forwarding_rules`."""
        answers = await self._gateway.collect(
            [_get(mailbox, "/mailFolders/inbox/messageRules") for mailbox in mailboxes]
        )
        return [read(answer, rules_of) for answer in answers]


def _get(mailbox: MailboxId, path: str, options: str = "") -> Request:
    return Request(f"/users/{segment(mailbox)}{path}{options}", mailbox=mailbox, headers=IMMUTABLE)


def _folder(mailbox: MailboxId, folder: str) -> Request:
    return _get(mailbox, f"/mailFolders/{segment(folder)}", query(select="id,displayName,parentFolderId"))


def _sent(mailbox: MailboxId, condition: str) -> Request:
    options = query(
        filter=f"singleValueExtendedProperties/Any(ep: {condition})",
        select="id,internetMessageId,subject,sentDateTime,toRecipients,ccRecipients,bccRecipients",
        expand=f"singleValueExtendedProperties($filter=id eq '{IN_REPLY_TO}' or id eq '{REFERENCES}')",
        top=_PAGE,
    )
    return _get(mailbox, "/mailFolders/sentitems/messages", options)


def _both(one: Answer[list[Document]], other: Answer[list[Document]]) -> Answer[list[Document]]:
    if isinstance(one, Refusal):
        return one
    return other if isinstance(other, Refusal) else [*one, *other]


def _no_folder(answer: Answer[list[Document]]) -> Answer[list[Document]]:
    # A mailbox that never had anything in Recoverable Items or Sent Items may lack the folder.
    return [] if isinstance(answer, Refusal) and answer.kind is RefusalKind.NOT_FOUND else answer
