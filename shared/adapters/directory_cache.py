"""`Directory` with a memory: alerts that come soon after each other name the same people."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.domain.ids import MailboxId
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.ports.answers import Answer, Refusal
from shared.ports.directory import Directory, TraceRow

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

MAX_AGE = timedelta(minutes=5)
"""A person who joins a group or gets an address is not missed for longer than this."""

# Answers of each kind, where a group counts as many as it has members; a recipient with its addresses is below 1 KB.
_MAX_KEPT = 20_000


class CachedDirectory:
    """See `Directory`. Keeps what the directory knows for `MAX_AGE`; refusals and unknown addresses are not kept.

    Args:
        directory: who is asked.
        now: the clock.
    """

    def __init__(self, directory: Directory, now: Clock) -> None:
        self._directory = directory
        self._recipients: _Kept[str, Recipient] = _Kept(now)
        self._members: _Kept[str, tuple[Recipient, ...]] = _Kept(now, size=lambda members: len(members) + 1)
        self._kinds: _Kept[MailboxId, MailboxKind] = _Kept(now)
        self._count: tuple[datetime, int] | None = None
        self._now = now

    async def resolve(self, addresses: Sequence[str]) -> dict[str, Answer[Recipient]]:
        """See `Directory.resolve`."""
        return await self._recipients.ask(self._directory.resolve, addresses, _known)

    async def members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        """See `Directory.members`."""
        return await self._members.ask(self._directory.members, group_ids)

    async def transitive_members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[str, ...]]]:
        """See `Directory.transitive_members`. Not kept here: only the policy's groups are asked (`PolicyPeople`)."""
        return await self._directory.transitive_members(group_ids)

    async def mailbox_kinds(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[MailboxKind]]:
        """See `Directory.mailbox_kinds`."""
        return await self._kinds.ask(self._directory.mailbox_kinds, mailboxes)

    async def mailbox_count(self) -> int:
        """See `Directory.mailbox_count`."""
        now = self._now()
        if self._count is None or now - self._count[0] >= MAX_AGE:
            self._count = now, await self._directory.mailbox_count()
        return self._count[1]

    async def trace(
        self,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        since: datetime,
        until: datetime,
    ) -> tuple[TraceRow, ...]:
        """See `Directory.trace`. Not kept here: traces are kept as evidence."""
        return await self._directory.trace(
            internet_message_id=internet_message_id, sender=sender, recipient=recipient, since=since, until=until
        )


def _known(recipient: Recipient) -> bool:
    # An address that is not known yet may be indexed a moment later.
    return recipient.kind is not RecipientKind.UNKNOWN


class _Kept(Generic[K, T]):
    """Answers by key, each with its time; the oldest go first.

    Args:
        now: the clock.
        size: how much of `_MAX_KEPT` an answer takes.
    """

    def __init__(self, now: Clock, size: Callable[[T], int] = lambda _: 1) -> None:
        self._now = now
        self._size_of = size
        self._size = 0
        self._answers: OrderedDict[K, tuple[datetime, T]] = OrderedDict()

    async def ask(
        self,
        call: Callable[[Sequence[K]], Awaitable[dict[K, Answer[T]]]],
        wanted: Sequence[K],
        worth_keeping: Callable[[T], bool] = lambda _: True,
    ) -> dict[K, Answer[T]]:
        """The answers for these keys; only what is not kept, or too old, is asked for."""
        now = self._now()
        kept = {key: self._answers[key] for key in wanted if key in self._answers}
        found: dict[K, Answer[T]] = {key: answer for key, (at, answer) in kept.items() if now - at < MAX_AGE}
        if missing := [key for key in dict.fromkeys(wanted) if key not in found]:
            for key, answer in (await call(missing)).items():
                found[key] = answer
                if not isinstance(answer, Refusal) and worth_keeping(answer):
                    self._keep(key, now, answer)
        return found

    def _keep(self, key: K, now: datetime, answer: T) -> None:
        if (old := self._answers.pop(key, None)) is not None:
            self._size -= self._size_of(old[1])
        if (size := self._size_of(answer)) > _MAX_KEPT:
            return
        self._answers[key] = (now, answer)
        self._size += size
        while self._size > _MAX_KEPT:
            _, (_, oldest) = self._answers.popitem(last=False)
            self._size -= self._size_of(oldest)
