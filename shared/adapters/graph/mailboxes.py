"""`Mailboxes` over Graph."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from shared.adapters.graph.documents import (
    IN_REPLY_TO,
    REFERENCES,
    Climb,
    Document,
    TopFolders,
    id_of,
    item_of,
    items_of,
    marks_of,
    network_message_id_of,
    read,
    read_each,
    rules_of,
    sent_copies,
    top_folders,
)
from shared.adapters.graph.gateway import IMMUTABLE, GraphGateway, Request
from shared.adapters.graph.odata import literal, query, segment
from shared.domain.ids import MailboxId
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import (
    FolderKey,
    ForwardingRule,
    Item,
    ItemKey,
    MessageKey,
    QuarantineFolder,
    SentCopy,
    Where,
)

_ITEM = "id,internetMessageId,parentFolderId,subject,from,sender,receivedDateTime,isRead,flag,categories"

_ROOT = "msgfolderroot"

# What names a message as its parent. The range variables differ: some parsers take one name once only.
_REPLY = f"singleValueExtendedProperties/Any(ep: ep/id eq '{IN_REPLY_TO}' and ep/value eq {{}})"
_REFERENCE = f"singleValueExtendedProperties/Any(re: re/id eq '{REFERENCES}' and contains(re/value,{{}}))"

# A mailbox has some tens of folders below its root; more are on further pages.
_FOLDER_PAGE = 250

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

    async def find(self, where: Where, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        """See `Mailboxes.find`."""
        place = "" if where is Where.VISIBLE else f"/mailFolders/{where}"
        answers = await self._gateway.collect({key: _messages(key, place) for key in wanted})
        if where is not Where.VISIBLE:
            answers = {key: _no_folder(answer) for key, answer in answers.items()}
        return {key: read(answer, partial(_with_message_id, key[1])) for key, answer in answers.items()}

    async def find_hidden(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        """See `Mailboxes.find_hidden`."""
        listed = await self._list_folders(list(dict.fromkeys(mailbox for mailbox, _ in wanted)))
        answers: dict[MessageKey, Answer[list[Document]]] = {}
        requests: dict[MessageKey, Request] = {}
        for key in wanted:
            folders = listed[key[0]]
            if isinstance(folders, Refusal):
                answers[key] = folders
            elif folders.hidden is None:
                answers[key] = []
            else:
                requests[key] = _messages(key, f"/mailFolders/{segment(folders.hidden)}")
        found = await self._gateway.collect(requests)
        answers |= {key: _no_folder(answer) for key, answer in found.items()}
        return {key: read(answer, partial(_with_message_id, key[1])) for key, answer in answers.items()}

    async def list_hidden(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[tuple[Item, ...]]]:
        """See `Mailboxes.list_hidden`."""
        listed = await self._list_folders(list(dict.fromkeys(mailboxes)))
        answers: dict[MailboxId, Answer[list[Document]]] = {}
        requests: dict[MailboxId, Request] = {}
        for mailbox, folders in listed.items():
            if isinstance(folders, Refusal):
                answers[mailbox] = folders
            elif folders.hidden is None:
                answers[mailbox] = []
            else:
                place = f"/mailFolders/{segment(folders.hidden)}/messages"
                requests[mailbox] = _get(mailbox, place, query(select=_ITEM, top=_FOLDER_PAGE))
        answers |= {key: _no_folder(answer) for key, answer in (await self._gateway.collect(requests)).items()}
        return read_each(answers, lambda rows: tuple(items_of(rows)))

    async def get(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[Item]]:
        """See `Mailboxes.get`."""
        answers = await self._gateway.send(
            {
                (mailbox, item): _get(mailbox, f"/messages/{segment(item)}", query(select=_ITEM))
                for mailbox, item in items
            }
        )
        return read_each(answers, item_of)

    async def network_message_ids(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[str | None]]:
        """See `Mailboxes.network_message_ids`."""
        # All headers of a mail are some kilobytes: they are asked for only where nothing else decides.
        answers = await self._gateway.send(
            {
                (mailbox, item): _get(mailbox, f"/messages/{segment(item)}", query(select="internetMessageHeaders"))
                for mailbox, item in items
            }
        )
        return read_each(answers, network_message_id_of)

    async def folder_paths(self, folders: Sequence[FolderKey]) -> dict[FolderKey, Answer[str]]:
        """See `Mailboxes.folder_paths`."""
        strangers = {mailbox for mailbox, _ in folders if mailbox not in self._roots}
        answers = await self._gateway.send(
            {
                **{(mailbox, _ROOT): _folder(mailbox, _ROOT) for mailbox in strangers},
                **{(mailbox, folder): _folder(mailbox, folder) for mailbox, folder in folders},
            }
        )
        roots: dict[MailboxId, Answer[str]] = {
            **{mailbox: self._roots[mailbox] for mailbox, _ in folders if mailbox in self._roots},
            **{mailbox: read(answers[mailbox, _ROOT], id_of) for mailbox in strangers},
        }
        climbs = {key: Climb(key[0], roots[key[0]], answers[key]) for key in folders}
        for _ in range(_DEPTH):
            climbing = {key: climb for key, climb in climbs.items() if climb.next is not None}
            if not climbing:
                break
            answers = await self._gateway.send(
                {key: _folder(climb.mailbox, climb.next or "") for key, climb in climbing.items()}
            )
            for key, climb in climbing.items():
                climb.step(answers[key])
        return {key: climb.path for key, climb in climbs.items()}

    async def quarantine_folders(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[QuarantineFolder]]:
        """See `Mailboxes.quarantine_folders`."""
        # Asked each time: a folder that somebody deleted keeps its id, and lies in Deleted Items for all to see.
        listed = await self._list_folders(mailboxes)
        body = {"displayName": self._folder_name, "isHidden": True}
        made = await self._gateway.send(
            {
                mailbox: Request(f"/users/{segment(mailbox)}/mailFolders", "POST", mailbox, body, IMMUTABLE)
                for mailbox, folders in listed.items()
                if not isinstance(folders, Refusal) and folders.hidden is None
            }
        )
        raced = [m for m, answer in made.items() if isinstance(answer, Refusal) and answer.kind is RefusalKind.EXISTS]
        listed |= await self._list_folders(raced)
        return {mailbox: self._folder(mailbox, folders, made.get(mailbox)) for mailbox, folders in listed.items()}

    async def _list_folders(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[TopFolders]]:
        """The folders below the root, hidden ones too: most mail is in one of them, so their paths are known then."""
        options = query(select="id,displayName,isHidden,parentFolderId", top=_FOLDER_PAGE)
        answers = await self._gateway.collect(
            {mailbox: _get(mailbox, "/mailFolders", f"{options}&includeHiddenFolders=true") for mailbox in mailboxes}
        )
        return read_each(answers, partial(top_folders, quarantine=self._folder_name))

    def _folder(
        self, mailbox: MailboxId, folders: Answer[TopFolders], made: Answer[Document] | None
    ) -> Answer[QuarantineFolder]:
        if isinstance(folders, Refusal):
            return folders
        if folders.root is not None:
            self._learn_root(mailbox, folders.root)
        if folders.hidden is not None:
            return QuarantineFolder(folders.hidden, folders.paths)
        if isinstance(made, Refusal) and made.kind is RefusalKind.EXISTS:
            # It is there, and not hidden: a person's own folder of this name.
            return Refusal(RefusalKind.EXISTS, "QuarantineFolderVisible", HTTPStatus.CONFLICT)
        return read(made or {}, lambda raw: QuarantineFolder(id_of(raw), folders.paths))

    def _learn_root(self, mailbox: MailboxId, root: str) -> None:
        # The id of the visible root never changes: one request less for each path.
        if len(self._roots) >= _MAX_ROOTS:
            self._roots.clear()
        self._roots[mailbox] = root

    async def move(self, moves: Sequence[tuple[MailboxId, str, str]]) -> dict[ItemKey, Answer[Item]]:
        """See `Mailboxes.move`."""
        answers = await self._gateway.send(
            {
                (mailbox, item): Request(
                    f"/users/{segment(mailbox)}/messages/{segment(item)}/move",
                    "POST",
                    mailbox,
                    {"destinationId": folder},
                    IMMUTABLE,
                )
                for mailbox, item, folder in moves
            }
        )
        return read_each(answers, item_of)

    async def set_marks(self, items: Sequence[tuple[MailboxId, Item]]) -> dict[ItemKey, Answer[Item]]:
        """See `Mailboxes.set_marks`."""
        answers = await self._gateway.send(
            {
                (mailbox, item.id): Request(
                    f"/users/{segment(mailbox)}/messages/{segment(item.id)}",
                    "PATCH",
                    mailbox,
                    marks_of(item),
                    IMMUTABLE,
                )
                for mailbox, item in items
            }
        )
        return read_each(answers, item_of)

    async def inboxes(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[str]]:
        """See `Mailboxes.inboxes`."""
        return read_each(await self._gateway.send({m: _folder(m, "inbox") for m in mailboxes}), id_of)

    async def sent_descendants(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[SentCopy, ...]]]:
        """See `Mailboxes.sent_descendants`."""
        answers = await self._gateway.collect({key: _sent(key, _REPLY, _REFERENCE) for key in wanted})
        # Two conditions may be too complex for Exchange (graph.md 5.3): then each is asked for by itself.
        complex_ = [key for key, answer in answers.items() if _too_complex(answer)]
        replies = await self._gateway.collect({key: _sent(key, _REPLY) for key in complex_})
        references = await self._gateway.collect({key: _sent(key, _REFERENCE) for key in complex_})
        answers |= {key: _both(_no_folder(replies[key]), _no_folder(references[key])) for key in complex_}
        return {
            key: read(_no_folder(answer), partial(sent_copies, message_id=key[1])) for key, answer in answers.items()
        }

    async def forwarding_rules(
        self, mailboxes: Sequence[MailboxId]
    ) -> dict[MailboxId, Answer[tuple[ForwardingRule, ...]]]:
        """See `Mailboxes.forwarding_rules`."""
        answers = await self._gateway.collect({m: _get(m, "/mailFolders/inbox/messageRules") for m in mailboxes})
        return read_each(answers, rules_of)


def _get(mailbox: MailboxId, path: str, options: str = "") -> Request:
    return Request(f"/users/{segment(mailbox)}{path}{options}", mailbox=mailbox, headers=IMMUTABLE)


def _messages(key: MessageKey, place: str) -> Request:
    mailbox, message_id = key
    options = query(filter=f"internetMessageId eq {literal(message_id)}", select=_ITEM, top=_PAGE)
    return _get(mailbox, f"{place}/messages", options)


def _folder(mailbox: MailboxId, folder: str) -> Request:
    return _get(mailbox, f"/mailFolders/{segment(folder)}", query(select="id,displayName,parentFolderId"))


def _sent(key: MessageKey, *conditions: str) -> Request:
    mailbox, message_id = key
    options = query(
        filter=" or ".join(condition.format(literal(message_id)) for condition in conditions),
        select="id,internetMessageId,subject,from,sentDateTime,toRecipients,ccRecipients,bccRecipients",
        expand=f"singleValueExtendedProperties($filter=id eq '{IN_REPLY_TO}' or id eq '{REFERENCES}')",
        top=_PAGE,
    )
    return _get(mailbox, "/mailFolders/sentitems/messages", options)


def _too_complex(answer: Answer[list[Document]]) -> bool:
    return isinstance(answer, Refusal) and answer.status == HTTPStatus.BAD_REQUEST


def _both(one: Answer[list[Document]], other: Answer[list[Document]]) -> Answer[list[Document]]:
    if isinstance(one, Refusal):
        return one
    return other if isinstance(other, Refusal) else [*one, *other]


def _no_folder(answer: Answer[list[Document]]) -> Answer[list[Document]]:
    # A mailbox that never had anything in Recoverable Items or Sent Items may lack the folder.
    return [] if isinstance(answer, Refusal) and answer.kind is RefusalKind.NOT_FOUND else answer


def _with_message_id(message_id: str, rows: list[Document]) -> tuple[Item, ...]:
    # Graph compares without regard to case, and what the sender wrote is in the filter: compared again here.
    return tuple(item for item in items_of(rows) if item.internet_message_id == message_id)
