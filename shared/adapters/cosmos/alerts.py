"""Container `alerts`: the alerts, and which case each message belongs to."""

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from shared.adapters.cosmos.database import (
    Database,
    create,
    document,
    one_of,
    query,
    readable,
    record,
    replace,
    translate_errors,
)
from shared.domain.alert import Alert
from shared.domain.base import Stored
from shared.domain.ids import AlertId, IncidentId
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned


class MessageOwner(Stored):
    """Which case a message belongs to; its id is the message's key."""

    document_type: ClassVar[str] = "message_owner"

    id: str
    incident_id: IncidentId


class CosmosAlerts:
    """`AlertStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, alert: Alert) -> bool:
        """See `AlertStore.add`."""
        return await create(self._database, "alerts", document(alert))

    async def read(self, alert_id: AlertId) -> Alert:
        """See `AlertStore.read`."""
        container = await self._database.container("alerts")
        with translate_errors("read an alert"):
            return record(Alert, await container.read_item(alert_id, alert_id))

    async def read_all(self, alert_ids: Sequence[AlertId]) -> list[Alert]:
        """See `AlertStore.read_all`."""
        container = await self._database.container("alerts")
        condition, parameters = one_of("c.id", alert_ids)
        text = f"SELECT * FROM c WHERE {condition}"  # noqa: S608 - our own names only
        by_id: dict[AlertId, Alert] = {}
        async for stored in query(container, text, **parameters):
            if (alert := readable(Alert, stored)) is not None:
                by_id[alert.id] = alert
        return [by_id[key] for key in alert_ids if key in by_id]


class MessageOwners:
    """The owners of messages, for `CosmosIncidents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def assign(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """See `IncidentStore.assign_message`."""
        # Read first: most alerts of a burst are about a message that has its owner.
        with suppress(NotFoundError):
            return (await self._read(message_key)).value.incident_id
        if await create(self._database, "alerts", document(MessageOwner(id=message_key, incident_id=incident_id))):
            return incident_id
        return (await self._read(message_key)).value.incident_id

    async def reassign(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """See `IncidentStore.reassign_message`."""
        owner = await self._read(message_key)
        if owner.value.incident_id != old:
            return owner.value.incident_id
        changed = owner.value.model_copy(update={"incident_id": new})
        try:
            await replace(self._database, "alerts", document(changed), owner.etag)
        except ConflictError:
            return (await self._read(message_key)).value.incident_id
        return new

    async def _read(self, message_key: str) -> Versioned[MessageOwner]:
        container = await self._database.container("alerts")
        with translate_errors("read a message's owner"):
            stored = await container.read_item(message_key, message_key)
        return Versioned(record(MessageOwner, stored), stored["_etag"])
