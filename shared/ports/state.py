"""The state of alerts, incidents, targets and activity.

Every method may raise UnavailableError; those that write under an ETag raise ConflictError when it is stale.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from shared.domain.activity import Entry, Head
from shared.domain.alert import Alert
from shared.domain.ids import AlertId, ChunkId, IncidentId, TargetId
from shared.domain.incident import Incident
from shared.domain.target import Chunk, Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """A record and the ETag that it was read with."""

    value: T
    etag: str


class AlertStore(Protocol):
    """Container `alerts`."""

    async def add(self, alert: Alert) -> bool:
        """Keep a new alert; False if it is already there (a repeat)."""
        ...

    async def read(self, alert_id: AlertId) -> Alert:
        """Raises NotFoundError."""
        ...


class IncidentStore(Protocol):
    """Container `incidents`: the incidents, and which incident a message belongs to."""

    async def claim_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """The incident that this message belongs to: `incident_id` if it had none so far."""
        ...

    async def move_claim(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """The message now belongs to `new`, unless somebody else has already taken it from `old`."""
        ...

    async def add(self, incident: Incident) -> bool:
        """Keep a new incident; False if it is already there."""
        ...

    async def read(self, incident_id: IncidentId) -> Versioned[Incident]:
        """Raises NotFoundError."""
        ...

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        """Raises ConflictError if the incident has changed since it was read with `etag`."""
        ...

    def newest(self, limit: int) -> AsyncIterator[Incident]:
        """Incidents by `opened_at`, newest first."""
        ...


class TargetStore(Protocol):
    """Container `targets`: chunks of targets, each one logical partition."""

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        """Keep a new chunk with all its targets, or nothing; False if the chunk is already there."""
        ...

    async def read_chunk(self, chunk_id: ChunkId) -> tuple[Versioned[Chunk], list[Target]]:
        """Raises NotFoundError."""
        ...

    async def commit(self, chunk: Chunk, etag: str, changed: Sequence[Target]) -> Versioned[Chunk]:
        """Replace the header and the changed targets, all or nothing.

        Raises:
            ConflictError: the chunk has been committed by somebody else since it was read with `etag`.
        """
        ...

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        """Which of these targets the incident already has, in whatever chunk."""
        ...

    async def chunks_of(self, incident_id: IncidentId, targets: Sequence[TargetId] = ()) -> list[ChunkId]:
        """The chunks that hold these targets; none named means all chunks of the incident."""
        ...

    def of_incident(self, incident_id: IncidentId) -> AsyncIterator[Target]:
        """All targets of the incident, by address."""
        ...

    async def abandoned(self, now: datetime, limit: int) -> list[Chunk]:
        """Chunks whose claim ended before `now` without being given back: their worker died."""
        ...


class ActivityStore(Protocol):
    """Container `activity`: one hash chain per incident."""

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        """The end of the chain; None if the incident has no entry yet."""
        ...

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        """Which of these facts are already in the chain."""
        ...

    async def append(self, head: Head, etag: str | None, entries: Sequence[Entry]) -> None:
        """Add at most 99 entries and move the head, all or nothing. `etag` is None for the first.

        Raises:
            ConflictError: somebody else appended first, or one of the entries is already there.
        """
        ...

    def entries(self, incident_id: IncidentId) -> AsyncIterator[Entry]:
        """The whole chain, in order."""
        ...
