"""Who has an address, and who received a mail. Answers by key, and refusals, as in `shared.ports.mailboxes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from pydantic import ConfigDict

from shared.domain.base import PART
from shared.domain.ids import MailboxId
from shared.domain.recipient import MailboxKind, Recipient
from shared.ports.answers import Answer


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row of message trace: a mail at one of its final recipients. Kept as evidence."""

    __pydantic_config__: ClassVar[ConfigDict] = PART

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
        """The recipient that has each address: users first, then groups, then contacts; UNKNOWN where none has it.

        An address that nobody has as it stands is its `other_spellings`' (plus addresses, IDN), as Exchange delivers.

        Names, departments and job titles come without characters that are not visible.
        """
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
