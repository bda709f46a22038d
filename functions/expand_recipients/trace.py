"""Message trace: who transport says got the mail, in as few requests as it takes.

The tenant has 100 requests in five minutes for everybody (graph.md 2.7), so a plan has a budget, and the trace is
never what a pull fails for: what it could not tell is a note on the plan.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.domain.message import Message, internet_message_id, visible
from shared.errors import DeniedError, UnavailableError
from shared.ports.directory import Directory, TraceRow

# A fifth of what the tenant has in five minutes: five plans can be made at a time.
_BUDGET = 20
# A trace spans at most ten days, and starts at most ninety days back (graph.md 2.7).
_SPAN = timedelta(days=10)
_OLDEST = timedelta(days=90)
# Clocks differ, and some sources say when they saw the mail, not when it came.
_BEFORE = timedelta(days=1)
# What came by another look is the same mail if it came at about the same time.
_ABOUT = timedelta(minutes=15)

_PREFIXES = re.compile(r"^(\w{1,4}:\s*)+")

_ARRIVED = {"delivered", "filteredasspam", "pending", "gettingstatus"}
_EXPANDED = "expanded"


class Trace:
    """The trace of one plan.

    Args:
        directory: who is asked.
        now: the end of every window.
        patient: whether a trace that is unavailable is to be waited for.
        notes: where it is counted what could not be told.
    """

    def __init__(self, directory: Directory, *, now: datetime, patient: bool, notes: Counter[str]) -> None:
        self._directory = directory
        self._now = now
        self._patient = patient
        self._notes = notes
        self._left = _BUDGET

    async def of(self, message: Message) -> tuple[TraceRow, ...]:
        """The rows of this message.

        Raises:
            UnavailableError: it is to be waited for.
        """
        wanted = message.internet_message_id
        rows = await self._ask(message.received_at, internet_message_id=wanted)
        # The sender chose the id that stands in the filter: what came back is compared.
        return tuple(row for row in rows if row.internet_message_id == wanted)

    async def identify(self, message: Message) -> Message | None:
        """The message with its Message-ID, found by everything else that is known of it; None if that is not sure.

        Raises:
            UnavailableError: it is to be waited for.
        """
        recipient = min(message.recipients, default=None)
        if message.sender is None and recipient is None:
            return None
        # By the recipient, if there is one: the trace knows the envelope's sender, and sources tell either of the two.
        sender = message.sender if recipient is None else None
        rows = await self._ask(message.received_at, sender=sender, recipient=recipient)
        found = {internet_message_id(row.internet_message_id) for row in rows if _looks_like(message, row)} - {None}
        if len(found) != 1:
            return None
        return message.model_copy(update={"internet_message_id": found.pop()})

    async def sent_by(
        self, sender: str, recipients: Iterable[str], original: Message, delivered: datetime | None
    ) -> tuple[Message, ...]:
        """What a rule of `sender` made of the original: sent at once, to those recipients, under that subject.

        Raises:
            UnavailableError: it is to be waited for.
        """
        delivered = delivered or original.received_at
        if not original.subject or delivered is None:
            return ()
        wanted, subject = set(recipients), _bare(original.subject)
        found: dict[str, Message] = {}
        for row in await self._ask(delivered, sender=sender):
            message_id = internet_message_id(row.internet_message_id)
            at_once = row.received_at is not None and abs(row.received_at - delivered) <= _ABOUT
            same = at_once and row.recipient.lower() in wanted and _bare(row.subject or "") == subject
            if same and message_id is not None and message_id != original.internet_message_id:
                found[message_id] = Message(
                    internet_message_id=message_id, subject=visible(row.subject), received_at=row.received_at
                )
        return tuple(found[key] for key in sorted(found))

    async def _ask(
        self,
        around: datetime | None,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
    ) -> tuple[TraceRow, ...]:
        if self._left == 0:
            self._notes["trace_budget_used"] += 1
            return ()
        self._left -= 1
        since = max((around or self._now - _SPAN + _BEFORE) - _BEFORE, self._now - _OLDEST)
        until = min(since + _SPAN, self._now)
        if since >= until:
            self._notes["trace_out_of_range"] += 1
            return ()
        try:
            return await self._directory.trace(
                internet_message_id=internet_message_id, sender=sender, recipient=recipient, since=since, until=until
            )
        except UnavailableError:
            if self._patient:
                raise
            self._notes["trace_unavailable"] += 1
        except DeniedError:
            self._notes["trace_denied"] += 1
        return ()


def arrived(rows: Iterable[TraceRow]) -> list[str]:
    """The addresses that have the mail, lower-cased, once each and sorted."""
    return sorted({row.recipient.lower() for row in rows if row.status.lower() in _ARRIVED})


def delivered_at(address: str, rows: Iterable[TraceRow]) -> datetime | None:
    """When transport gave the mail to this address; None if it does not say."""
    times = [row.received_at for row in rows if row.recipient.lower() == address and row.received_at is not None]
    return min(times, default=None)


def expanded(rows: Iterable[TraceRow]) -> list[str]:
    """The addresses of groups that transport expanded."""
    return sorted({row.recipient.lower() for row in rows if row.status.lower() == _EXPANDED})


def _bare(subject: str) -> str:
    # FW:, Fwd:, WG:, TR:, RV: … and what the reader cannot see.
    return _PREFIXES.sub("", visible(subject) or "").casefold()


def _looks_like(message: Message, row: TraceRow) -> bool:
    if message.network_message_id is not None:
        return (row.network_message_id or "").lower() == message.network_message_id.lower()
    if message.subject is None or row.subject != message.subject:
        return False
    if message.received_at is None or row.received_at is None:
        return False
    return abs(message.received_at - row.received_at) <= _ABOUT
