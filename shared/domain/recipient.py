"""One recipient: what the directory says about an address, from the first lookup to the targets."""

from collections.abc import Container
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from shared.domain.base import PART


class RecipientKind(StrEnum):
    """What an address of the tenant belongs to."""

    USER = "user"
    GUEST = "guest"
    GROUP = "group"
    CONTACT = "contact"
    UNKNOWN = "unknown"
    """No object of the tenant has this address: somebody outside, or a mistake, or not yet indexed."""


class MailboxKind(StrEnum):
    """Graph's `mailboxSettings/userPurpose`."""

    USER = "user"
    SHARED = "shared"
    ROOM = "room"
    EQUIPMENT = "equipment"
    OTHER = "other"


class NoMailbox(StrEnum):
    """Why a user has no mailbox that we can work in. The values are those of `TargetState` and `RefusalKind`."""

    ON_PREMISES = "on_premises"
    MAILBOX_MISSING = "mailbox_missing"


# A dataclass and no pydantic model: a search holds 100,000 of them, and with slots each takes a tenth of the memory.
@dataclass(frozen=True, slots=True)
class Recipient:
    """A directory object that mail can be sent to. Stored as our other records are."""

    __pydantic_config__: ClassVar[ConfigDict] = PART

    kind: RecipientKind
    address: str
    """The address that was asked for, or the primary one of a group member; lower-cased.

    Empty if we may not read it.
    """
    id: str | None = None
    """The directory's object id."""
    name: str | None = None
    department: str | None = None
    job_title: str | None = None
    addresses: tuple[str, ...] = ()
    """All SMTP addresses, primary first, lower-cased."""
    hidden_membership: bool = False
    mailbox: MailboxKind | None = None
    """None if it was not asked for, or if the answer does not say."""
    no_mailbox: NoMailbox | None = None
    """Why there is no mailbox to work in, if that is already known."""
    code: str | None = None
    """Graph's error code behind `no_mailbox`, or behind an address that the directory refused."""
    privileged: bool = False
    protected: bool = False

    @property
    def mailbox_id(self) -> str | None:
        """The id to reach the mailbox by; None for what has no mailbox in this tenant."""
        return self.id if self.kind is RecipientKind.USER else None

    @property
    def primary_address(self) -> str:
        """The primary address; the id where we may read no address."""
        return next(iter(self.addresses), self.address) or self.id or ""

    @property
    def holder(self) -> str:
        """What two addresses of one recipient share: the mailbox's id, or the primary address where there is none."""
        return self.mailbox_id or self.primary_address

    def marked(self, privileged: Container[str], protected: Container[str]) -> "Recipient":
        """This recipient with the marks of the policy.

        Args:
            privileged: ids of the privileged people.
            protected: ids of the protected people.
        """
        marks = self.id in privileged, self.id in protected
        if marks == (self.privileged, self.protected):
            return self
        return replace(self, privileged=marks[0], protected=marks[1])
