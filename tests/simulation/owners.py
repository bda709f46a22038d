"""People who use their mailboxes while Clawback works in them, and what is to be found there at the end."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from shared.ports.mailboxes import Item, Where
from tests.fakes.mailboxes import QUARANTINE, FakeMailboxes

FOLDERS = ("Inbox", "Projects", "Projects/2026", "Archive")


class Owners:
    """The owners of all mailboxes. A person reaches neither the hidden folder nor what was purged.

    Args:
        mailboxes: theirs.
        random: chooses what they do.
        tell: takes a line of the story.
    """

    def __init__(self, mailboxes: FakeMailboxes, random: Random, tell: Callable[[str], None]) -> None:
        self._mailboxes = mailboxes
        self._random = random
        self._tell = tell
        self.left: dict[tuple[str, str], Item] = {}
        """Each item as its owner, or its delivery, left it."""

    def deliver(self, mailbox: str, item: Item) -> None:
        """A mail arrives in a folder of the owner's rules."""
        folder = self._random.choice(("Inbox", "Inbox", "Projects/2026", "Deleted Items"))
        self.left[mailbox, item.id] = self._mailboxes.add_item(mailbox, folder, item)

    def act(self) -> tuple[str, Item] | None:
        """Somebody does something with a mail that can be reached; whose mail it is, and which one."""
        reachable = [
            (mailbox, item)
            for mailbox, box in self._mailboxes.boxes.items()
            for item in box.items.values()
            if box.folders[item.folder_id] not in {QUARANTINE, Where.PURGES}
        ]
        if not reachable:
            return None
        mailbox, item = self._random.choice(reachable)
        does = self._random.choice((self._read, self._flag, self._categorise, self._move, self._delete, self._folders))
        changed = does(mailbox, item)
        self._mailboxes.boxes[mailbox].items[item.id] = self.left[mailbox, item.id] = changed
        path = self._mailboxes.boxes[mailbox].folders[changed.folder_id]
        self._tell(f"{mailbox}: {does.__name__.strip('_')} {item.id} in {path}")
        return mailbox, item

    def _read(self, _mailbox: str, item: Item) -> Item:
        return replace(item, is_read=not item.is_read)

    def _flag(self, _mailbox: str, item: Item) -> Item:
        return replace(item, flag={"flagStatus": self._random.choice(("flagged", "complete", "notFlagged"))})

    def _categorise(self, _mailbox: str, item: Item) -> Item:
        return replace(item, categories=(self._random.choice(("Red category", "Blue category")),))

    def _move(self, mailbox: str, item: Item) -> Item:
        return replace(item, folder_id=self._mailboxes.folder(mailbox, self._random.choice(FOLDERS)))

    def _delete(self, mailbox: str, item: Item) -> Item:
        """To Deleted Items, from there to what can be recovered, from there for good."""
        box = self._mailboxes.boxes[mailbox]
        further = {"Deleted Items": Where.DELETIONS, Where.DELETIONS: Where.PURGES}
        path = further.get(box.folders[item.folder_id], "Deleted Items")
        return replace(item, folder_id=self._mailboxes.folder(mailbox, path))

    def _folders(self, mailbox: str, item: Item) -> Item:
        """Renames the folder of the mail, or deletes it: its mails go to Deleted Items."""
        box = self._mailboxes.boxes[mailbox]
        path = box.folders[item.folder_id]
        if path not in FOLDERS[1:]:
            return item
        if self._random.random() < 0.5:
            box.folders[item.folder_id] = f"Renamed {len(box.folders)}"
            return item
        deleted = self._mailboxes.folder(mailbox, "Deleted Items")
        for other in [one for one in box.items.values() if one.folder_id == item.folder_id]:
            box.items[other.id] = self.left[mailbox, other.id] = replace(other, folder_id=deleted)
        del box.folders[item.folder_id]
        return replace(item, folder_id=deleted)


def marks(item: Item) -> tuple[Any, ...]:
    """What undo gives back besides the folder."""
    return item.is_read, tuple(sorted(item.flag.items())), frozenset(item.categories), item.received_at
