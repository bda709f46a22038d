"""Container `alerts`: what people undid, beside the alerts and the owners of messages."""

import asyncio
from collections.abc import Collection

from shared.adapters.cosmos.database import (
    Database,
    create,
    document,
    one_of,
    query,
    record,
    replace,
    translate_errors,
)
from shared.domain.undone import UndoEntry, Undone, undone_id
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

_CONTAINER = "alerts"

# Several people may undo the same mail in the same moment; each try means that another one is kept.
_TRIES = 12

# Messages that are read by one query, and that are written side by side.
_AT_ONCE = 100
_SIDE_BY_SIDE = 16


class CosmosUndone:
    """`UndoneStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, message_keys: Collection[str], entry: UndoEntry) -> None:
        """See `UndoneStore.remember`."""
        keys = sorted(set(message_keys))
        for start in range(0, len(keys), _SIDE_BY_SIDE):
            await asyncio.gather(*(self._remember(key, entry) for key in keys[start : start + _SIDE_BY_SIDE]))

    async def recall(self, message_keys: Collection[str]) -> dict[str, Undone]:
        """See `UndoneStore.recall`."""
        keys = sorted(set(message_keys))
        container = await self._database.container(_CONTAINER)
        found: dict[str, Undone] = {}
        for start in range(0, len(keys), _AT_ONCE):
            condition, parameters = one_of("c.id", [undone_id(key) for key in keys[start : start + _AT_ONCE]])
            text = f"SELECT * FROM c WHERE {condition}"  # noqa: S608 - our own names only
            async for stored in query(container, text, **parameters):
                undone = record(Undone, stored)
                found[undone.message_key] = undone
        return found

    async def _remember(self, key: str, entry: UndoEntry) -> None:
        for _ in range(_TRIES):
            now = await self._read(key)
            before = now.value if now else Undone(id=undone_id(key), message_key=key)
            after = before.with_entry(entry)
            if after.entries == before.entries:
                return
            try:
                if now is not None:
                    await replace(self._database, _CONTAINER, document(after), now.etag)
                    return
                if await create(self._database, _CONTAINER, document(after)):
                    return
            except ConflictError:
                continue
        raise ConflictError("remember an undo")

    async def _read(self, key: str) -> Versioned[Undone] | None:
        container = await self._database.container(_CONTAINER)
        try:
            with translate_errors("read what was undone"):
                stored = await container.read_item(undone_id(key), undone_id(key))
        except NotFoundError:
            return None
        return Versioned(record(Undone, stored), stored["_etag"])
