"""A tenant's directory and message trace in dictionaries."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from shared.domain.ids import MailboxId
from shared.domain.mail_address import other_spellings
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.ports.answers import Answer, Refusal
from shared.ports.directory import TraceRow
from tests.fakes.checkpoints import Checkpoints


class FakeDirectory:
    """`Directory` over a few dictionaries. What is put into `refusals` is answered once, for that address or id."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.people: dict[str, Recipient] = {}
        self.groups: dict[str, list[Recipient]] = {}
        self.kinds: dict[str, Answer[MailboxKind]] = {}
        self.rows: list[TraceRow] = []
        self.refusals: dict[str, list[Refusal]] = defaultdict(list)
        self.trace_error: Exception | None = None
        self.count_error: Exception | None = None
        self.asked: list[str] = []
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    def _refused(self, key: str) -> Refusal | None:
        return self.refusals[key].pop(0) if self.refusals[key] else None

    async def resolve(self, addresses: Sequence[str]) -> dict[str, Answer[Recipient]]:
        self._checkpoint("resolve")
        self.asked += addresses
        return {a: self._refused(a) or self._holder(a) for a in dict.fromkeys(addresses)}

    def _holder(self, address: str) -> Recipient:
        found = (self.people[one] for one in (address, *other_spellings(address)) if one in self.people)
        return next(found, Recipient(RecipientKind.UNKNOWN, address))

    async def members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        self._checkpoint("members")
        return {g: self._refused(g) or tuple(self.groups.get(g, ())) for g in dict.fromkeys(group_ids)}

    async def transitive_members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[str, ...]]]:
        self._checkpoint("transitive members")
        return {
            g: self._refused(g) or tuple(r.id or "" for r in self.groups.get(g, ())) for g in dict.fromkeys(group_ids)
        }

    async def mailbox_kinds(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[MailboxKind]]:
        self._checkpoint("mailbox kinds")
        return {mailbox: self.kinds.get(mailbox, MailboxKind.USER) for mailbox in mailboxes}

    async def mailbox_count(self) -> int:
        self._checkpoint("mailbox count")
        if self.count_error is not None:
            raise self.count_error
        return sum(r.kind is RecipientKind.USER for r in {r.id: r for r in self.people.values()}.values())

    async def trace(
        self,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        since: datetime,
        until: datetime,
    ) -> tuple[TraceRow, ...]:
        self._checkpoint("trace")
        if self.trace_error is not None:
            raise self.trace_error
        return tuple(
            row
            for row in self.rows
            if internet_message_id in {None, row.internet_message_id}
            and sender in {None, row.sender}
            and recipient in {None, row.recipient}
        )
