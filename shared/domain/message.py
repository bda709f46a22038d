"""One mail as it was sent."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from shared.domain.base import Frozen, Instant
from shared.domain.ids import derive

# RFC 5322 2.1.1: a line has at most 998 characters, and a Message-ID cannot be folded.
MAX_MESSAGE_ID = 998
# What a person reads in a list. A subject of a megabyte is an attack.
MAX_SUBJECT = 512
# Real mail has one From address, seldom two. More are not told apart: whose mail it is, is not known then.
MAX_SENDERS = 10
# RFC 5321 4.5.3.1: 64 octets of local part, "@", 255 of domain.
MAX_ADDRESS = 320

# Control, format (bidi overrides, zero width), surrogates, line and paragraph separators.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# Half of a surrogate pair: JSON can escape it, UTF-8 cannot encode it, so no service can be asked about it.
_HALF = "Cs"

# An apostrophe is part of a name (o'brien), never of a domain. An address begins where a word begins: tried at every
# character, a long word without an @ would take the square of its length.
_ADDRESS = re.compile(r"(?<![^\s@<>\",;:()\[\]\\])[^\s@<>\",;:()\[\]\\]+@[^\s@<>\"',;:()\[\]\\]+")


class Message(Frozen):
    """What an alert or a mailbox says of one mail. The sender chose everything in it."""

    internet_message_id: str | None = None
    network_message_id: str | None = None
    sender: str | None = None
    """The first From address, for people to read. None if it is not known."""
    senders: tuple[str, ...] = ()
    """All From addresses. Empty in older records, which have `sender` alone."""
    subject: str | None = None
    received_at: Instant | None = None
    recipients: tuple[str, ...] = ()

    @property
    def from_addresses(self) -> tuple[str, ...]:
        """All From addresses that are known; empty if none is."""
        return self.senders or ((self.sender,) if self.sender else ())

    @property
    def key(self) -> str:
        """What two reports of the same mail share."""
        if self.internet_message_id:
            return derive("msg", "mid", self.internet_message_id)
        if self.network_message_id:
            return derive("msg", "nmid", self.network_message_id)
        received = self.received_at.isoformat() if self.received_at else ""
        return derive("msg", "look", self.sender or "", self.subject or "", received)

    @property
    def keys(self) -> frozenset[str]:
        """All that another report of the same mail might know it by; empty if too little of it is known to compare."""
        if self.internet_message_id or self.network_message_id:
            without = self.model_copy(update={"internet_message_id": None})
            return frozenset({self.key, without.key if self.network_message_id else self.key})
        if self.received_at and (self.sender or self.subject):
            return frozenset({self.key})
        return frozenset()


def few(senders: Iterable[str]) -> tuple[str, ...]:
    """These senders, once each and in order; none if they are more than `MAX_SENDERS`."""
    each = tuple(dict.fromkeys(senders))
    return each if len(each) <= MAX_SENDERS else ()


def all_known_of(reports: Sequence[Message], message_id: str) -> Message:
    """What these reports of one mail know of it together, without its recipients."""
    senders = few(sender for report in reports for sender in report.from_addresses)
    times = [report.received_at for report in reports if report.received_at]
    network_ids = {report.network_message_id for report in reports if report.network_message_id}
    return Message(
        internet_message_id=message_id,
        # Copies of one mail may differ in it: then it tells nothing.
        network_message_id=network_ids.pop() if len(network_ids) == 1 else None,
        sender=next(iter(senders), None),
        senders=senders,
        subject=next((report.subject for report in reports if report.subject), None),
        received_at=min(times, default=None),
    )


def internet_message_id(raw: str | None) -> str | None:
    """The Message-ID as Exchange stores it, in angle brackets; None where there is none to search with.

    Vendors leave the brackets out, keep one of them, or send an empty string (alert-formats.md 1).
    Case is kept: RFC 5322 3.6.4 makes the identifier opaque.
    """
    inner = (raw or "").strip().removeprefix("<").removesuffix(">").strip()
    if not inner or len(inner) > MAX_MESSAGE_ID - 2 or any(unicodedata.category(c) in {"Cc", _HALF} for c in inner):
        return None
    return f"<{inner}>"


def address(raw: str | None) -> str | None:
    """The SMTP address in `raw`, lower-cased, without display name or BATV tag; None if there is none."""
    found = _ADDRESS.findall((raw or "")[: 4 * MAX_ADDRESS])
    if not found or len(found[-1]) > MAX_ADDRESS:
        return None
    # The address stands last in `"Name <addr>`, whose quote may be unclosed (alert-formats.md 3.5).
    # One in front is a quotation mark.
    text = found[-1].lower().lstrip("'")
    if text.startswith("@") or any(unicodedata.category(c) == _HALF for c in text):
        return None
    # BATV: prvs=0000000000=human@sender.example (alert-formats.md 4.3).
    return re.sub(r"^prvs=[^=@]*=", "", text)


def visible(raw: str | None, limit: int = MAX_SUBJECT) -> str | None:
    """Text that cannot deceive on a screen: no control or direction-changing characters, bounded length."""
    if raw is None:
        return None
    shown = (c if unicodedata.category(c) not in _UNSEEN else " " for c in raw[: 4 * limit])
    text = " ".join("".join(shown).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
