"""Cosmos DB's four containers, as far as the ports show them: ETags, batches that hold together, repeats."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import count
from typing import Generic, TypeVar

from shared.domain.activity import Entry, Head
from shared.domain.alert import Alert
from shared.domain.base import Frozen
from shared.domain.ids import AlertId, ChunkId, IncidentId, TargetId
from shared.domain.incident import Incident
from shared.domain.target import Chunk, Target
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints

# Cosmos DB: operations of a transactional batch.
MAX_BATCH = 100

M = TypeVar("M", bound=Frozen)

_etags = count(1)


class _Stored(Generic[M]):
    """A document as the service keeps it: text, and an ETag that every write changes."""

    def __init__(self, value: M) -> None:
        self.model = type(value)
        self.text = json.dumps(value.to_document())
        self.etag = f'"{next(_etags)}"'

    def read(self) -> Versioned[M]:
        return Versioned(self.model.model_validate_json(self.text), self.etag)


def _check(stored: _Stored[M] | None, etag: str) -> None:
    if stored is None:
        raise NotFoundError("no such document")
    if stored.etag != etag:
        raise ConflictError("the document has changed")


class FakeAlerts:
    """`AlertStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._alerts: dict[str, _Stored[Alert]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Alert]:
        """Everything that is kept."""
        return [stored.read().value for stored in self._alerts.values()]

    async def add(self, alert: Alert) -> bool:
        self._checkpoint("before add alert")
        new = alert.id not in self._alerts
        if new:
            self._alerts[alert.id] = _Stored(alert)
        self._checkpoint("after add alert")
        return new

    async def read(self, alert_id: AlertId) -> Alert:
        self._checkpoint("read alert")
        if alert_id not in self._alerts:
            raise NotFoundError(alert_id)
        return self._alerts[alert_id].read().value


class FakeIncidents:
    """`IncidentStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._incidents: dict[str, _Stored[Incident]] = {}
        self.claims: dict[str, IncidentId] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Incident]:
        """Everything that is kept."""
        return [stored.read().value for stored in self._incidents.values()]

    async def claim_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        self._checkpoint("before claim message")
        owner = self.claims.setdefault(message_key, incident_id)
        self._checkpoint("after claim message")
        return owner

    async def move_claim(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        self._checkpoint("before move claim")
        if message_key not in self.claims:
            raise NotFoundError(message_key)
        if self.claims[message_key] == old:
            self.claims[message_key] = new
        self._checkpoint("after move claim")
        return self.claims[message_key]

    async def add(self, incident: Incident) -> bool:
        self._checkpoint("before add incident")
        new = incident.id not in self._incidents
        if new:
            self._incidents[incident.id] = _Stored(incident)
        self._checkpoint("after add incident")
        return new

    async def read(self, incident_id: IncidentId) -> Versioned[Incident]:
        self._checkpoint("read incident")
        if incident_id not in self._incidents:
            raise NotFoundError(incident_id)
        return self._incidents[incident_id].read()

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        self._checkpoint("before replace incident")
        _check(self._incidents.get(incident.id), etag)
        self._incidents[incident.id] = stored = _Stored(incident)
        self._checkpoint("after replace incident")
        return stored.read()

    async def newest(self, limit: int) -> AsyncIterator[Incident]:
        self._checkpoint("newest incidents")
        for incident in sorted(self.all, key=lambda i: (i.opened_at, i.id), reverse=True)[:limit]:
            yield incident


class FakeTargets:
    """`TargetStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._chunks: dict[str, _Stored[Chunk]] = {}
        self._targets: dict[str, dict[str, _Stored[Target]]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Target]:
        """Everything that is kept."""
        return [stored.read().value for chunk in self._targets.values() for stored in chunk.values()]

    async def add_chunk(self, chunk: Chunk, targets: Sequence[Target]) -> bool:
        self._checkpoint("before add chunk")
        if 1 + len(targets) > MAX_BATCH:
            raise ValueError("a transactional batch has at most 100 operations")
        new = chunk.id not in self._chunks
        if new:
            self._chunks[chunk.id] = _Stored(chunk)
            self._targets[chunk.id] = {target.id: _Stored(target) for target in targets}
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
        if 1 + len(changed) > MAX_BATCH:
            raise ValueError("a transactional batch has at most 100 operations")
        _check(self._chunks.get(chunk.id), etag)
        if not {target.id for target in changed} <= set(self._targets[chunk.id]):
            raise NotFoundError("a target that the chunk does not have")
        self._chunks[chunk.id] = stored = _Stored(chunk)
        self._targets[chunk.id].update({target.id: _Stored(target) for target in changed})
        self._checkpoint("after commit chunk")
        return stored.read()

    async def known(self, incident_id: IncidentId, targets: Sequence[TargetId]) -> set[TargetId]:
        self._checkpoint("known targets")
        return {t.id for t in self.all if t.incident_id == incident_id} & set(targets)

    async def chunks_of(self, incident_id: IncidentId, targets: Sequence[TargetId] = ()) -> list[ChunkId]:
        self._checkpoint("chunks of incident")
        chunks = [stored.read().value for stored in self._chunks.values()]
        return sorted(
            chunk.id
            for chunk in chunks
            if chunk.incident_id == incident_id
            and (not targets or not set(targets).isdisjoint(self._targets[chunk.id]))
        )

    async def of_incident(self, incident_id: IncidentId) -> AsyncIterator[Target]:
        self._checkpoint("targets of incident")
        wanted = [target for target in self.all if target.incident_id == incident_id]
        for target in sorted(wanted, key=lambda t: (t.mailbox.address, t.id)):
            yield target

    async def abandoned(self, now: datetime, limit: int) -> list[Chunk]:
        self._checkpoint("abandoned chunks")
        chunks = [stored.read().value for stored in self._chunks.values()]
        return [c for c in chunks if c.lease_until is not None and c.lease_until < now][:limit]


class FakeActivity:
    """`ActivityStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._heads: dict[str, _Stored[Head]] = {}
        self._entries: dict[str, dict[str, _Stored[Entry]]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        self._checkpoint("read head")
        stored = self._heads.get(incident_id)
        return stored.read() if stored else None

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        self._checkpoint("known facts")
        return set(self._entries.get(incident_id, {})) & set(ids)

    async def append(self, head: Head, etag: str | None, entries: Sequence[Entry]) -> None:
        self._checkpoint("before append")
        if 1 + len(entries) > MAX_BATCH:
            raise ValueError("a transactional batch has at most 100 operations")
        stored, kept = self._heads.get(head.incident_id), self._entries.setdefault(head.incident_id, {})
        if (stored.etag if stored else None) != etag:
            raise ConflictError("the chain has grown")
        if any(entry.id in kept for entry in entries):
            raise ConflictError("an entry is already there")
        self._heads[head.incident_id] = _Stored(head)
        kept.update({entry.id: _Stored(entry) for entry in entries})
        self._checkpoint("after append")

    async def entries(self, incident_id: IncidentId) -> AsyncIterator[Entry]:
        self._checkpoint("read chain")
        for entry in sorted((s.read().value for s in self._entries.get(incident_id, {}).values()), key=lambda e: e.seq):
            yield entry
