"""The append-only, hash-chained record of what was decided and done."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.exposure import Counts
from shared.domain.ids import IncidentId, PlanId

GENESIS = "0" * 64
"""What the first entry of every chain names as its predecessor."""

HEAD_ID = "head"


class AuditEvent(Frozen):
    """Something that happened, before it has its place in the chain."""

    id: str
    """Derived from what happened, so that telling it twice adds it once."""
    kind: str
    at: Instant
    actor: str
    """A person's name, or `policy:<rule>`, or `clawback`."""
    target_id: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Entry(AuditEvent, Stored):
    """A fact with its place in the chain."""

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
    """The id of a plan's count beside the chain."""
    return f"plan:{plan}"


class ChainReport(Frozen):
    """What a check of a chain found. `broken_at` is the first sequence number that does not follow."""

    incident_id: IncidentId
    intact: bool
    entries: int
    head_hash: str
    broken_at: int | None = None
    problem: str | None = None


def digest(entry: Entry) -> str:
    """SHA-256 of the entry without its own hash, as canonical JSON (sorted keys, no spaces)."""
    document = entry.to_document()
    del document["hash"]
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def link(head: Head, facts: Sequence[AuditEvent]) -> tuple[Head, list[Entry]]:
    """The entries that these facts become at the end of this chain, and the head after them."""
    entries: list[Entry] = []
    previous = head.hash
    for seq, fact in enumerate(facts, start=head.seq + 1):
        entry = Entry(
            **fact.model_dump(by_alias=False),
            incident_id=head.incident_id,
            seq=seq,
            previous_hash=previous,
            hash="",
        )
        entry = entry.model_copy(update={"hash": digest(entry)})
        previous = entry.hash
        entries.append(entry)
    return head.model_copy(update={"seq": head.seq + len(entries), "hash": previous}), entries


def verify(head: Head, entries: Iterable[Entry]) -> ChainReport:
    """Whether `entries`, in order of `seq`, are the whole chain that ends in `head`."""
    previous, seq = GENESIS, 0

    def broken(at: int, problem: str) -> ChainReport:
        return ChainReport(
            incident_id=head.incident_id,
            intact=False,
            entries=seq,
            head_hash=head.hash,
            broken_at=at,
            problem=problem,
        )

    for entry in entries:
        if entry.seq != seq + 1:
            return broken(seq + 1, "entry missing")
        if entry.previous_hash != previous:
            return broken(entry.seq, "does not follow its predecessor")
        if digest(entry) != entry.hash:
            return broken(entry.seq, "changed after it was written")
        previous, seq = entry.hash, entry.seq
    if (seq, previous) != (head.seq, head.hash):
        return broken(seq + 1, "the chain ends before its head")
    return ChainReport(incident_id=head.incident_id, intact=True, entries=seq, head_hash=head.hash)
