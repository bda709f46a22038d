"""What a person undid is remembered by message, in the whole tenant: no plan pulls it again without a person.

It is kept apart from the cases: a case is closed and succeeded, and a mail can be in several of them.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import ClassVar

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.ids import IncidentId, derive
from shared.domain.message import Message, visible

MAX_KEPT = 10
"""Undos that are kept of one message, the newest ones: a record does not grow with how often somebody undoes."""

MAX_ON_PLAN = 10
"""Messages of a plan of which it says who undid them and why. All of them are counted."""

_MAX_BY = 128
_MAX_REASON = 200


class UndoClass(StrEnum):
    """Why a person undid a pull."""

    FALSE_POSITIVE = "false_positive"
    """The mail is not malicious."""
    MISTAKE = "mistake"
    """It should not have been pulled, whatever it is: the wrong mail, or the wrong people."""
    OTHER = "other"


class UndoEntry(Frozen):
    """One undo: who, when, why, in which case."""

    command_id: str
    """The command that asked for it. An undo that is delivered twice is kept once."""
    incident_id: IncidentId
    by: str
    at: Instant
    reason: str = ""
    """Empty if version 0.1 took the command: it did not ask."""
    undo_class: UndoClass = UndoClass.OTHER


class Undone(Stored):
    """What people undid of one message. Its id is derived from one of the message's keys."""

    document_type: ClassVar[str] = "undone"

    id: str
    message_key: str
    entries: tuple[UndoEntry, ...] = ()
    """The newest first, at most `MAX_KEPT`."""

    def with_entry(self, entry: UndoEntry) -> "Undone":
        """This record with one undo more; the same if it is there already, or older than all that are kept."""
        by_command = {one.command_id: one for one in (entry, *self.entries)}
        newest = sorted(by_command.values(), key=lambda one: (one.at, one.command_id), reverse=True)
        return self.model_copy(update={"entries": tuple(newest[:MAX_KEPT])})


class UndoneBefore(Frozen):
    """What a plan says of a message that a person undid. Kept on the plan, for those who decide about it."""

    message_key: str
    text: str
    """`undone by Ann at 2026-03-02T09:00:00Z in inc-… (false_positive) because …`, safe to show."""
    by: str
    at: Instant
    reason: str = ""
    undo_class: UndoClass = UndoClass.OTHER
    incident_id: IncidentId


def undone_id(message_key: str) -> str:
    """The id of the record. Not the key itself: under that, the same container has the message's owner."""
    return derive("undone", message_key)


def by_message(messages: Iterable[Message], internet_message_ids: Iterable[str] = ()) -> dict[str, frozenset[str]]:
    """All keys of each of these messages, by the first one. A message that two of them name is one.

    Args:
        messages: as alerts name them.
        internet_message_ids: those of further messages, or of the same ones.
    """
    found: dict[str, frozenset[str]] = {}
    for message in (*messages, *(Message(internet_message_id=key) for key in internet_message_ids if key)):
        if message.keys:
            found[message.key] = found.get(message.key, frozenset()) | message.keys
    return found


def undone_before(messages: Mapping[str, Iterable[str]], found: Mapping[str, Undone]) -> list[UndoneBefore]:
    """Which of these messages a person undid, each with the newest undo; the newest first.

    Args:
        messages: the keys of each message, as `by_message` gives them.
        found: what is remembered, by message key.
    """
    told = []
    for name, keys in messages.items():
        entries = [entry for key in keys if key in found for entry in found[key].entries]
        if entries:
            told.append(_told(name, max(entries, key=lambda one: (one.at, one.command_id))))
    return sorted(told, key=lambda one: (one.at, one.message_key), reverse=True)


def _told(message_key: str, entry: UndoEntry) -> UndoneBefore:
    by, reason = visible(entry.by, _MAX_BY) or "", visible(entry.reason, _MAX_REASON) or ""
    when = entry.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    because = f" because {reason}" if reason else ""
    return UndoneBefore(
        message_key=message_key,
        text=f"undone by {by} at {when} in {entry.incident_id} ({entry.undo_class}){because}",
        by=by,
        at=entry.at,
        reason=reason,
        undo_class=entry.undo_class,
        incident_id=entry.incident_id,
    )
