"""Container `tenant`: the few documents that hold for the whole tenant."""

from collections.abc import Callable

from shared.adapters.cosmos.database import Database, create, document, record, replace, translate_errors
from shared.errors import ConflictError, NotFoundError
from shared.ports.tenant import T
from shared.ports.versioned import Versioned

_CONTAINER = "tenant"

# Plans of all cases change the budget, and each of them may be first.
_TRIES = 12


class CosmosTenant:
    """`TenantStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, kind: type[T]) -> T:
        """See `TenantStore.read`."""
        found = await self._found(kind)
        return found.value if found else kind()

    async def update(self, kind: type[T], change: Callable[[T], T | None]) -> T:
        """See `TenantStore.update`."""
        for _ in range(_TRIES):
            found = await self._found(kind)
            now = found.value if found else kind()
            wanted = change(now)
            if wanted is None:
                return now
            try:
                if found is not None:
                    await replace(self._database, _CONTAINER, document(wanted), found.etag)
                    return wanted
                if await create(self._database, _CONTAINER, document(wanted)):
                    return wanted
            except ConflictError:
                continue
        raise ConflictError("change what holds for the tenant")

    async def _found(self, kind: type[T]) -> Versioned[T] | None:
        container = await self._database.container(_CONTAINER)
        key: str = kind.model_fields["id"].default
        try:
            with translate_errors(f"read {kind.document_type}"):
                stored = await container.read_item(key, key)
        except NotFoundError:
            return None
        return Versioned(record(kind, stored), stored["_etag"])
