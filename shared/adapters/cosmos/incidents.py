"""Containers `alerts` and `incidents`."""

from collections.abc import AsyncIterator

from azure.core import MatchConditions

from shared.adapters.cosmos.database import Database, document, query, record, translate_errors
from shared.domain.alert import Alert
from shared.domain.base import Frozen
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import Incident
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned


class Claim(Frozen):
    """Which incident a message belongs to; its id is the message's key."""

    id: str
    incident_id: IncidentId


class CosmosAlerts:
    """`AlertStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, alert: Alert) -> bool:
        """See `AlertStore.add`."""
        return await _create(self._database, "alerts", document(alert, "alert"))

    async def read(self, alert_id: AlertId) -> Alert:
        """See `AlertStore.read`."""
        container = await self._database.container("alerts")
        with translate_errors("read an alert"):
            return record(Alert, await container.read_item(alert_id, alert_id))


class CosmosIncidents:
    """`IncidentStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """See `IncidentStore.claim_message`."""
        claim = Claim(id=message_key, incident_id=incident_id)
        if await _create(self._database, "incidents", document(claim, "claim")):
            return incident_id
        return (await self._claim(message_key)).value.incident_id

    async def move_claim(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """See `IncidentStore.move_claim`."""
        held = await self._claim(message_key)
        if held.value.incident_id != old:
            return held.value.incident_id
        try:
            await self._replace(Claim(id=message_key, incident_id=new), "claim", held.etag)
        except ConflictError:
            return (await self._claim(message_key)).value.incident_id
        return new

    async def add(self, incident: Incident) -> bool:
        """See `IncidentStore.add`."""
        return await _create(self._database, "incidents", document(incident, "incident"))

    async def read(self, incident_id: IncidentId) -> Versioned[Incident]:
        """See `IncidentStore.read`."""
        container = await self._database.container("incidents")
        with translate_errors("read an incident"):
            stored = await container.read_item(incident_id, incident_id)
        if stored["type"] != "incident":
            # The claim of a message, whose key people see too.
            raise NotFoundError("read an incident")
        return Versioned(record(Incident, stored), stored["_etag"])

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        """See `IncidentStore.replace`."""
        return Versioned(incident, await self._replace(incident, "incident", etag))

    async def newest(self, limit: int) -> AsyncIterator[Incident]:
        """See `IncidentStore.newest`."""
        container = await self._database.container("incidents")
        text = "SELECT TOP @limit * FROM c WHERE c.type = 'incident' ORDER BY c.openedAt DESC"
        async for stored in query(container, text, limit=limit):
            yield record(Incident, stored)

    async def _claim(self, message_key: str) -> Versioned[Claim]:
        container = await self._database.container("incidents")
        with translate_errors("read a message's incident"):
            stored = await container.read_item(message_key, message_key)
        return Versioned(record(Claim, stored), stored["_etag"])

    async def _replace(self, value: Incident | Claim, kind: str, etag: str) -> str:
        container = await self._database.container("incidents")
        with translate_errors(f"replace the {kind}"):
            stored = await container.replace_item(
                value.id, document(value, kind), etag=etag, match_condition=MatchConditions.IfNotModified
            )
        new: str = stored["_etag"]
        return new


async def _create(database: Database, key: str, stored: dict[str, object]) -> bool:
    container = await database.container(key)
    try:
        with translate_errors(f"add to {key}"):
            await container.create_item(stored, no_response=True)
    except ConflictError:
        return False
    return True
