"""Who is behind an address. Answers by key, and refusals, as in `shared.ports.mailboxes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.domain.ids import MailboxId
from shared.ports.answers import Answer


class RecipientKind(StrEnum):
    """What an address of the tenant belongs to."""

    USER = "user"
    GUEST = "guest"
    GROUP = "group"
    CONTACT = "contact"
    UNKNOWN = "unknown"
    """No object of the tenant has this address: somebody outside, or a mistake, or not yet indexed."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A directory object that mail can be sent to."""

    kind: RecipientKind
    address: str
    """The address that was asked for, or the primary one of a member; lower-cased."""
    id: str | None = None
    name: str | None = None
    department: str | None = None
    job_title: str | None = None
    addresses: tuple[str, ...] = ()
    """All SMTP addresses, primary first, lower-cased."""
    hidden_membership: bool = False


class MailboxKind(StrEnum):
    """`mailboxSettings/userPurpose`, or what the refusal to tell it means."""

    USER = "user"
    SHARED = "shared"
    ROOM = "room"
    EQUIPMENT = "equipment"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One final recipient of a mail, as transport saw it."""

    recipient: str
    status: str
    """Graph's exchangeMessageTraceStatus: delivered, expanded, quarantined, failed …"""
    received_at: datetime | None
    internet_message_id: str
    network_message_id: str | None = None
    subject: str | None = None
    sender: str | None = None


class Directory(Protocol):
    """Entra ID and message trace."""

    async def resolve(self, addresses: Sequence[str]) -> dict[str, Answer[Recipient]]:
        """Users first, then groups, then contacts; UNKNOWN where none has the address."""
        ...

    async def members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        """Direct members. A member that we may not read has no address; it is UNKNOWN, with its id."""
        ...

    async def transitive_members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[str, ...]]]:
        """Object ids of all users in the groups, however nested."""
        ...

    async def mailbox_kinds(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[MailboxKind]]:
        """What kind of mailbox each is. ON_PREMISES and MAILBOX_MISSING come as refusals."""
        ...

    async def mailbox_count(self) -> int:
        """How many users the tenant has, for the limit on the share of mailboxes.

        Raises:
            UnavailableError: it could not be asked.
        """
        ...

    async def trace(
        self,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        since: datetime,
        until: datetime,
    ) -> tuple[TraceRow, ...]:
        """Message trace rows. At most 100 requests in five minutes per tenant (graph.md 2.7).

        Raises:
            UnavailableError: throttled or down.
            DeniedError: the permission or the tracing service principal is missing.
        """
        ...
