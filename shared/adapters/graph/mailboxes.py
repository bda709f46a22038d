"""`Mailboxes` over Graph."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.graph.gateway import IMMUTABLE, GraphGateway, Request
from shared.adapters.graph.odata import literal, query, segment
from shared.domain.ids import MailboxId
from shared.domain.message import address
from shared.ports.mailboxes import Answer, ForwardingRule, Item, Refusal, RefusalKind, SentCopy, Where

_ITEM = "id,internetMessageId,parentFolderId,subject,from,receivedDateTime,isRead,flag,categories"

# Copies of one message in one mailbox; more are on further pages.
_PAGE = 50

# MAPI's PidTagInReplyToId and PidTagInternetReferences (graph.md 2.5).
_IN_REPLY_TO = "String 0x1042"
_REFERENCES = "String 0x1039"

# What the languages of Outlook and other clients put before the subject of a forward.
_FORWARD = re.compile(r"^\s*(fwd?|wg|tr|rv|enc|i|vs|doorst|pd|vb|továbbítás|转发|転送)\s*:", re.IGNORECASE)

# Outlook takes folder trees of 300 levels; nobody has them, and a loop ends here.
_DEPTH = 40


class GraphMailboxes:
    """See `Mailboxes`.

    Args:
        gateway: the way to Graph.
        folder_name: display name of the hidden folder that pulled mail goes to.
    """

    def __init__(self, gateway: GraphGateway, folder_name: str) -> None:
        self._gateway = gateway
        self._folder_name = folder_name

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
        return [
            _no_folder(answer)
            if isinstance(answer, Refusal)
            else tuple(item for raw in answer if (item := _item(raw)).internet_message_id == message_id)
            for (_, message_id), answer in zip(wanted, answers, strict=True)
        ]

    async def look(self, items: Sequence[tuple[MailboxId, str]]) -> list[Answer[Item]]:
        """See `Mailboxes.look`."""
        answers = await self._gateway.send(
            [_get(mailbox, f"/messages/{segment(item)}", query(select=_ITEM)) for mailbox, item in items]
        )
        return [answer if isinstance(answer, Refusal) else _item(answer) for answer in answers]

    async def folder_paths(self, folders: Sequence[tuple[MailboxId, str]]) -> list[Answer[str]]:
        """See `Mailboxes.folder_paths`."""
        mailboxes = list(dict.fromkeys(mailbox for mailbox, _ in folders))
        wanted = [
            *(_folder(mailbox, "msgfolderroot") for mailbox in mailboxes),
            *(_folder(mailbox, folder) for mailbox, folder in folders),
        ]
        answers = await self._gateway.send(wanted)
        roots = {
            mailbox: None if isinstance(answer, Refusal) else answer.get("id")
            for mailbox, answer in zip(mailboxes, answers[: len(mailboxes)], strict=True)
        }
        paths: dict[int, Answer[list[str]]] = {}
        above: dict[int, tuple[MailboxId, str]] = {}
        for place, ((mailbox, _), answer) in enumerate(zip(folders, answers[len(mailboxes) :], strict=True)):
            if isinstance(answer, Refusal):
                paths[place] = answer
                continue
            paths[place] = [str(answer.get("displayName", ""))]
            if (parent := answer.get("parentFolderId")) and parent != roots[mailbox]:
                above[place] = (mailbox, parent)
        for _ in range(_DEPTH):
            if not above:
                break
            above = await self._climb(paths, above, roots)
        return [answer if isinstance(answer, Refusal) else "/".join(answer) for answer in paths.values()]

    async def _climb(
        self,
        paths: dict[int, Answer[list[str]]],
        above: dict[int, tuple[MailboxId, str]],
        roots: dict[MailboxId, str | None],
    ) -> dict[int, tuple[MailboxId, str]]:
        """One level up for each path that is not complete."""
        further: dict[int, tuple[MailboxId, str]] = {}
        answers = await self._gateway.send([_folder(mailbox, folder) for mailbox, folder in above.values()])
        for (place, (mailbox, folder)), answer in zip(above.items(), answers, strict=True):
            path = paths[place]
            if isinstance(answer, Refusal):
                # The root of Recoverable Items is above the visible root, and not everybody's to see.
                if answer.kind is not RefusalKind.NOT_FOUND:
                    paths[place] = answer
                continue
            parent = answer.get("parentFolderId")
            if isinstance(path, Refusal) or not parent or parent == folder:
                continue
            path.insert(0, str(answer.get("displayName", "")))
            if parent != roots[mailbox]:
                further[place] = (mailbox, parent)
        return further

    async def quarantine_folders(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str]]:
        """See `Mailboxes.quarantine_folders`."""
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
                answers[place] = answer if isinstance(answer, Refusal) else str(answer["id"])
        for place, found in zip(raced, await self._find_folders([mailboxes[i] for i in raced]), strict=True):
            answers[place] = found or Refusal(RefusalKind.TRANSIENT, "FolderExistsNowhere", 0)
        return [answer or Refusal(RefusalKind.TRANSIENT, "NoFolder", 0) for answer in answers]

    async def _find_folders(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str] | None]:
        options = query(filter=f"displayName eq {literal(self._folder_name)}", select="id,displayName")
        answers = await self._gateway.send(
            [_get(mailbox, "/mailFolders", f"{options}&includeHiddenFolders=true") for mailbox in mailboxes]
        )
        return [answer if isinstance(answer, Refusal) else self._the_folder(answer) for answer in answers]

    def _the_folder(self, answer: dict[str, Any]) -> str | None:
        named = (f for f in answer.get("value", []) if f.get("displayName") == self._folder_name)
        return next((str(folder["id"]) for folder in named), None)

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
        return [answer if isinstance(answer, Refusal) else _item(answer) for answer in answers]

    async def set_marks(self, items: Sequence[tuple[MailboxId, Item]]) -> list[Answer[Item]]:
        """See `Mailboxes.set_marks`."""
        answers = await self._gateway.send(
            [
                Request(
                    f"/users/{segment(mailbox)}/messages/{segment(item.id)}",
                    "PATCH",
                    mailbox,
                    {"isRead": item.is_read, "flag": item.flag, "categories": list(item.categories)},
                    IMMUTABLE,
                )
                for mailbox, item in items
            ]
        )
        return [answer if isinstance(answer, Refusal) else _item(answer) for answer in answers]

    async def inboxes(self, mailboxes: Sequence[MailboxId]) -> list[Answer[str]]:
        """See `Mailboxes.inboxes`."""
        answers = await self._gateway.send([_folder(mailbox, "inbox") for mailbox in mailboxes])
        return [answer if isinstance(answer, Refusal) else str(answer["id"]) for answer in answers]

    async def sent_descendants(self, wanted: Sequence[tuple[MailboxId, str]]) -> list[Answer[tuple[SentCopy, ...]]]:
        """See `Mailboxes.sent_descendants`."""
        requests = [
            request
            for mailbox, message_id in wanted
            for request in (
                _sent(mailbox, f"ep/id eq '{_IN_REPLY_TO}' and ep/value eq {literal(message_id)}"),
                _sent(mailbox, f"ep/id eq '{_REFERENCES}' and contains(ep/value,{literal(message_id)})"),
            )
        ]
        answers = await self._gateway.collect(requests)
        found: list[Answer[tuple[SentCopy, ...]]] = []
        for place, (_, message_id) in enumerate(wanted):
            pair = answers[2 * place : 2 * place + 2]
            refusal = next((answer for answer in pair if isinstance(answer, Refusal)), None)
            if refusal is not None:
                found.append(_no_folder(refusal))
                continue
            copies = {raw["id"]: raw for answer in pair if not isinstance(answer, Refusal) for raw in answer}
            found.append(tuple(_sent_copy(raw) for raw in copies.values() if _names(raw, message_id)))
        return found

    async def forwarding_rules(self, mailboxes: Sequence[MailboxId]) -> list[Answer[tuple[ForwardingRule, ...]]]:
        """See `Mailboxes.forwarding_rules`."""
        answers = await self._gateway.collect(
            [_get(mailbox, "/mailFolders/inbox/messageRules") for mailbox in mailboxes]
        )
        return [
            answer if isinstance(answer, Refusal) else tuple(rule for raw in answer for rule in _rules(raw))
            for answer in answers
        ]


def _get(mailbox: MailboxId, path: str, options: str = "") -> Request:
    return Request(f"/users/{segment(mailbox)}{path}{options}", mailbox=mailbox, headers=IMMUTABLE)


def _folder(mailbox: MailboxId, folder: str) -> Request:
    return _get(mailbox, f"/mailFolders/{segment(folder)}", query(select="id,displayName,parentFolderId"))


def _sent(mailbox: MailboxId, condition: str) -> Request:
    options = query(
        filter=f"singleValueExtendedProperties/Any(ep: {condition})",
        select="id,internetMessageId,subject,sentDateTime,toRecipients,ccRecipients,bccRecipients",
        expand=f"singleValueExtendedProperties($filter=id eq '{_IN_REPLY_TO}' or id eq '{_REFERENCES}')",
        top=_PAGE,
    )
    return _get(mailbox, "/mailFolders/sentitems/messages", options)


def _no_folder(refusal: Refusal) -> Answer[tuple[Any, ...]]:
    # A mailbox that never had anything in Recoverable Items or Sent Items may lack the folder.
    return () if refusal.kind is RefusalKind.NOT_FOUND else refusal


def _item(raw: dict[str, Any]) -> Item:
    return Item(
        id=raw["id"],
        internet_message_id=raw.get("internetMessageId") or "",
        folder_id=raw.get("parentFolderId") or "",
        subject=raw.get("subject"),
        sender=_address(raw.get("from")),
        received_at=_moment(raw.get("receivedDateTime")),
        is_read=raw.get("isRead"),
        flag=raw.get("flag") or {},
        categories=tuple(raw.get("categories") or ()),
    )


def _sent_copy(raw: dict[str, Any]) -> SentCopy:
    people = [*(raw.get("toRecipients") or ()), *(raw.get("ccRecipients") or ()), *(raw.get("bccRecipients") or ())]
    subject = raw.get("subject")
    return SentCopy(
        internet_message_id=raw.get("internetMessageId") or "",
        subject=subject,
        sent_at=_moment(raw.get("sentDateTime")),
        recipients=_addresses(people),
        is_forward=bool(_FORWARD.match(subject or "")),
    )


def _names(raw: dict[str, Any], message_id: str) -> bool:
    """Whether the copy answers to exactly this Message-ID: Graph compares without regard to case."""
    values = [p.get("value") or "" for p in raw.get("singleValueExtendedProperties") or ()]
    return any(message_id in value for value in values)


def _rules(raw: dict[str, Any]) -> Iterable[ForwardingRule]:
    actions = raw.get("actions") or {}
    if not raw.get("isEnabled"):
        return
    name = str(raw.get("displayName") or "")
    forwards = _addresses([*(actions.get("forwardTo") or ()), *(actions.get("forwardAsAttachmentTo") or ())])
    redirects = _addresses(actions.get("redirectTo") or ())
    if forwards:
        yield ForwardingRule(name, forwards, redirects=False)
    if redirects:
        yield ForwardingRule(name, redirects, redirects=True)


def _addresses(people: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for person in people if (found := _address(person))))


def _address(person: dict[str, Any] | None) -> str | None:
    return address(((person or {}).get("emailAddress") or {}).get("address"))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
