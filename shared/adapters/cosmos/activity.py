"""Container `activity`: the chain of an incident, with its head, is one logical partition."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from shared.adapters.cosmos.database import (
    Database,
    content,
    document,
    one_of,
    query,
    record,
    translate_errors,
    write_batch,
)
from shared.domain.activity import HEAD_ID, Document, Entry, Head, PlanCount, plan_count_id
from shared.domain.ids import IncidentId, PlanId
from shared.errors import NotFoundError
from shared.ports.versioned import Versioned

# Each part is a query of its own and ends within one page: what it costs does not depend on where in the chain it is.
_ENTRIES_AT_ONCE = 1000
# Cosmos DB keeps integers exactly up to here.
_NO_END = 2**53


class CosmosActivity:
    """`ActivityStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        """See `ActivityStore.head`."""
        container = await self._database.container("activity")
        try:
            with translate_errors("read the head of a chain"):
                stored = await container.read_item(HEAD_ID, incident_id)
        except NotFoundError:
            return None
        return Versioned(record(Head, stored), stored["_etag"])

    async def plan_count(self, incident_id: IncidentId, plan_id: PlanId) -> int:
        """See `ActivityStore.plan_count`."""
        container = await self._database.container("activity")
        try:
            with translate_errors("read the count of a plan"):
                stored = await container.read_item(plan_count_id(plan_id), incident_id)
        except NotFoundError:
            return 0
        return record(PlanCount, stored).terminal

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        """See `ActivityStore.known`."""
        if not ids:
            return set()
        container = await self._database.container("activity")
        condition, parameters = one_of("c.id", ids)
        text = f"SELECT VALUE c.id FROM c WHERE {condition} AND c.type = 'entry'"  # noqa: S608 - our own names only
        return {key async for key in query(container, text, partition=incident_id, **parameters)}

    async def append(
        self, head: Head, etag: str | None, entries: Sequence[Entry], plan_counts: Mapping[PlanId, int]
    ) -> None:
        """See `ActivityStore.append`."""
        moved = document(head)
        counts = [
            PlanCount(id=plan_count_id(plan), incident_id=head.incident_id, terminal=count)
            for plan, count in plan_counts.items()
        ]
        operations: list[Any] = [
            ("create", (moved,)) if etag is None else ("replace", (HEAD_ID, moved), {"if_match_etag": etag}),
            *(("upsert", (document(count),)) for count in counts),
            *(("create", (document(entry),)) for entry in entries),
        ]
        container = await self._database.container("activity")
        await write_batch(container, "append to a chain", head.incident_id, operations)

    async def entries(self, incident_id: IncidentId, after: int = 0, to: int | None = None) -> AsyncIterator[Document]:
        """See `ActivityStore.entries`."""
        begin = after
        while to is not None and begin < to:
            end = min(begin + _ENTRIES_AT_ONCE, to)
            async for entry in self._range(incident_id, begin, end):
                yield entry
            begin = end
        if to is None:
            async for entry in self._range(incident_id, after, _NO_END):
                yield entry

    async def _range(self, incident_id: IncidentId, after: int, to: int) -> AsyncIterator[Document]:
        container = await self._database.container("activity")
        text = "SELECT * FROM c WHERE c.type = 'entry' AND c.seq > @after AND c.seq <= @to ORDER BY c.seq"
        async for stored in query(container, text, partition=incident_id, after=after, to=to):
            yield content(stored)
