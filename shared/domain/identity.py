"""Whether a copy in a mailbox is the mail that the incident named.

The sender of a mail chooses its Message-ID, and everybody who ever got a mail knows the Message-ID of that one. So two
mails of one Message-ID may be two mails. What is compared is From, and where From is not known, what transport knows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.domain.message import visible

# Two times within this of each other may be those of one delivery.
_NEAR = timedelta(minutes=15)
# Clocks differ, and a source may round. A mail does not arrive a day before it was sent.
_EARLIER = timedelta(days=1)

SENDER_UNKNOWN = "sender_unknown"
"""The reason, approval reason and note that From is not known on one side, and that nothing else decides."""
SENDER_DIFFERS = "sender_differs"
RECEIVED_EARLIER = "received_earlier"
PROTECTED_SENDER = "protected_sender"
"""The reason and approval reason that policy protects the sender, and that no person has approved the pull."""


class Identity(StrEnum):
    """Whether two descriptions are of one mail."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"
    """What is known does not tell them apart, and does not make them one: a person decides."""


class Judgement(NamedTuple):
    """The answer, and for what is not `SAME`, why: as the reason of a held target has it."""

    identity: Identity
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """What one side knows of a mail, beside its Message-ID. Empty and None mean that it does not know."""

    senders: frozenset[str] = frozenset()
    """All From addresses, in the spelling of `mail_address`."""
    subject: str | None = None
    received_at: datetime | None = None
    """When it came: as the alert says, or as the mailbox says."""
    network_message_id: str | None = None
    traced_at: datetime | None = None
    """When transport gave it to this recipient. Known only if message trace knows one mail of this Message-ID."""


def compare(named: Traits, found: Traits) -> Judgement:
    """Whether the mail that was found is the one that was named. Both have the same Message-ID.

    - The same NetworkMessageId: it is the same mail. Exchange gives it, and no sender can.
    - No From address in common: another mail.
    - Received a day or more before the named one: another mail. Message trace is believed before the alert.
    - All From addresses of one side are among those of the other: the same. Exchange may show one of two.
    - From is not known on one side: the same only if alert, message trace and mailbox agree on the time, and the
      subject is the same. All else is `UNSURE`.
    """
    if named.network_message_id and named.network_message_id == found.network_message_id:
        return Judgement(Identity.SAME)
    common = named.senders & found.senders
    known = bool(named.senders and found.senders)
    if known and not common:
        return Judgement(Identity.DIFFERENT, SENDER_DIFFERS)
    if is_before(found.received_at, named):
        return Judgement(Identity.DIFFERENT, RECEIVED_EARLIER)
    if known and common in (named.senders, found.senders):
        return Judgement(Identity.SAME)
    if not known and _delivered_together(named, found) and _same_subject(named.subject, found.subject):
        return Judgement(Identity.SAME)
    return Judgement(Identity.UNSURE, SENDER_UNKNOWN)


def is_before(at: datetime | None, named: Traits) -> bool:
    """Whether this time is so long before the named mail came that it has nothing to do with it."""
    came = named.traced_at or named.received_at
    # The difference, since the source chose its time: the calendar has a first day.
    return came is not None and at is not None and came - at >= _EARLIER


def _delivered_together(named: Traits, found: Traits) -> bool:
    # All three: transport writes its log with a delay, so that a mail of minutes ago may be missing there.
    return near(named.traced_at, found.received_at) and near(named.received_at, found.received_at)


def near(one: datetime | None, other: datetime | None) -> bool:
    """Whether both are known and may be the times of one delivery."""
    return one is not None and other is not None and abs(one - other) <= _NEAR


def _same_subject(one: str | None, other: str | None) -> bool:
    known = (visible(one) or "").casefold(), (visible(other) or "").casefold()
    return bool(known[0]) and known[0] == known[1]
