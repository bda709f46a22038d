"""The entity types that are served: which of their properties, and how these are read.

Names and types are those of the entity model (entities.py). A property that the model does not have is a 400, one
that the model has and this emulator does not serve is a 501.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from local.emulators.graph import bodies, entities, extended
from local.emulators.graph.entities import EntityType, Property
from local.emulators.graph.errors import no_such_property, unsupported
from local.emulators.graph.mailbox import Item
from local.emulators.graph.model import Address, Group, Message, OrgContact, User

Getter = Callable[[Any, bool], Any]
"""(object, whether immutable ids are asked for) → value; times as datetime, the rest as in JSON."""

_PREVIEW = 255
"""Characters of bodyPreview (documented at the message resource)."""


@dataclass(frozen=True, eq=False)
class Kind:
    """An entity type.

    Args:
        name: as in `microsoft.graph.{name}`.
        getters: the properties that are served.
        default: what is answered without `$select`; empty means all but relationships.
        always: what is answered whatever `$select` says. Outlook adds the id, the directory adds nothing (the
            examples of "List messages" and "Get user").
    """

    name: str
    getters: Mapping[str, Getter]
    default: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    @property
    def entity(self) -> EntityType:
        """The type in the entity model."""
        return entities.types()[self.name]

    def served(self, name: str) -> Property:
        """The property of this name, whatever its case; 400 if the type has none, 501 if it is not served."""
        found = self.entity.find(name)
        if found is None:
            raise no_such_property(name, self.name)
        if found.name not in self.getters:
            unsupported(f"the property {found.name} of {self.name}")
        return found

    def names(self, select: str | None) -> tuple[str, ...]:
        """The properties that an answer has. Relationships are never among them: only `$expand` shows these."""
        return _names(self, select)

    def render(self, item: Any, names: tuple[str, ...], *, immutable: bool = False) -> dict[str, Any]:
        """The object with these properties, as JSON."""
        document: dict[str, Any] = {}
        for name in names:
            value = self.getters[name](item, immutable)
            document[name] = rfc3339(value) if isinstance(value, datetime) else value
        return document


@lru_cache(maxsize=1024)
def _names(kind: Kind, select: str | None) -> tuple[str, ...]:
    if select is None:
        return kind.default or tuple(name for name in kind.getters if not kind.served(name).relationship)
    found: list[str] = list(kind.always)
    for part in select.split(","):
        name = part.strip()
        if "/" in name or name == "*":
            unsupported(f"'{name}' in $select")
        selected = kind.served(name)
        if not selected.relationship:
            found.append(selected.name)
    return tuple(dict.fromkeys(found))


def rfc3339(moment: datetime) -> str:
    """As Graph writes times: UTC, with a Z, fractions only where there are some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def recipient(address: Address) -> dict[str, Any]:
    """A `microsoft.graph.recipient`."""
    return {"emailAddress": {"name": address.name or address.address, "address": address.address}}


def _recipients(addresses: tuple[Address, ...]) -> list[dict[str, Any]]:
    return [recipient(address) for address in addresses]


def _plain(*names: str, **renamed: str) -> dict[str, Getter]:
    """Properties that are read from the model as they are: camelCase names of snake_case fields."""
    fields = {name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in names} | renamed
    return {name: _attribute(attribute) for name, attribute in fields.items()}


def _attribute(name: str) -> Getter:
    def get(item: Any, _: bool) -> Any:  # noqa: FBT001 - a Getter
        value = getattr(item, name)
        return list(value) if isinstance(value, tuple) else value

    return get


def _of_message(name: str) -> Getter:
    return lambda item, _: getattr(item.message, name)


def _received(item: Item, _: bool) -> datetime:  # noqa: FBT001 - a Getter
    return item.message.received


def _headers(message: Message) -> list[dict[str, str]]:
    """The headers that a client of ours reads, in the order of a delivered mail."""
    headers = {"Message-ID": message.internet_message_id, _NETWORK_MESSAGE_ID: message.network_message_id}
    return [{"name": name, "value": value} for name, value in headers.items() if value is not None]


_HEADERS = "internetMessageHeaders"
"""Answered only if it is selected (documented at the property)."""
_NETWORK_MESSAGE_ID = "X-MS-Exchange-Organization-Network-Message-Id"

_MESSAGE_DEFAULT = (
    "id", "createdDateTime", "lastModifiedDateTime", "changeKey", "categories", "receivedDateTime", "sentDateTime",
    "hasAttachments", "internetMessageId", "subject", "bodyPreview", "importance", "parentFolderId", "conversationId",
    "conversationIndex", "isReadReceiptRequested", "isRead", "isDraft", "body", "sender", "from", "toRecipients",
    "ccRecipients", "bccRecipients", "replyTo", "flag",
)  # fmt: skip

MESSAGE = Kind(
    "message",
    {
        "id": lambda item, immutable: item.immutable_id if immutable else item.id,
        "createdDateTime": _received,
        "lastModifiedDateTime": lambda item, _: item.modified,
        "changeKey": lambda item, _: item.change_key,
        "categories": lambda item, _: list(item.categories),
        "receivedDateTime": _received,
        "sentDateTime": lambda item, _: item.message.sent or item.message.received,
        "hasAttachments": _of_message("has_attachments"),
        "internetMessageId": _of_message("internet_message_id"),
        "subject": _of_message("subject"),
        "bodyPreview": lambda item, _: bodies.as_text(item.message)[:_PREVIEW],
        "importance": lambda item, _: str(item.message.importance),
        "parentFolderId": lambda item, _: item.folder.id,
        "conversationId": _of_message("conversation_id"),
        "conversationIndex": _of_message("conversation_index"),
        "isReadReceiptRequested": _of_message("is_read_receipt_requested"),
        "isRead": lambda item, _: item.is_read,
        "isDraft": _of_message("is_draft"),
        "body": lambda item, _: bodies.html(item.message),
        "sender": lambda item, _: recipient(item.message.sender or item.message.from_),
        "from": lambda item, _: recipient(item.message.from_),
        "toRecipients": lambda item, _: _recipients(item.message.to),
        "ccRecipients": lambda item, _: _recipients(item.message.cc),
        "bccRecipients": lambda item, _: _recipients(item.message.bcc),
        "replyTo": lambda item, _: _recipients(item.message.reply_to),
        "flag": lambda item, _: {"flagStatus": str(item.flag)},
        _HEADERS: lambda item, _: _headers(item.message),
        extended.PROPERTY: lambda item, _: extended.properties_of(item.message),
    },
    default=_MESSAGE_DEFAULT,
    always=("id",),
)
NOT_BASIC = frozenset({"body", "bodyPreview", _HEADERS, extended.PROPERTY})
"""What Mail.ReadBasic.All does not show (documented at the permission; attachments are not served)."""

MAIL_FOLDER = Kind(
    "mailFolder",
    {
        "id": lambda folder, _: folder.id,
        "displayName": lambda folder, _: folder.name,
        "parentFolderId": lambda folder, _: folder.parent.id if folder.parent else folder.id,
        "childFolderCount": lambda folder, _: sum(not child.hidden for child in folder.children),
        "unreadItemCount": lambda folder, _: sum(not item.is_read for item in folder.items.values()),
        "totalItemCount": lambda folder, _: len(folder.items),
        "isHidden": lambda folder, _: folder.hidden,
    },
    always=("id",),
)

_USER_DEFAULT = (
    "id", "displayName", "givenName", "surname", "userPrincipalName", "mail", "jobTitle", "officeLocation",
    "businessPhones", "mobilePhone", "preferredLanguage",
)  # fmt: skip

USER = Kind(
    "user",
    {
        **_plain(
            "id",
            "displayName",
            "givenName",
            "surname",
            "userPrincipalName",
            "mail",
            "jobTitle",
            "officeLocation",
            "department",
            "companyName",
            "userType",
            "accountEnabled",
            "proxyAddresses",
        ),
        "businessPhones": lambda _user, _: [],
        "mobilePhone": lambda _user, _: None,
        "preferredLanguage": lambda _user, _: None,
    },
    default=_USER_DEFAULT,
)

GROUP = Kind(
    "group",
    _plain(
        "id", "displayName", "description", "mail", "mailNickname", "mailEnabled", "securityEnabled", "groupTypes",
        "membershipRule", "visibility", "proxyAddresses",
    ),
)  # fmt: skip

CONTACT = Kind(
    "orgContact",
    {
        **_plain("id", "displayName", "mail", "mailNickname", "proxyAddresses", "companyName", "department"),
        "jobTitle": lambda _contact, _: None,
    },
)

ROLE = Kind(
    "directoryRole",
    _plain("id", "displayName", "roleTemplateId"),
)

TRACE = Kind(
    "exchangeMessageTrace",
    {
        **_plain(
            "id", "size", "subject", messageId="message_id", senderAddress="sender", recipientAddress="recipient",
            receivedDateTime="received", fromIP="from_ip", toIP="to_ip",
        ),
        "status": lambda row, _: str(row.status),
    },
)  # fmt: skip

_DIRECTORY: dict[type, Kind] = {User: USER, Group: GROUP, OrgContact: CONTACT}
DirectoryObject = User | Group | OrgContact


def kind_of(item: DirectoryObject) -> Kind:
    """The entity type of a directory object."""
    return _DIRECTORY[type(item)]
