"""What the report stage needs, and what it works with."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.domain.activity import AuditEvent, ChainReport
from shared.domain.base import Frozen, Instant
from shared.domain.ids import IncidentId
from shared.domain.target import Target
from shared.ports.activity import ActivityStore
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the queue side."""

    incidents: IncidentStore
    targets: TargetStore
    activity: ActivityStore
    evidence: EvidenceStore
    queue: MessageQueue
    settings: Settings
    now: Clock


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """An audit event, and its target as it was then if that is to be counted."""

    event: AuditEvent
    target: Target | None = None


class Anchor(Frozen):
    """The end of a chain at one moment, kept as evidence, which cannot be rewritten as the chain can."""

    incident_id: IncidentId
    name: str
    seq: int
    hash: str
    at: Instant


class AnchorCheck(Frozen):
    """Whether the chain still has, at the anchor's place, the entry that it had then."""

    name: str
    seq: int | None = None
    """None if the anchor itself is missing."""
    holds: bool


class Verification(Frozen):
    """What a check of a chain, or of a part of it, and of the anchors there found."""

    intact: bool
    chain: ChainReport
    anchors: tuple[AnchorCheck, ...] = ()
    checked_to: int
    """The sequence number of the last entry that was checked."""
    next: int | None = None
    """The sequence number that the next part follows; None if this is the last one, or the chain is broken."""
