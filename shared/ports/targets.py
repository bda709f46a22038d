"""The targets, in chunks.

Every method may raise UnavailableError; those that write under an ETag raise ConflictError when it is stale.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.target import Chunk, Target
from shared.ports.versioned import Versioned


class TargetStore(Protocol):
    """Container `targets`: chunks of targets, each one logical partition."""

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        """Keep a new chunk with all its targets, or nothing; False if the chunk is already there.

        Raises:
            ValueError: more than one batch takes (`shared.domain.batch`).
        """
        ...

    async def read_chunk(self, chunk_id: ChunkId) -> tuple[Versioned[Chunk], list[Target]]:
        """The header of a chunk and its targets.

        Raises:
            NotFoundError: there is no such chunk.
            UnreadableError: one of its records does not have the shape that this version reads.
        """
        ...

    async def commit(self, chunk: Chunk, etag: str, changed: Sequence[Target]) -> Versioned[Chunk]:
        """Replace the header and the changed targets, all or nothing.

        Raises:
            ConflictError: the chunk has been committed by somebody else since it was read with `etag`.
            ValueError: more than one batch takes (`shared.domain.batch`).
        """
        ...

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        """Which of these targets the incident already has, in whatever chunk."""
        ...

    async def chunks_with(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> list[ChunkId]:
        """The chunks of the incident that hold at least one of these targets."""
        ...

    async def places(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> dict[TargetId, ChunkId]:
        """The chunk of each of these targets that the incident has."""
        ...

    async def holding(self, items: Sequence[str]) -> list[Target]:
        """The targets, of all cases, with a copy of one of these item ids; those left out that cannot be read."""
        ...

    def chunks_of(self, incident_id: IncidentId) -> AsyncIterator[ChunkId]:
        """All chunks of the incident, in any order."""
        ...

    async def list_chunk(self, chunk_id: ChunkId) -> dict[TargetId, Target | None]:
        """The targets of a chunk in the order of their ids, for lists: None for one that this version cannot read.

        Empty if there is no such chunk.
        """
        ...

    async def abandoned(self, now: datetime, limit: int) -> list[Versioned[Chunk]]:
        """At most `limit` chunks that nobody has committed until their `sweep_at`, which was before `now`."""
        ...
