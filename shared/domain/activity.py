"""The append-only, hash-chained record of what was decided and done."""

import hashlib
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.exposure import Counts
from shared.domain.ids import IncidentId, PlanId

GENESIS = "0" * 64
"""What the first entry of every chain names as its predecessor."""

HEAD_ID = "head"

Document = Mapping[str, Any]
"""An entry as it is stored. To check a long chain, no model is made of each: that takes ten times as long."""


class AuditEvent(Frozen):
    """Something that happened, before it has its place in the chain."""

    id: str
    """Derived from what happened, so that an event that is recorded twice is added once."""
    kind: str
    at: Instant
    actor: str
    """A person's name, or `policy:<rule>`, or `clawback`."""
    target_id: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Entry(AuditEvent, Stored):
    """An audit event with its place in the chain."""

    document_type: ClassVar[str] = "entry"

    incident_id: IncidentId
    seq: int
    previous_hash: str
    hash: str


class Head(Stored):
    """The end of the chain, with the sums over all that is in it. Changed only under its ETag."""

    document_type: ClassVar[str] = "head"

    id: str = HEAD_ID
    incident_id: IncidentId
    seq: int = 0
    hash: str = GENESIS
    counts: Counts = Counts()


class PlanCount(Stored):
    """How many targets of one plan have reached a terminal state. Changed only in one batch with the head."""

    document_type: ClassVar[str] = "plan_count"

    id: str
    incident_id: IncidentId
    terminal: int


def plan_count_id(plan: PlanId) -> str:
    """The id of a plan's count, in the partition of the chain."""
    return f"plan:{plan}"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain: the number and the hash of an entry. By default the place before the first one."""

    seq: int = 0
    hash: str = GENESIS


class ChainReport(Frozen):
    """What a check of a chain, or of a part of it, found."""

    incident_id: IncidentId
    intact: bool
    entries: int
    """How many entries were checked and follow each other."""
    head_hash: str
    broken_at: int | None = None
    """The first sequence number that does not follow."""
    problem: str | None = None


def digest(entry: Document) -> str:
    """SHA-256 of the entry's document without its own hash, as canonical JSON (sorted keys, no spaces)."""
    document = {key: value for key, value in entry.items() if key != "hash"}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A half of a character is nothing that we write, and must not stop the check of what somebody else wrote.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def link(head: Head, events: Sequence[AuditEvent]) -> tuple[Head, list[Entry]]:
    """The entries that these audit events become at the end of this chain, and the head after them."""
    entries: list[Entry] = []
    previous = head.hash
    for seq, event in enumerate(events, start=head.seq + 1):
        entry = Entry(
            **event.model_dump(by_alias=False),
            incident_id=head.incident_id,
            seq=seq,
            previous_hash=previous,
            hash="",
        )
        entry = entry.model_copy(update={"hash": digest(entry.to_document())})
        previous = entry.hash
        entries.append(entry)
    return head.model_copy(update={"seq": head.seq + len(entries), "hash": previous}), entries


async def verify(
    head: Head, entries: AsyncIterable[Document], *, start: Place = Place(), to: int | None = None
) -> ChainReport:
    """Check a chain, or a part of it, holding one entry at a time.

    Args:
        head: the end of the chain.
        entries: the documents of the entries after `start`, in order of `seq`.
        start: the entry that the first one follows. It is not checked itself.
        to: the sequence number of the last entry of the part. None means the end of the chain: then `head` has to
            follow too.
    """
    last = start
    flaw: tuple[int, str] | None = None
    async for entry in entries:
        if (flaw := _flaw(entry, last, head)) is not None:
            break
        last = Place(entry["seq"], entry["hash"])
    if flaw is None and last.seq < (head.seq if to is None else to):
        flaw = (last.seq + 1, "entry missing")
    elif flaw is None and to is None and last.hash != head.hash:
        flaw = (last.seq + 1, "the head does not follow")
    return ChainReport(
        incident_id=head.incident_id,
        intact=flaw is None,
        entries=last.seq - start.seq,
        head_hash=head.hash,
        broken_at=flaw[0] if flaw else None,
        problem=flaw[1] if flaw else None,
    )


def _flaw(entry: Document, last: Place, head: Head) -> tuple[int, str] | None:
    """Where and why this entry does not follow the last one; None if it does."""
    if entry["seq"] != last.seq + 1:
        return last.seq + 1, "entry missing"
    if entry["seq"] > head.seq:
        return head.seq + 1, "entry after the head"
    if entry.get("previousHash") != last.hash:
        return last.seq + 1, "does not follow its predecessor"
    if entry.get("hash") != digest(entry):
        return last.seq + 1, "changed after it was written"
    return None
