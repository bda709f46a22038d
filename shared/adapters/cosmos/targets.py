"""Container `targets`: the header of a chunk and its targets are one logical partition."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from shared.adapters.cosmos.database import (
    Database,
    document,
    moment_text,
    one_of,
    query,
    readable,
    record,
    write_batch,
)
from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.target import Chunk, Target
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

# A query's text and parameters are at most 512 KB together (Cosmos DB service limit), at about 80 bytes an id.
_IDS_AT_ONCE = 1000

_HEADER = "chunk"
_TARGET = "target"


class CosmosTargets:
    """`TargetStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        """See `TargetStore.add_chunk`."""
        creates = [("create", (_header(chunk),)), *(("create", (document(t),)) for t in targets)]
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
                header = Versioned(record(Chunk, _own(stored)), stored["_etag"])
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
                *(("replace", (target.id, document(target))) for target in changed),
            ],
        )
        return Versioned(chunk, results[0]["eTag"])

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        """See `TargetStore.known`."""
        return {TargetId(found["id"]) async for found in self._find(incident_id, targets)}

    async def chunks_with(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> list[ChunkId]:
        """See `TargetStore.chunks_with`."""
        return sorted({ChunkId(found["chunkId"]) async for found in self._find(incident_id, targets)})

    async def places(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> dict[TargetId, ChunkId]:
        """See `TargetStore.places`."""
        return {TargetId(found["id"]): ChunkId(found["chunkId"]) async for found in self._find(incident_id, targets)}

    async def holding(self, items: Sequence[str]) -> list[Target]:
        """See `TargetStore.holding`."""
        container = await self._database.container("targets")
        found: dict[TargetId, Target] = {}
        for start in range(0, len(items), _IDS_AT_ONCE):
            condition, parameters = one_of("item.id", items[start : start + _IDS_AT_ONCE])
            text = f"SELECT VALUE c FROM c JOIN item IN c.copies WHERE {condition}"  # noqa: S608 - our own names only
            # A target with several of them is found as often.
            async for stored in query(container, text, **parameters):
                if (target := readable(Target, stored)) is not None:
                    found[target.id] = target
        return list(found.values())

    async def chunks_of(self, incident_id: IncidentId) -> AsyncIterator[ChunkId]:
        """See `TargetStore.chunks_of`."""
        container = await self._database.container("targets")
        text = "SELECT VALUE c.id FROM c WHERE c.incidentId = @incident AND c.type = 'chunk'"
        async for key in query(container, text, incident=incident_id):
            yield ChunkId(key)

    async def list_chunk(self, chunk_id: ChunkId) -> dict[TargetId, Target | None]:
        """See `TargetStore.list_chunk`."""
        container = await self._database.container("targets")
        text = "SELECT * FROM c WHERE c.type = 'target'"
        found = [stored async for stored in query(container, text, partition=chunk_id)]
        return {TargetId(one["id"]): readable(Target, one) for one in sorted(found, key=itemgetter("id"))}

    async def abandoned(self, now: datetime, limit: int) -> list[Versioned[Chunk]]:
        """See `TargetStore.abandoned`."""
        container = await self._database.container("targets")
        # Moments are compared as text, which can be wrong within one second; leases last for minutes.
        text = "SELECT * FROM c WHERE c.type = 'chunk' AND c.sweepAt < @now"
        found: list[Versioned[Chunk]] = []
        async for stored in query(container, text, now=moment_text(now)):
            if (chunk := readable(Chunk, _own(stored))) is not None:
                found.append(Versioned(chunk, stored["_etag"]))
            # Counted here and not by TOP: chunks that cannot be read must not take the places of others.
            if len(found) == limit:
                break
        return found

    async def _find(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> AsyncIterator[dict[str, str]]:
        """Id and chunk of those of these targets that the incident has."""
        container = await self._database.container("targets")
        for start in range(0, len(targets), _IDS_AT_ONCE):
            condition, parameters = one_of("c.id", targets[start : start + _IDS_AT_ONCE])
            text = f"SELECT c.id, c.chunkId FROM c WHERE {condition} AND c.incidentId = @incident AND c.type = 'target'"  # noqa: S608 - our own names only
            async for found in query(container, text, incident=incident_id, **parameters):
                yield found

    async def _batch(self, chunk_id: ChunkId, operations: list[Any]) -> list[dict[str, Any]]:
        return await write_batch(await self._database.container("targets"), "commit a chunk", chunk_id, operations)


def _header(chunk: Chunk) -> dict[str, Any]:
    return {**document(chunk), "chunkId": chunk.id}


def _own(stored: dict[str, Any]) -> dict[str, Any]:
    # A header is kept under its own id, which is not a field of its record.
    return {key: value for key, value in stored.items() if key != "chunkId"}
