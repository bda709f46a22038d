"""Container `targets`, as far as the port shows it: chunks that are written all or nothing under one ETag."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from pydantic import ValidationError

from shared.domain.batch import check_batch
from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.target import Chunk, Target
from shared.errors import NotFoundError
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.stored import Stored, check_etag


class FakeTargets:
    """`TargetStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._chunks: dict[str, Stored[Chunk]] = {}
        self._targets: dict[str, dict[str, Stored[Target]]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Target]:
        """Everything that is kept."""
        return [stored.read().value for chunk in self._targets.values() for stored in chunk.values()]

    @property
    def leased(self) -> list[Chunk]:
        """Chunks whose lease was not given back."""
        return [chunk for stored in self._chunks.values() if (chunk := stored.read().value).lease_until is not None]

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        self._checkpoint("before add chunk")
        check_batch(record.to_document() for record in (chunk, *targets))
        new = chunk.id not in self._chunks
        if new:
            self._chunks[chunk.id] = Stored(chunk)
            self._targets[chunk.id] = {target.id: Stored(target) for target in targets}
        self._checkpoint("after add chunk")
        return new

    async def read_chunk(self, chunk_id: ChunkId) -> tuple[Versioned[Chunk], list[Target]]:
        self._checkpoint("read chunk")
        if chunk_id not in self._chunks:
            raise NotFoundError(chunk_id)
        targets = [stored.read().value for stored in self._targets[chunk_id].values()]
        return self._chunks[chunk_id].read(), targets

    async def commit(self, chunk: Chunk, etag: str, changed: Sequence[Target]) -> Versioned[Chunk]:
        self._checkpoint("before commit chunk")
        check_batch(record.to_document() for record in (chunk, *changed))
        check_etag(self._chunks.get(chunk.id), etag)
        if not {target.id for target in changed} <= set(self._targets[chunk.id]):
            raise NotFoundError("a target that the chunk does not have")
        self._chunks[chunk.id] = stored = Stored(chunk)
        self._targets[chunk.id].update({target.id: Stored(target) for target in changed})
        self._checkpoint("after commit chunk")
        return stored.read()

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        self._checkpoint("known targets")
        return {t.id for t in self.all if t.incident_id == incident_id} & set(targets)

    async def chunks_with(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> list[ChunkId]:
        self._checkpoint("chunks with targets")
        return sorted(key for key in self._chunks_of(incident_id) if not set(targets).isdisjoint(self._targets[key]))

    async def places(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> dict[TargetId, ChunkId]:
        self._checkpoint("places of targets")
        return {
            TargetId(target): key
            for key in self._chunks_of(incident_id)
            for target in self._targets[key].keys() & targets
        }

    async def holding(self, items: Sequence[str]) -> list[Target]:
        self._checkpoint("targets holding items")
        return [target for target in self.all if not {copy.id for copy in target.copies}.isdisjoint(items)]

    async def chunks_of(self, incident_id: IncidentId) -> AsyncIterator[ChunkId]:
        self._checkpoint("chunks of incident")
        for key in self._chunks_of(incident_id):
            yield key

    def _chunks_of(self, incident_id: IncidentId) -> list[ChunkId]:
        chunks = [stored.read().value for stored in self._chunks.values()]
        return [chunk.id for chunk in chunks if chunk.incident_id == incident_id]

    async def list_chunk(self, chunk_id: ChunkId) -> dict[TargetId, Target | None]:
        self._checkpoint("list chunk")
        return {TargetId(key): self._readable(one) for key, one in sorted(self._targets.get(chunk_id, {}).items())}

    @staticmethod
    def _readable(stored: Stored[Target]) -> Target | None:
        try:
            return stored.read().value
        except ValidationError:
            return None

    async def abandoned(self, now: datetime, limit: int) -> list[Versioned[Chunk]]:
        self._checkpoint("abandoned chunks")
        chunks = [stored.read() for stored in self._chunks.values()]
        return [c for c in chunks if c.value.sweep_at is not None and c.value.sweep_at < now][:limit]
