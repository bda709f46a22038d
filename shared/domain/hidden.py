"""What lies in hidden folders: what a person asked about it, and what was found and done. Kept among the evidence."""

from pydantic import Field

from shared.domain.base import Frozen, Instant
from shared.domain.ids import ChunkId, IncidentId, MailboxId, TargetId

MAX_ITEMS = 200
"""Mails that one request names: item ids have some 150 characters, and go into queue messages of at most 48 KiB."""

MAX_FOUND = 2_000
"""Mails that one answer lists. It is a JSON text that web reads at once, at about half a kilobyte each."""


class HiddenAsked(Frozen):
    """Who asks about hidden mail, where, and why. Kept with the raw payloads, and not in a queue message."""

    id: str
    by: str
    at: Instant
    reason: str = ""
    mailbox: str | None = None
    """Address, or directory id of the mailbox's owner."""
    incident_id: IncidentId | None = None
    """Or the case of whose mailboxes the mail of this case is asked about."""
    restore: bool = False
    """Whether the mail is to be put back, and not only listed."""
    items: tuple[str, ...] = Field((), max_length=MAX_ITEMS)
    """The mail that is to be put back."""
    count: int | None = None
    """Without `items`: all of it, if it is as many as this."""


class Owner(Frozen):
    """A target that has the mail as one of its copies."""

    incident_id: IncidentId
    chunk_id: ChunkId
    target_id: TargetId
    state: str
    reason: str | None = None
    folder_id: str
    folder: str
    """Where the mail was before it was moved."""
    holds: bool
    """False if it was put back for this target before, so that its target has no part in it any more."""


class HiddenItem(Frozen):
    """A mail in a hidden folder."""

    mailbox_id: MailboxId
    mailbox: str
    """The address, if it is known."""
    item: str
    folder_id: str
    internet_message_id: str
    subject: str | None = None
    sender: str | None = None
    received_at: Instant | None = None
    owners: tuple[Owner, ...] = ()


class RefusedMailbox(Frozen):
    """A mailbox whose hidden folder could not be looked into, and why."""

    mailbox: str
    code: str


class HiddenFound(Frozen):
    """What lies in the hidden folders that were asked about."""

    at: Instant
    items: tuple[HiddenItem, ...] = ()
    total: int = 0
    """How many there are; more than `items` if there are more than one answer lists."""
    refused: tuple[RefusedMailbox, ...] = ()
    left_off: int = 0
    """Mailboxes of the case that were not looked into: they are more than one request takes."""


class Restored(Frozen):
    """What became of one mail that was to be put back."""

    item: str
    mailbox: str
    result: str
    """`asked` (its case puts it back: see there), `put_back` (out of the hidden folder), `not_there`, or
    Graph's code."""
    incident_ids: tuple[IncidentId, ...] = ()
    folder: str | None = None
    """Where it was put, if no case did it."""


class HiddenReport(Frozen):
    """The answer."""

    found: HiddenFound
    problem: str | None = None
    """Why nothing was put back: `count_differs`."""
    restored: tuple[Restored, ...] = ()


def asked_path(asked_id: str) -> str:
    """Where `HiddenAsked` is kept: web may write there."""
    return f"raw/hidden/{asked_id}.json"


def found_path(asked_id: str) -> str:
    """Where `HiddenFound` is kept before anything is put back: whatever is delivered again, this is what was meant."""
    return f"hidden/{asked_id}/found.json"


def report_path(asked_id: str) -> str:
    """Where `HiddenReport` is kept."""
    return f"hidden/{asked_id}/report.json"
