"""Message trace: which recipients transport delivered a mail to, in as few requests as it takes.

The tenant has 100 requests in five minutes for everybody (graph.md 2.7). So a search has a limit, an answer is kept for
the whole case, and a pull never fails for want of the trace: what it did not answer is a note on the plan.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from shared.clock import Clock
from shared.domain.base import Frozen, Instant
from shared.domain.ids import IncidentId
from shared.domain.message import Message, internet_message_id, visible
from shared.errors import DeniedError, UnavailableError
from shared.ports.directory import Directory, TraceRow
from shared.ports.evidence import EvidenceStore

# A fifth of what the tenant has in five minutes: five plans can be made at a time.
_MAX_REQUESTS = 20
# A trace spans at most ten days, and starts at most ninety days back (graph.md 2.7) when Graph reads the request: some
# time after `now`.
_SPAN = timedelta(days=10)
_OLDEST = timedelta(days=90) - timedelta(minutes=15)
# Clocks differ, and some sources say when they saw the mail, not when it came.
_BEFORE = timedelta(days=1)
# Two times within this of each other may be those of one mail.
_ABOUT = timedelta(minutes=15)
# A burst of alerts asks once. Transport writes its log with a delay, and mail is delivered for hours: an alert that
# comes later asks again.
MAX_AGE = timedelta(hours=1)
# No rows: transport does not know the mail yet.
EMPTY_MAX_AGE = timedelta(minutes=5)

_PREFIXES = re.compile(r"^(\w{1,4}:\s*)+")

_DELIVERED = {"delivered", "filteredasspam", "pending", "gettingstatus"}
_EXPANDED = "expanded"

Rows = tuple[TraceRow, ...]


class KeptTrace(Frozen):
    """What message trace answered about one message of a case."""

    # No default: it is to stand in the file.
    version: Literal[1]
    asked_at: Instant
    rows: Rows


class Traces:
    """The traces of one case, as evidence: each message is asked for once in an hour, however many alerts name it.

    Args:
        incident: the case.
        evidence: where the answers are kept.
        now: the clock.
    """

    def __init__(self, incident: IncidentId, evidence: EvidenceStore, now: Clock) -> None:
        self._incident = incident
        self._evidence = evidence
        self._now = now

    async def once(self, message_key: str, ask: Callable[[], Awaitable[Rows]]) -> Rows:
        """The rows about this message: those that are kept, or those that `ask` gives.

        What `ask` raises is raised, and nothing is kept.
        """
        first = await self._read(f"trace/{self._incident}/{message_key}.json", ask)
        age, max_age = self._now() - first.asked_at, MAX_AGE if first.rows else EMPTY_MAX_AGE
        if age < max_age:
            return first.rows
        later = await self._read(f"trace/{self._incident}/{message_key}.{age // max_age}.json", ask)
        return later.rows or first.rows

    async def _read(self, path: str, ask: Callable[[], Awaitable[Rows]]) -> KeptTrace:
        async def make() -> bytes:
            return KeptTrace(version=1, asked_at=self._now(), rows=await ask()).model_dump_json().encode()

        return KeptTrace.model_validate_json(await self._evidence.once(path, make))


class Trace:
    """Message trace for one search.

    Args:
        directory: who is asked.
        traces: what the case has asked already.
        now: the end of every window.
        may_wait: whether a trace that is unavailable is to be waited for.
        notes: counts what could not be asked.
    """

    def __init__(
        self, directory: Directory, traces: Traces, *, now: datetime, may_wait: bool, notes: Counter[str]
    ) -> None:
        self._directory = directory
        self._traces = traces
        self._now = now
        self._may_wait = may_wait
        self._notes = notes
        self._left = _MAX_REQUESTS

    async def of(self, message: Message) -> Rows:
        """The rows of this message.

        Raises:
            UnavailableError: it is to be waited for.
        """
        wanted = message.internet_message_id

        async def ask() -> Rows:
            rows = await self._ask(message.received_at, internet_message_id=wanted)
            # The sender chose the id that stands in the filter: what came back is compared.
            return tuple(row for row in rows if row.internet_message_id == wanted)

        return await self._noted(self._traces.once(message.key, ask))

    async def identify(self, message: Message) -> Message | None:
        """The message with its Message-ID, found by everything else that is known of it; None if that is not sure.

        Raises:
            UnavailableError: it is to be waited for.
        """
        recipient = min(message.recipients, default=None)
        if message.sender is None and recipient is None:
            return None
        # By the recipient, if there is one: the trace knows the envelope's sender, and sources name either of the two.
        sender = message.sender if recipient is None else None

        async def ask() -> Rows:
            rows = await self._ask(message.received_at, sender=sender, recipient=recipient)
            return tuple(row for row in rows if _looks_like(message, row))

        rows = await self._noted(self._traces.once(message.key, ask))
        found = {internet_message_id(row.internet_message_id) for row in rows} - {None}
        if len(found) != 1:
            return None
        return message.model_copy(update={"internet_message_id": found.pop()})

    async def sent_by(
        self, sender: str, recipients: Iterable[str], original: Message, delivered: datetime | None
    ) -> tuple[Message, ...]:
        """What an inbox rule of `sender` made of the original: sent at once, to those recipients, under that subject.

        Raises:
            UnavailableError: it is to be waited for.
        """
        delivered = delivered or original.received_at
        if not original.subject or delivered is None:
            return ()
        wanted, subject = set(recipients), _bare(original.subject)
        found: dict[str, Message] = {}
        for row in await self._noted(self._ask(delivered, sender=sender)):
            message_id = internet_message_id(row.internet_message_id)
            at_once = row.received_at is not None and abs(row.received_at - delivered) <= _ABOUT
            same = at_once and row.recipient.lower() in wanted and _bare(row.subject or "") == subject
            if same and message_id is not None and message_id != original.internet_message_id:
                found[message_id] = Message(
                    internet_message_id=message_id,
                    # The mailbox that the rule belongs to: Exchange sends a forward of a rule in its owner's name.
                    sender=sender,
                    subject=visible(row.subject),
                    received_at=row.received_at,
                )
        return tuple(found[key] for key in sorted(found))

    async def _ask(
        self,
        around: datetime | None,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
    ) -> Rows:
        if self._left == 0:
            raise _NoAnswerError("trace_limit_reached")
        oldest = self._now - _OLDEST
        around = around or self._now - _SPAN + _BEFORE
        # Before anything is added to it: the source chose the time, and the calendar has a first and a last day.
        if not oldest <= around < self._now + _BEFORE:
            raise _NoAnswerError("trace_out_of_range")
        since = max(around - _BEFORE, oldest)
        until = min(since + _SPAN, self._now)
        self._left -= 1
        try:
            return await self._directory.trace(
                internet_message_id=internet_message_id, sender=sender, recipient=recipient, since=since, until=until
            )
        except UnavailableError:
            if self._may_wait:
                raise
            raise _NoAnswerError("trace_unavailable") from None
        except DeniedError:
            raise _NoAnswerError("trace_denied") from None

    async def _noted(self, rows: Awaitable[Rows]) -> Rows:
        """The rows; if there is no answer, none and a note."""
        try:
            return await rows
        except _NoAnswerError as error:
            self._notes[error.note] += 1
            return ()


def delivered_to(rows: Iterable[TraceRow]) -> list[str]:
    """The addresses that have the mail, lower-cased, once each and sorted."""
    return sorted({row.recipient.lower() for row in rows if row.status.lower() in _DELIVERED and row.recipient})


def delivered_at(address: str, rows: Iterable[TraceRow]) -> datetime | None:
    """When transport gave the mail to this address; None if it does not say."""
    times = [row.received_at for row in rows if row.recipient.lower() == address and row.received_at is not None]
    return min(times, default=None)


def delivery_times(rows: Rows, network_message_id: str | None = None) -> dict[str, datetime]:
    """When transport gave the mail that was named to each address, lower-cased; nothing if it knows several mails.

    A Message-ID that several mails have leaves open which of them a row is about.

    Args:
        rows: all rows of the Message-ID.
        network_message_id: of the mail that was named, if the alert names it; lower-cased.
    """
    mails = {(row.network_message_id or "").lower() for row in rows}
    wanted = network_message_id or (next(iter(mails)) if len(mails) == 1 else "")
    times: dict[str, datetime] = {}
    for row in rows:
        if wanted and row.received_at is not None and (row.network_message_id or "").lower() == wanted:
            address = row.recipient.lower()
            times[address] = min(row.received_at, times.get(address, row.received_at))
    return times


def expanded(rows: Iterable[TraceRow]) -> list[str]:
    """The addresses of groups that transport expanded."""
    return sorted({row.recipient.lower() for row in rows if row.status.lower() == _EXPANDED})


def _bare(subject: str) -> str:
    # FW:, Fwd:, WG:, TR:, RV: … and what the reader cannot see.
    return _PREFIXES.sub("", visible(subject) or "").casefold()


def _looks_like(message: Message, row: TraceRow) -> bool:
    if message.network_message_id is not None:
        return (row.network_message_id or "").lower() == message.network_message_id.lower()
    if message.subject is None or visible(row.subject) != message.subject:
        return False
    if message.received_at is None or row.received_at is None:
        return False
    return abs(message.received_at - row.received_at) <= _ABOUT


class _NoAnswerError(Exception):
    """Message trace gave no answer. `note` says why."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note
