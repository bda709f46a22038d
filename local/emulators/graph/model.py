"""The content of a Microsoft 365 tenant: the data that the local Graph serves and that generators write.

A `Tenant` holds, all as plain frozen dataclasses:

- `users`, `groups`, `contacts`, `roles`: the directory. Members are named by object id.
- `mailboxes`: one per user that has one, named by `user_id`. A user without a `Mailbox` has none (as with
  `MailboxKind.NONE`). A mailbox has a folder tree, messages (each names its folder by path, such as
  `Inbox/Invoices`) and inbox rules. The default tree is `STANDARD_FOLDERS`; add to it with
  `with_folder(folders, "Inbox/Invoices")`.
- `trace`: the rows of message trace, one `TraceRow` per final recipient plus an `expanded` row per group.

Ids that are left empty (`Message.id`, `Message.immutable_id`, `Folder.id`, `InboxRule.id`) are given by the
server, the same ones each time that the same tenant is loaded. `dump`/`load` write and read a file,
`to_json`/`from_json` any part of it (format: local/emulators/graph/codec.py). `check` finds inconsistencies.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from local.emulators.graph.codec import ModelError, from_json, to_json

# to_json, from_json and ModelError are exported too, so that users of the model need one import.
__all__ = [
    "DELETED_ITEMS",
    "DELETIONS",
    "FORMAT",
    "INBOX",
    "JUNK_EMAIL",
    "PURGES",
    "RECOVERABLE_ITEMS",
    "SENT_ITEMS",
    "STANDARD_FOLDERS",
    "Address",
    "DirectoryRole",
    "FlagStatus",
    "Folder",
    "Group",
    "Importance",
    "InboxRule",
    "Mailbox",
    "MailboxKind",
    "Message",
    "ModelError",
    "OrgContact",
    "Tenant",
    "TraceRow",
    "TraceStatus",
    "User",
    "check",
    "dump",
    "folder_paths",
    "from_json",
    "load",
    "to_json",
    "with_folder",
]

FORMAT = 1
"""Changes when older files can no longer be read."""


class MailboxKind(StrEnum):
    """Where a mailbox is, which decides what Graph answers for it (reference/graph.md 5.1)."""

    CLOUD = "cloud"
    SHARED = "shared"
    ON_PREMISES = "on_premises"
    """Hybrid: 404 MailboxNotEnabledForRESTAPI."""
    NONE = "none"
    """A guest or an unlicensed account."""
    INACTIVE = "inactive"
    """Soft-deleted or on hold without its user: 404 MailboxNotEnabledForRESTAPI."""
    MOVING = "moving"
    """Between two databases: 503 ErrorMailboxMoveInProgress."""


class FlagStatus(StrEnum):
    """Graph's followupFlagStatus."""

    NOT_FLAGGED = "notFlagged"
    FLAGGED = "flagged"
    COMPLETE = "complete"


class Importance(StrEnum):
    """Graph's importance."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class TraceStatus(StrEnum):
    """Graph's exchangeMessageTraceStatus. `expanded` is the row of a group, not of a person."""

    GETTING_STATUS = "gettingStatus"
    PENDING = "pending"
    FAILED = "failed"
    DELIVERED = "delivered"
    EXPANDED = "expanded"
    QUARANTINED = "quarantined"
    FILTERED_AS_SPAM = "filteredAsSpam"


@dataclass(frozen=True, slots=True)
class Address:
    """A sender or recipient in a message header: SMTP address and display name."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user object of the directory: person, guest (`user_type` Guest) or account of a shared mailbox.

    `proxy_addresses` are as in Entra: `SMTP:` before the primary address, `smtp:` before the others.
    """

    id: str
    user_principal_name: str
    display_name: str
    mail: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    given_name: str | None = None
    surname: str | None = None
    job_title: str | None = None
    department: str | None = None
    office_location: str | None = None
    company_name: str | None = None
    user_type: str = "Member"
    account_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A group: Microsoft 365 (`group_types` has Unified), security, mail-enabled or distribution list.

    `members` are ids of users, groups, contacts. `visibility` is None, Public, Private or HiddenMembership.
    """

    id: str
    display_name: str
    mail: str | None = None
    mail_nickname: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    mail_enabled: bool = False
    security_enabled: bool = True
    group_types: tuple[str, ...] = ()
    membership_rule: str | None = None
    visibility: str | None = None
    description: str | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrgContact:
    """A mail contact: an address outside the tenant that groups may contain."""

    id: str
    display_name: str
    mail: str | None = None
    mail_nickname: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    company_name: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class DirectoryRole:
    """An activated Entra role, such as Global Administrator. `members` are ids of users and groups."""

    id: str
    display_name: str
    role_template_id: str | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """A mail folder. `well_known` is Graph's name for it (`recoverableitemsdeletions`) if it has one.

    A name has no slash in it: paths are made of names.
    """

    name: str
    well_known: str | None = None
    hidden: bool = False
    children: "tuple[Folder, ...]" = ()
    id: str = ""


STANDARD_FOLDERS: tuple[Folder, ...] = (
    Folder("Inbox", "inbox"),
    Folder("Drafts", "drafts"),
    Folder("Sent Items", "sentitems"),
    Folder("Deleted Items", "deleteditems"),
    Folder("Junk Email", "junkemail"),
    Folder("Archive", "archive"),
    Folder("Outbox", "outbox"),
    Folder("Conversation History", "conversationhistory"),
    # Outside the visible tree: not listed among a mailbox's folders, found by well-known name or id only.
    Folder(
        "Recoverable Items",
        "recoverableitemsroot",
        children=(
            Folder("Deletions", "recoverableitemsdeletions"),
            Folder("Purges", "recoverableitemspurges"),
            Folder("Versions", "recoverableitemsversions"),
            Folder("DiscoveryHolds", "recoverableitemsdiscoveryholds"),
        ),
    ),
)
"""The folders of a new mailbox. Paths are English display names: `Inbox`, `Recoverable Items/Purges`."""

INBOX = "Inbox"
SENT_ITEMS = "Sent Items"
DELETED_ITEMS = "Deleted Items"
JUNK_EMAIL = "Junk Email"
RECOVERABLE_ITEMS = "Recoverable Items"
DELETIONS = "Recoverable Items/Deletions"
PURGES = "Recoverable Items/Purges"


@dataclass(frozen=True, slots=True)
class Message:
    """One copy of a message in one mailbox.

    `folder` is a path of the mailbox's tree. `internet_message_id`, `in_reply_to` and `references` hold
    Message-IDs with their angle brackets. `conversation_index` is Base64. `last_verb` is
    PidTagLastVerbExecuted (102 reply, 103 reply all, 104 forward). `id` changes with a move, `immutable_id`
    does not.
    """

    internet_message_id: str
    subject: str
    from_: Address
    to: tuple[Address, ...]
    received: datetime
    folder: str = INBOX
    sender: Address | None = None
    """None: the same as `from_`."""
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    sent: datetime | None = None
    """None: the same as `received`."""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    conversation_id: str = ""
    conversation_index: str = ""
    body: str = ""
    body_type: str = "text"
    """`text` or `html`."""
    is_read: bool = False
    is_draft: bool = False
    flag: FlagStatus = FlagStatus.NOT_FLAGGED
    categories: tuple[str, ...] = ()
    importance: Importance = Importance.NORMAL
    has_attachments: bool = False
    is_read_receipt_requested: bool = False
    last_verb: int | None = None
    last_verb_at: datetime | None = None
    modified: datetime | None = None
    """None: not changed since it was received."""
    network_message_id: str | None = None
    """What transport wrote into the header X-MS-Exchange-Organization-Network-Message-Id."""
    id: str = ""
    immutable_id: str = ""


@dataclass(frozen=True, slots=True)
class InboxRule:
    """A rule of the inbox. Data only: it is not applied to messages.

    Folders are paths. `delete` moves to Deleted Items.
    """

    display_name: str
    sequence: int = 1
    enabled: bool = True
    subject_contains: tuple[str, ...] = ()
    body_contains: tuple[str, ...] = ()
    sender_contains: tuple[str, ...] = ()
    from_addresses: tuple[Address, ...] = ()
    forward_to: tuple[Address, ...] = ()
    forward_as_attachment_to: tuple[Address, ...] = ()
    redirect_to: tuple[Address, ...] = ()
    move_to_folder: str | None = None
    copy_to_folder: str | None = None
    mark_as_read: bool = False
    delete: bool = False
    permanent_delete: bool = False
    stop_processing: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mailbox of the user `user_id`.

    `in_scope` False: outside the app's RBAC scope, 403 ErrorAccessDenied.
    """

    user_id: str
    kind: MailboxKind = MailboxKind.CLOUD
    in_scope: bool = True
    folders: tuple[Folder, ...] = STANDARD_FOLDERS
    messages: tuple[Message, ...] = ()
    rules: tuple[InboxRule, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row of message trace. `id` is the network message id, which all rows of one message share.

    `message_id` is the Message-ID, with angle brackets. `size` is in bytes.
    """

    id: str
    message_id: str
    sender: str
    recipient: str
    received: datetime
    subject: str
    status: TraceStatus = TraceStatus.DELIVERED
    from_ip: str | None = None
    to_ip: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Tenant:
    """A whole tenant. `id` is the directory (tenant) id, a GUID; `domain` its default domain."""

    id: str
    display_name: str
    domain: str
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    contacts: tuple[OrgContact, ...] = ()
    roles: tuple[DirectoryRole, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    trace: tuple[TraceRow, ...] = ()


def with_folder(
    folders: tuple[Folder, ...], path: str, *, hidden: bool = False, folder_id: str = ""
) -> tuple[Folder, ...]:
    """The tree with a folder at `path`, and visible ones above it. Folders that exist are not changed."""
    name, _, rest = path.partition("/")
    if not name:
        raise ModelError(f"a folder path with an empty name: {path!r}")
    for index, folder in enumerate(folders):
        if folder.name == name:
            if not rest:
                return folders
            inner = with_folder(folder.children, rest, hidden=hidden, folder_id=folder_id)
            return (*folders[:index], replace(folder, children=inner), *folders[index + 1 :])
    if rest:
        return (*folders, Folder(name, children=with_folder((), rest, hidden=hidden, folder_id=folder_id)))
    return (*folders, Folder(name, hidden=hidden, id=folder_id))


def folder_paths(folders: tuple[Folder, ...], parent: str = "") -> list[str]:
    """The paths of all folders of the tree, parents first."""
    paths: list[str] = []
    for folder in folders:
        path = f"{parent}/{folder.name}" if parent else folder.name
        paths.append(path)
        paths.extend(folder_paths(folder.children, path))
    return paths


def check(tenant: Tenant) -> None:
    """Raise `ModelError` if the tenant is inconsistent: repeated ids, unknown members, missing folders."""
    _check_directory(tenant)
    users = {user.id for user in tenant.users}
    seen: set[str] = set()
    # Most mailboxes share one tree: its paths are computed once.
    trees: dict[tuple[Folder, ...], set[str]] = {}
    for mailbox in tenant.mailboxes:
        if mailbox.user_id not in users:
            raise ModelError(f"a mailbox belongs to the unknown user {mailbox.user_id}")
        if mailbox.user_id in seen:
            raise ModelError(f"the user {mailbox.user_id} has two mailboxes")
        seen.add(mailbox.user_id)
        if mailbox.folders not in trees:
            listed = folder_paths(mailbox.folders)
            trees[mailbox.folders] = set(listed)
            if len(trees[mailbox.folders]) != len(listed):
                raise ModelError(f"mailbox {mailbox.user_id}: two folders have the same path")
        for message in mailbox.messages:
            if message.folder not in trees[mailbox.folders]:
                raise ModelError(f"mailbox {mailbox.user_id}: there is no folder {message.folder!r}")


def _check_directory(tenant: Tenant) -> None:
    ids: list[str] = []
    ids += [user.id for user in tenant.users]
    ids += [group.id for group in tenant.groups]
    ids += [contact.id for contact in tenant.contacts]
    ids += [role.id for role in tenant.roles]
    known = set(ids)
    if len(known) != len(ids):
        raise ModelError("two directory objects have the same id")
    members = [(group.display_name, member) for group in tenant.groups for member in group.members]
    members += [(role.display_name, member) for role in tenant.roles for member in role.members]
    for name, member in members:
        if member not in known:
            raise ModelError(f"{name}: its member {member} does not exist")


def dump(tenant: Tenant, path: Path) -> None:
    """Write the tenant to a file. A crash leaves the old file, and never half of the new one."""
    text = json.dumps({"format": FORMAT, "tenant": to_json(tenant)}, ensure_ascii=False, separators=(",", ":"))
    beside = path.with_name(path.name + ".new")
    # A hostile subject may have a lone surrogate, which the file has to keep.
    beside.write_text(text, encoding="utf-8", errors="surrogatepass")
    beside.replace(path)


def load(path: Path) -> Tenant:
    """Read and check a tenant file."""
    document = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelError(f"{path} is not a tenant file of format {FORMAT}")
    tenant = from_json(Tenant, document.get("tenant"))
    check(tenant)
    return tenant
