"""One mailbox in memory: its folders, its items and what can happen to them.

Ids are derived from the mailbox, so that the same tenant has the same ids each time it is loaded. An item has
two: `id` changes with every move, `immutable_id` does not; both find it (reference/graph.md 3.2).
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from local.emulators.graph.errors import GraphError, item_not_found, malformed_id
from local.emulators.graph.model import FlagStatus, Folder, Mailbox, MailboxKind, Message

ROOT = "msgfolderroot"
DUMPSTER = "recoverableitemsroot"

WELL_KNOWN = frozenset(
    {
        "archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts", "inbox", "junkemail",
        "localfailures", ROOT, "outbox", "recoverableitemsdeletions", "scheduled", "searchfolders", "sentitems",
        "serverfailures", "syncissues",
        # Not documented, but used in public code (graph.md 2.2).
        DUMPSTER, "recoverableitemspurges", "recoverableitemsversions", "recoverableitemsdiscoveryholds",
    }
)  # fmt: skip
"""Names that Graph knows for folders ("mailFolder resource type"), whether or not a mailbox has the folder."""

_ID = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}\Z")
"""Base64 in either alphabet. Exchange's ids are longer than 40 characters, and so are those given out here."""


@dataclass(slots=True, eq=False)
class MailFolder:
    """A folder.

    Args:
        dumpster: whether it is Recoverable Items or below it.
        visible: whether people see it: neither in the dumpster nor hidden nor below a hidden folder.
    """

    id: str
    name: str
    well_known: str | None
    hidden: bool
    parent: "MailFolder | None"
    dumpster: bool
    visible: bool
    children: "list[MailFolder]" = field(default_factory=list)
    items: "dict[str, Item]" = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Display names from below the root, such as `Inbox/Invoices`."""
        if self.parent is None:
            return ""
        above = self.parent.path
        return f"{above}/{self.name}" if above else self.name


@dataclass(slots=True, eq=False)
class Item:
    """A copy of a message: what was delivered, and what has changed since."""

    message: Message
    id: str
    immutable_id: str
    folder: MailFolder
    is_read: bool
    flag: FlagStatus
    categories: tuple[str, ...]
    modified: datetime
    changes: int = 0

    def touch(self, now: datetime) -> None:
        """Give it a new change key."""
        self.modified = now
        self.changes += 1

    @property
    def change_key(self) -> str:
        """Opaque; a new one after each change."""
        return f"CQAAABYAAAB{base64.b64encode(f'{self.immutable_id[4:12]}{self.changes:06}'.encode()).decode()}"


class MailboxState:
    """A mailbox and its indexes. Every write goes through a method here."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.user_id = mailbox.user_id
        self.kind: MailboxKind = mailbox.kind
        self.in_scope = mailbox.in_scope
        self.rules = mailbox.rules
        self.root = MailFolder(
            id=_identifier("AQMk", mailbox.user_id),
            name="Top of Information Store",
            well_known=ROOT,
            hidden=False,
            parent=None,
            dumpster=False,
            visible=False,
        )
        self.folders: dict[str, MailFolder] = {self.root.id: self.root}
        self.well_known: dict[str, MailFolder] = {ROOT: self.root}
        self.items: dict[str, Item] = {}
        self._by_message_id: dict[str, list[Item]] = {}
        self._delivered = 0
        for folder in mailbox.folders:
            self._load(folder, self.root)
        paths = {folder.path: folder for folder in self.folders.values()}
        for message in mailbox.messages:
            self.deliver(message, paths[message.folder])

    def _load(self, folder: Folder, parent: MailFolder) -> None:
        made = self._add_folder(folder.name, parent, hidden=folder.hidden, well_known=folder.well_known, key=folder.id)
        for child in folder.children:
            self._load(child, made)

    def _add_folder(
        self, name: str, parent: MailFolder, *, hidden: bool, well_known: str | None = None, key: str = ""
    ) -> MailFolder:
        dumpster = parent.dumpster or well_known == DUMPSTER
        visible = not (dumpster or hidden) and (parent.visible or parent is self.root)
        key = key or _identifier("AQMk", self.user_id, parent.path, name)
        while key in self.folders:  # a folder of this name was deleted: this is a new one, with a new id
            key = _identifier("AQMk", self.user_id, key)
        made = MailFolder(key, name, well_known, hidden, parent, dumpster, visible)
        parent.children.append(made)
        self.folders[made.id] = made
        if well_known:
            self.well_known[well_known] = made
        return made

    def folder(self, key: str) -> MailFolder:
        """By id or by well-known name; 404 if there is none, 400 if it is neither a name nor an id."""
        found = self.folders.get(key) or self.well_known.get(key.lower())
        if found is None:
            raise item_not_found() if key.lower() in WELL_KNOWN else _no_such_id(key)
        return found

    def folder_at(self, path: str) -> MailFolder:
        """By display path; 404 if there is none."""
        for folder in self.folders.values():
            if folder.path == path:
                return folder
        raise item_not_found()

    def item(self, key: str) -> Item:
        """By either of its ids, which are case-sensitive; 404 if there is none, 400 if it is no id."""
        found = self.items.get(key)
        if found is None:
            raise _no_such_id(key)
        return found

    def with_message_id(self, message_id: str) -> list[Item]:
        """All items with this Message-ID in any folder, compared without regard to case."""
        return self._by_message_id.get(message_id.lower(), [])

    def all_items(self) -> list[Item]:
        """Every item of every folder."""
        return [item for folder in self.folders.values() for item in folder.items.values()]

    def deliver(self, message: Message, folder: MailFolder) -> Item:
        """Put a new item into the folder."""
        self._delivered += 1
        number = str(self._delivered)
        item = Item(
            message=message,
            id=message.id or _identifier("AAMk", self.user_id, number),
            immutable_id=message.immutable_id or _identifier("AAkA", self.user_id, number),
            folder=folder,
            is_read=message.is_read,
            flag=message.flag,
            categories=message.categories,
            modified=message.modified or message.received,
        )
        folder.items[item.immutable_id] = item
        self.items[item.id] = self.items[item.immutable_id] = item
        self._by_message_id.setdefault(message.internet_message_id.lower(), []).append(item)
        return item

    def move(self, item: Item, folder: MailFolder, now: datetime) -> None:
        """Into a folder, which may be the one that it is in: the id and the change key change."""
        del item.folder.items[item.immutable_id]
        del self.items[item.id]
        item.touch(now)
        item.id = _identifier("AAMk", item.immutable_id, str(item.changes))
        item.folder = folder
        folder.items[item.immutable_id] = item
        self.items[item.id] = item

    def vanish(self, item: Item) -> None:
        """Remove it from the mailbox for good, as when its retention has ended."""
        del item.folder.items[item.immutable_id]
        del self.items[item.id]
        del self.items[item.immutable_id]
        self._by_message_id[item.message.internet_message_id.lower()].remove(item)

    def create_folder(self, parent: MailFolder, name: str, *, hidden: bool) -> MailFolder:
        """A new folder; 409 if the parent has one of that name, compared without regard to case."""
        if any(child.name.lower() == name.lower() for child in parent.children):
            raise GraphError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
        return self._add_folder(name, parent, hidden=hidden)

    def delete_folder(self, folder: MailFolder, now: datetime) -> None:
        """Remove the folder and those below it; their items go to Recoverable Items, Deletions."""
        if folder.parent is None or folder.well_known is not None:
            raise GraphError(400, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
        for child in list(folder.children):
            self.delete_folder(child, now)
        for item in list(folder.items.values()):
            self.move(item, self.well_known["recoverableitemsdeletions"], now)
        folder.parent.children.remove(folder)
        del self.folders[folder.id]


def _no_such_id(key: str) -> GraphError:
    return item_not_found() if _ID.match(key) and len(key) % 4 == 0 else malformed_id()


def _identifier(prefix: str, *parts: str) -> str:
    # A hostile folder name may have lone surrogates.
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return prefix + base64.urlsafe_b64encode(digest).decode()
