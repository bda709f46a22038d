"""From Graph's JSON about mailboxes to the types of the port."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from shared.domain.ids import MailboxId
from shared.domain.mail_address import spelled
from shared.domain.message import address
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import ForwardingRule, Item, SentCopy

Document = dict[str, Any]
D = TypeVar("D")
K = TypeVar("K")
T = TypeVar("T")

# MAPI's PidTagInReplyToId and PidTagInternetReferences (graph.md 2.5).
IN_REPLY_TO = "String 0x1042"
REFERENCES = "String 0x1039"

# Exchange takes X-MS-Exchange-Organization headers off what comes from outside: this one is its own.
_NETWORK_MESSAGE_ID = "x-ms-exchange-organization-network-message-id"

# What the languages of Outlook and other clients put before the subject of a forward.
_FORWARD = re.compile(r"^\s*(fwd?|wg|tr|rv|enc|i|vs|doorst|pd|vb|továbbítás|转发|転送)\s*[:\uff1a]", re.IGNORECASE)

# Graph answered 2xx with another shape than the documented one: it was done; look before doing it again.
UNEXPECTED = Refusal(RefusalKind.TRANSIENT, "UnexpectedAnswer", HTTPStatus.OK)


def read(answer: Answer[D], how: Callable[[D], T]) -> Answer[T]:
    """The answer as a type of the port. A refusal stays one; an answer of another shape is `UNEXPECTED`."""
    if isinstance(answer, Refusal):
        return answer
    try:
        return how(answer)
    except (AttributeError, KeyError, TypeError, ValueError):
        return UNEXPECTED


def read_each(answers: Mapping[K, Answer[D]], how: Callable[[D], T]) -> dict[K, Answer[T]]:
    """As `read`, for answers by key."""
    return {key: read(answer, how) for key, answer in answers.items()}


def id_of(raw: Document) -> str:
    """The id of an item, folder or object."""
    return str(raw["id"])


def moment(text: str | None) -> datetime | None:
    """A time as Graph writes it; without a zone it is UTC."""
    if text is None:
        return None
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def item_of(raw: Document) -> Item:
    """A message."""
    return Item(
        id=raw["id"],
        internet_message_id=raw.get("internetMessageId") or "",
        folder_id=raw["parentFolderId"],
        subject=raw.get("subject"),
        sender=_spelled(raw.get("from")),
        sent_by=_spelled(raw.get("sender")),
        received_at=moment(raw.get("receivedDateTime")),
        is_read=raw.get("isRead"),
        flag=dict(raw.get("flag") or {}),
        categories=tuple(raw.get("categories") or ()),
    )


def items_of(rows: list[Document]) -> tuple[Item, ...]:
    """Messages, each once: one that moves between two pages may be on both."""
    return tuple({item.id: item for item in map(item_of, rows)}.values())


def network_message_id_of(raw: Document) -> str | None:
    """What Exchange wrote into the headers of a message; None if nothing, or if there are several."""
    headers = raw.get("internetMessageHeaders") or ()
    values = {row["value"].strip().lower() for row in headers if row["name"].lower() == _NETWORK_MESSAGE_ID}
    return values.pop() if len(values) == 1 else None


def marks_of(item: Item) -> Document:
    """The change that gives a message these marks. What is not known is left as it is."""
    flag = {name: value for name, value in item.flag.items() if value is not None}
    marks: Document = {"isRead": item.is_read, "flag": flag or None, "categories": list(item.categories)}
    return {name: value for name, value in marks.items() if value is not None}


def _answers_to(raw: Document, message_id: str) -> bool:
    # Graph compares without regard to case.
    values = {prop["id"]: prop["value"] for prop in raw.get("singleValueExtendedProperties") or ()}
    return values.get(IN_REPLY_TO) == message_id or message_id in (values.get(REFERENCES) or "")


def sent_copies(rows: Iterable[Document], message_id: str) -> tuple[SentCopy, ...]:
    """Those messages of Sent Items that name exactly this Message-ID, each once."""
    return tuple({raw["id"]: _sent_copy(raw) for raw in rows if _answers_to(raw, message_id)}.values())


def _sent_copy(raw: Document) -> SentCopy:
    people = [*(raw.get("toRecipients") or ()), *(raw.get("ccRecipients") or ()), *(raw.get("bccRecipients") or ())]
    subject = raw.get("subject")
    return SentCopy(
        internet_message_id=raw.get("internetMessageId") or "",
        subject=subject,
        sender=_spelled(raw.get("from")),
        sent_at=moment(raw.get("sentDateTime")),
        recipients=_addresses(people),
        is_forward=bool(_FORWARD.match(subject or "")),
    )


def rules_of(rows: list[Document]) -> tuple[ForwardingRule, ...]:
    """Enabled inbox rules that send mail on; one that forwards and redirects is two."""
    return tuple(rule for raw in rows if raw.get("isEnabled") for rule in _rules(raw))


def _rules(raw: Document) -> Iterable[ForwardingRule]:
    actions = raw.get("actions") or {}
    name = str(raw.get("displayName") or "")
    forwards = _addresses([*(actions.get("forwardTo") or ()), *(actions.get("forwardAsAttachmentTo") or ())])
    redirects = _addresses(actions.get("redirectTo") or ())
    if forwards:
        yield ForwardingRule(name, forwards, redirects=False)
    if redirects:
        yield ForwardingRule(name, redirects, redirects=True)


def _addresses(people: Iterable[Document]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for person in people if (found := _address(person))))


def _address(person: Document | None) -> str | None:
    return address(_text(person))


def _spelled(person: Document | None) -> str | None:
    return spelled(_text(person))


def _text(person: Document | None) -> str | None:
    text: str | None = ((person or {}).get("emailAddress") or {}).get("address")
    return text


@dataclass(frozen=True, slots=True)
class TopFolders:
    """The folders below the root of what people see."""

    root: str | None
    """The root's id; None if there is no folder below it."""
    hidden: str | None
    """The id of the hidden quarantine folder, if there is one."""
    paths: dict[str, str]
    """Display paths by id, which here are names."""


def top_folders(rows: list[Document], quarantine: str) -> TopFolders:
    """What the list of these folders says. Should there be two hidden folders of this name, all take the same one."""
    hidden = [id_of(row) for row in rows if row["isHidden"] is True and row["displayName"] == quarantine]
    root = next((str(row["parentFolderId"]) for row in rows), None)
    return TopFolders(root, min(hidden, default=None), {id_of(row): str(row["displayName"]) for row in rows})


class Climb:
    """The path of a folder, read from the folder up to the root of what people see: one folder for each answer.

    Args:
        mailbox: whose folder it is.
        root: the id of the root.
        folder: the folder, with `id`, `displayName` and `parentFolderId`.
    """

    def __init__(self, mailbox: MailboxId, root: Answer[str], folder: Answer[Document]) -> None:
        self.mailbox = mailbox
        self.next: str | None = None
        """The folder to ask for; None when the path is complete."""
        self._root = root
        self._names: list[str] = []
        self._refusal = root if isinstance(root, Refusal) else None
        self.step(folder)

    @property
    def path(self) -> Answer[str]:
        """The display path as far as it is known, or why it is not."""
        return self._refusal or "/".join(self._names)

    def step(self, answer: Answer[Document]) -> None:
        """Take in the folder that `next` asked for."""
        asked, self.next = self.next, None
        folder = read(answer, lambda raw: (raw["id"], str(raw["displayName"]), raw.get("parentFolderId")))
        if isinstance(folder, Refusal):
            # What is above Recoverable Items is above the root too, and not for everybody to see.
            if asked is None or folder.kind is not RefusalKind.NOT_FOUND:
                self._refusal = folder
            return
        key, name, parent = folder
        top = not parent or parent == key
        if key == self._root or (top and self._names):
            return
        self._names.insert(0, name)
        if self._refusal is None and not top and parent != self._root:
            self.next = parent
