"""A tenant's mailboxes in memory, as the port `Mailboxes` shows them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, TypeVarTuple

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
from tests.fakes.checkpoints import Checkpoints

T = TypeVar("T")
Asked = TypeVarTuple("Asked")

QUARANTINE = "Clawback Quarantine"
GONE = Refusal(RefusalKind.NOT_FOUND, "ErrorItemNotFound", 404)


@dataclass
class Box:
    """One mailbox: folders by id with their paths, items by id, what was sent, rules."""

    folders: dict[str, str] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    sent: list[tuple[str, SentCopy]] = field(default_factory=list)
    """Message-ID that was answered or forwarded, and the copy in Sent Items."""
    rules: tuple[ForwardingRule, ...] = ()
    made: set[str] = field(default_factory=set)
    """The ids of all folders that there ever were."""

    def __post_init__(self) -> None:
        self.made |= self.folders.keys()


class FakeMailboxes:
    """`Mailboxes`.

    `moves` counts the moves that happened, by item. `refusals` are answered instead of doing anything, each as
    often as it is listed; the next moves of a mailbox in `lost` happen, and their answers are lost.
    """

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.boxes: dict[str, Box] = {}
        self.moves: Counter[str] = Counter()
        self.refusals: dict[str, list[Refusal]] = defaultdict(list)
        self.always: dict[str, Refusal] = {}
        """Mailboxes that are refused whatever is asked, such as those on premises."""
        self.lost: Counter[str] = Counter()
        self.searches_hidden = True
        """Whether a search of a mailbox covers hidden folders, which is not documented (graph.md 2.2)."""
        self.unindexed: set[str] = set()
        """Items that no search shows yet."""
        self.calls: list[str] = []
        """The mailbox of each request, in order."""
        self.network_ids: dict[str, str] = {}
        """The NetworkMessageId of items that have one, by item."""
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    def add_box(self, mailbox: str, *folders: str) -> Box:
        """A mailbox with the standard folders and these."""
        paths = ("Inbox", "Sent Items", "Deleted Items", *Where, *folders)
        box = self.boxes[mailbox] = Box({f"{mailbox}:{path}": str(path) for path in paths})
        return box

    def add_item(self, mailbox: str, folder: str, item: Item) -> Item:
        """A mail in the folder of this path; its id is unique in the tenant."""
        box = self.boxes.get(mailbox) or self.add_box(mailbox)
        kept = replace(item, folder_id=self.folder(mailbox, folder))
        box.items[item.id] = kept
        return kept

    def folder(self, mailbox: str, path: str) -> str:
        """The id of the folder with this path; it is made if it is missing."""
        box = self.boxes[mailbox]
        return next((i for i, p in box.folders.items() if p == path), None) or self._make(mailbox, path)

    def snapshot(self) -> dict[str, dict[str, Item]]:
        """Every item of every mailbox, to compare with later."""
        return {mailbox: dict(box.items) for mailbox, box in self.boxes.items()}

    def refuse(
        self, mailbox: str, kind: RefusalKind, *, times: int = 1, code: str = "", after: float | None = None
    ) -> None:
        """Answer the next calls about this mailbox with a refusal."""
        self.refusals[mailbox] += [Refusal(kind, code or kind, 429, after)] * times

    async def find(self, where: Where, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        self._checkpoint(f"find {where}")
        return {(m, mid): self._answer(self._find, m, where, mid) for m, mid in dict.fromkeys(wanted)}

    async def find_hidden(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        self._checkpoint("find hidden")
        return {(m, mid): self._answer(self._find_in_quarantine, m, mid) for m, mid in dict.fromkeys(wanted)}

    async def list_hidden(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[tuple[Item, ...]]]:
        self._checkpoint("list hidden")
        return {m: self._answer(self._hidden, m) for m in dict.fromkeys(mailboxes)}

    async def get(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[Item]]:
        self._checkpoint("get")
        return {(m, i): self._answer(self._get, m, i) for m, i in dict.fromkeys(items)}

    async def network_message_ids(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[str | None]]:
        self._checkpoint("network message ids")
        return {(m, i): self._answer(self._network_message_id, m, i) for m, i in dict.fromkeys(items)}

    async def folder_paths(self, folders: Sequence[FolderKey]) -> dict[FolderKey, Answer[str]]:
        self._checkpoint("folder paths")
        return {(m, f): self._answer(self._path, m, f) for m, f in dict.fromkeys(folders)}

    async def quarantine_folders(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[QuarantineFolder]]:
        self._checkpoint("before quarantine folders")
        answers = {m: self._answer(self._quarantine, m) for m in dict.fromkeys(mailboxes)}
        self._checkpoint("after quarantine folders")
        return answers

    async def move(self, moves: Sequence[tuple[MailboxId, str, str]]) -> dict[ItemKey, Answer[Item]]:
        answers: dict[ItemKey, Answer[Item]] = {}
        for mailbox, item, folder in moves:
            self._checkpoint("before move")
            answers[mailbox, item] = self._answer(self._move, mailbox, item, folder)
            self._checkpoint("after move")
        return answers

    async def set_marks(self, items: Sequence[tuple[MailboxId, Item]]) -> dict[ItemKey, Answer[Item]]:
        answers: dict[ItemKey, Answer[Item]] = {}
        for mailbox, item in items:
            self._checkpoint("before set marks")
            answers[mailbox, item.id] = self._answer(self._set_marks, mailbox, item)
            self._checkpoint("after set marks")
        return answers

    async def inboxes(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[str]]:
        self._checkpoint("inboxes")
        return {m: self._answer(self.folder, m, "Inbox") for m in dict.fromkeys(mailboxes)}

    async def sent_descendants(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[SentCopy, ...]]]:
        self._checkpoint("sent descendants")
        return {(m, mid): self._answer(self._descendants, m, mid) for m, mid in dict.fromkeys(wanted)}

    async def forwarding_rules(
        self, mailboxes: Sequence[MailboxId]
    ) -> dict[MailboxId, Answer[tuple[ForwardingRule, ...]]]:
        self._checkpoint("forwarding rules")
        return {m: self._answer(self._rules, m) for m in dict.fromkeys(mailboxes)}

    def _answer(self, does: Callable[[str, *Asked], Answer[T]], mailbox: str, *asked: *Asked) -> Answer[T]:
        self.calls.append(mailbox)
        if self.refusals[mailbox]:
            return self.refusals[mailbox].pop(0)
        if mailbox in self.always:
            return self.always[mailbox]
        if mailbox not in self.boxes:
            return Refusal(RefusalKind.MAILBOX_MISSING, "ErrorInvalidUser", 404)
        return does(mailbox, *asked)

    def _find(self, mailbox: str, where: Where, message_id: str) -> tuple[Item, ...]:
        box = self.boxes[mailbox]
        hidden: set[str] = {Where.DELETIONS, Where.PURGES}
        if not self.searches_hidden:
            hidden |= {QUARANTINE}
        places = {i for i, p in box.folders.items() if (p == where if where in hidden else p not in hidden)}
        items = [item for item in box.items.values() if item.id not in self.unindexed]
        return tuple(item for item in items if item.internet_message_id == message_id and item.folder_id in places)

    def _find_in_quarantine(self, mailbox: str, message_id: str) -> tuple[Item, ...]:
        box = self.boxes[mailbox]
        places = {i for i, p in box.folders.items() if p == QUARANTINE}
        items = box.items.values()
        return tuple(item for item in items if item.internet_message_id == message_id and item.folder_id in places)

    def _hidden(self, mailbox: str) -> tuple[Item, ...]:
        box = self.boxes[mailbox]
        places = {i for i, p in box.folders.items() if p == QUARANTINE}
        return tuple(item for item in box.items.values() if item.folder_id in places)

    def _get(self, mailbox: str, item_id: str) -> Answer[Item]:
        return self.boxes[mailbox].items.get(item_id, GONE)

    def _network_message_id(self, mailbox: str, item_id: str) -> Answer[str | None]:
        return self.network_ids.get(item_id) if item_id in self.boxes[mailbox].items else GONE

    def _quarantine(self, mailbox: str) -> QuarantineFolder:
        folder = self.folder(mailbox, QUARANTINE)
        hidden = {folder, *(self.folder(mailbox, place) for place in (Where.DELETIONS, Where.PURGES))}
        top = {i: p for i, p in self.boxes[mailbox].folders.items() if "/" not in p and i not in hidden}
        return QuarantineFolder(folder, top)

    def _path(self, mailbox: str, folder: str) -> Answer[str]:
        return self.boxes[mailbox].folders.get(folder, GONE)

    def _descendants(self, mailbox: str, message_id: str) -> tuple[SentCopy, ...]:
        return tuple(copy for of, copy in self.boxes[mailbox].sent if of == message_id)

    def _rules(self, mailbox: str) -> tuple[ForwardingRule, ...]:
        return self.boxes[mailbox].rules

    def _move(self, mailbox: str, item_id: str, folder: str) -> Answer[Item]:
        box = self.boxes[mailbox]
        if item_id not in box.items or folder not in box.folders:
            return GONE
        self.moves[item_id] += 1
        moved = box.items[item_id] = replace(box.items[item_id], folder_id=folder)
        if self.lost[mailbox]:
            self.lost[mailbox] -= 1
            return Refusal(RefusalKind.TRANSIENT, "GatewayTimeout", 504)
        return moved

    def _set_marks(self, mailbox: str, wanted: Item) -> Answer[Item]:
        box = self.boxes[mailbox]
        if wanted.id not in box.items:
            return GONE
        marked = replace(box.items[wanted.id], is_read=wanted.is_read, flag=wanted.flag, categories=wanted.categories)
        box.items[wanted.id] = marked
        return marked

    def _make(self, mailbox: str, path: str) -> str:
        box, made = self.boxes[mailbox], f"{mailbox}:{path}"
        while made in box.made:
            # The id of a folder that was renamed or deleted is never given again.
            made += "'"
        box.folders[made] = path
        box.made.add(made)
        return made
