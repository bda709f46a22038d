"""Container `targets`: the header of a chunk and its targets are one logical partition."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.cosmos.database import MAX_BATCH, Database, document, query, record, translate_errors
from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.target import Chunk, Target
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

# A query's text and parameters are at most 512 KB together (Cosmos DB service limit), at about 35 bytes an id.
_IDS_AT_ONCE = 5000

_HEADER = "chunk"
_TARGET = "target"


class CosmosTargets:
    """`TargetStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        """See `TargetStore.add_chunk`."""
        creates = [("create", (_header(chunk),)), *(("create", (document(t, _TARGET),)) for t in targets)]
        try:
            await self._batch(chunk.id, creates)
        except ConflictError:
            return False
        return True

    async def read_chunk(self, chunk_id: ChunkId) -> tuple[Versioned[Chunk], list[Target]]:
        """See `TargetStore.read_chunk`."""
        container = await self._database.container("targets")
        header: Versioned[Chunk] | None = None
        targets: list[Target] = []
        async for stored in query(container, "SELECT * FROM c", partition=chunk_id):
            if stored["type"] == _HEADER:
                del stored["chunkId"]
                header = Versioned(record(Chunk, stored), stored["_etag"])
            else:
                targets.append(record(Target, stored))
        if header is None:
            raise NotFoundError(chunk_id)
        return header, targets

    async def commit(self, chunk: Chunk, etag: str, changed: Sequence[Target]) -> Versioned[Chunk]:
        """See `TargetStore.commit`."""
        results = await self._batch(
            chunk.id,
            [
                ("replace", (chunk.id, _header(chunk)), {"if_match_etag": etag}),
                *(("replace", (target.id, document(target, _TARGET))) for target in changed),
            ],
        )
        return Versioned(chunk, results[0]["eTag"])

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        """See `TargetStore.known`."""
        if not targets:
            return set()
        container = await self._database.container("targets")
        text = "SELECT VALUE c.id FROM c WHERE c.incidentId = @incident AND c.type = 'target'"
        return {key async for key in query(container, text, incident=incident_id)} & set(targets)

    async def chunks_of(self, incident_id: IncidentId, targets: Sequence[TargetId] = ()) -> list[ChunkId]:
        """See `TargetStore.chunks_of`."""
        container = await self._database.container("targets")
        if not targets:
            text = "SELECT VALUE c.id FROM c WHERE c.incidentId = @incident AND c.type = 'chunk'"
            return sorted([ChunkId(key) async for key in query(container, text, incident=incident_id)])
        found: set[ChunkId] = set()
        text = (
            "SELECT c.chunkId FROM c WHERE c.incidentId = @incident AND c.type = 'target'"
            " AND ARRAY_CONTAINS(@targets, c.id)"
        )
        for start in range(0, len(targets), _IDS_AT_ONCE):
            wanted = list(targets[start : start + _IDS_AT_ONCE])
            found |= {c["chunkId"] async for c in query(container, text, incident=incident_id, targets=wanted)}
        return sorted(found)

    async def of_incident(self, incident_id: IncidentId) -> AsyncIterator[Target]:
        """See `TargetStore.of_incident`."""
        container = await self._database.container("targets")
        text = "SELECT * FROM c WHERE c.incidentId = @incident AND c.type = 'target' ORDER BY c.mailbox.address"
        async for stored in query(container, text, incident=incident_id):
            yield record(Target, stored)

    async def abandoned(self, now: datetime, limit: int) -> list[Chunk]:
        """See `TargetStore.abandoned`."""
        container = await self._database.container("targets")
        # Moments are compared as text, which can be wrong within one second; claims last for minutes.
        moment = Chunk(id=ChunkId(""), incident_id="", plan_id="", targets=0, lease_until=now).to_document()
        text = "SELECT TOP @limit * FROM c WHERE c.type = 'chunk' AND c.leaseUntil < @now"
        found = []
        async for stored in query(container, text, limit=limit, now=moment["leaseUntil"]):
            del stored["chunkId"]
            found.append(record(Chunk, stored))
        return found

    async def _batch(self, chunk_id: ChunkId, operations: list[Any]) -> list[dict[str, Any]]:
        if len(operations) > MAX_BATCH:
            raise ValueError("a transactional batch has at most 100 operations")
        container = await self._database.container("targets")
        with translate_errors("commit a chunk"):
            return list(await container.execute_item_batch(operations, partition_key=chunk_id))


def _header(chunk: Chunk) -> dict[str, Any]:
    return {**document(chunk, _HEADER), "chunkId": chunk.id}
