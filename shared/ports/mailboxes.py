"""What Clawback does in mailboxes. Every call takes many at once and answers each one by itself.

A method returns a dictionary with one entry for each thing that was asked, by its key; what is named twice is asked
once. What could not be done has a `Refusal` as its answer, which is about that mailbox or item; it is no exception.
Methods raise UnavailableError or DeniedError only when nothing at all could be asked (no token, no connection).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.domain.identity import Traits
from shared.domain.ids import MailboxId
from shared.domain.mail_address import all_spelled
from shared.ports.answers import Answer

MessageKey = tuple[MailboxId, str]
"""A mailbox and a Message-ID."""
ItemKey = tuple[MailboxId, str]
"""A mailbox and the immutable id of an item in it."""
FolderKey = tuple[MailboxId, str]
"""A mailbox and the id of a folder in it."""


class Where(StrEnum):
    """Where to look for copies."""

    VISIBLE = "visible"
    """All folders that clients show, Deleted Items included."""
    DELETIONS = "recoverableitemsdeletions"
    """What the user deleted and can recover."""
    PURGES = "recoverableitemspurges"
    """What was deleted for good: no client can reach it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A mail in a mailbox, with the properties that we read. `id` is immutable."""

    id: str
    internet_message_id: str
    folder_id: str
    subject: str | None = None
    sender: str | None = None
    """The address in From, in the spelling of `mail_address`; None if the mailbox shows no SMTP address there."""
    sent_by: str | None = None
    """The address in Sender, which may be a delegate's; spelled as `sender`."""
    received_at: datetime | None = None
    is_read: bool | None = None
    flag: dict[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()

    @property
    def traits(self) -> Traits:
        """What the mailbox shows of the mail, to compare with what was named."""
        return Traits(senders=frozenset(all_spelled([self.sender])), subject=self.subject, received_at=self.received_at)


@dataclass(frozen=True, slots=True)
class QuarantineFolder:
    """The hidden folder of a mailbox that pulled mail goes to."""

    id: str
    paths: Mapping[str, str] = field(default_factory=dict)
    """Display paths by id of those folders that were seen on the way; `folder_paths` gives the others."""


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A reply or forward in somebody's Sent Items."""

    internet_message_id: str
    subject: str | None
    sent_at: datetime | None
    recipients: tuple[str, ...]
    """To, Cc and Bcc, lower-cased."""
    is_forward: bool
    """The subject says forward (FW:, Fwd:, WG:, TR: …); otherwise it is a reply."""
    sender: str | None = None
    """The address in From, as `Item.sender`."""


@dataclass(frozen=True, slots=True)
class ForwardingRule:
    """An enabled inbox rule that sends mail on.

    A redirect keeps the Message-ID; a forward makes a new mail.
    """

    name: str
    recipients: tuple[str, ...]
    redirects: bool


class Mailboxes(Protocol):
    """Mailboxes of the tenant, through their owners' directory ids."""

    async def find(self, where: Where, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        """All items whose Message-ID equals the wanted one, checked again on our side."""
        ...

    async def find_hidden(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[Item, ...]]]:
        """As `find`, in the hidden folder that pulled mail goes to. It is not made: without it there are no items."""
        ...

    async def list_hidden(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[tuple[Item, ...]]]:
        """All that lies in the hidden folder that pulled mail goes to. It is not made: without it there is nothing."""
        ...

    async def get(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[Item]]:
        """The items with these immutable ids, wherever in the mailbox they are."""
        ...

    async def network_message_ids(self, items: Sequence[ItemKey]) -> dict[ItemKey, Answer[str | None]]:
        """What Exchange wrote into these items as their NetworkMessageId, lower-cased; None where it wrote none."""
        ...

    async def folder_paths(self, folders: Sequence[FolderKey]) -> dict[FolderKey, Answer[str]]:
        """Display paths from the mailbox's root, such as `Inbox/Projects`. NOT_FOUND if a folder is gone."""
        ...

    async def quarantine_folders(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[QuarantineFolder]]:
        """The hidden folders that pulled mail goes to; made where missing."""
        ...

    async def move(self, moves: Sequence[tuple[MailboxId, str, str]]) -> dict[ItemKey, Answer[Item]]:
        """Move items (mailbox, item, destination folder). TRANSIENT means that it may have happened."""
        ...

    async def set_marks(self, items: Sequence[tuple[MailboxId, Item]]) -> dict[ItemKey, Answer[Item]]:
        """Set read state, flag and categories to those of the given item."""
        ...

    async def inboxes(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[str]]:
        """The ids of the Inbox folders."""
        ...

    async def sent_descendants(self, wanted: Sequence[MessageKey]) -> dict[MessageKey, Answer[tuple[SentCopy, ...]]]:
        """Replies to and forwards of a Message-ID in Sent Items, by In-Reply-To and References."""
        ...

    async def forwarding_rules(
        self, mailboxes: Sequence[MailboxId]
    ) -> dict[MailboxId, Answer[tuple[ForwardingRule, ...]]]:
        """Enabled inbox rules that forward or redirect."""
        ...
