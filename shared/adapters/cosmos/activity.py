"""Container `activity`: the chain of an incident, with its head, is one logical partition."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from shared.adapters.cosmos.database import MAX_BATCH, Database, document, query, record, translate_errors
from shared.domain.activity import HEAD_ID, Entry, Head
from shared.domain.ids import IncidentId
from shared.errors import NotFoundError
from shared.ports.versioned import Versioned


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

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        """See `ActivityStore.known`."""
        if not ids:
            return set()
        container = await self._database.container("activity")
        # IN, unlike ARRAY_CONTAINS, is served from the index of ids.
        names = {f"id{number}": key for number, key in enumerate(ids)}
        text = f"SELECT VALUE c.id FROM c WHERE c.id IN ({', '.join(f'@{name}' for name in names)})"  # noqa: S608 - only parameter names, which we made
        return {key async for key in query(container, text, partition=incident_id, **names)}

    async def append(self, head: Head, etag: str | None, entries: Sequence[Entry]) -> None:
        """See `ActivityStore.append`."""
        operations: list[Any] = [("create", (document(entry, "entry"),)) for entry in entries]
        moved = document(head, "head")
        if etag is None:
            operations.insert(0, ("create", (moved,)))
        else:
            operations.insert(0, ("replace", (HEAD_ID, moved), {"if_match_etag": etag}))
        if len(operations) > MAX_BATCH:
            raise ValueError("a transactional batch has at most 100 operations")
        container = await self._database.container("activity")
        with translate_errors("append to a chain"):
            await container.execute_item_batch(operations, partition_key=head.incident_id)

    async def entries(self, incident_id: IncidentId) -> AsyncIterator[Entry]:
        """See `ActivityStore.entries`."""
        container = await self._database.container("activity")
        text = "SELECT * FROM c WHERE c.type = 'entry' ORDER BY c.seq"
        async for stored in query(container, text, partition=incident_id):
            yield record(Entry, stored)
