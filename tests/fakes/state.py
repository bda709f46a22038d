"""Containers `alerts` and `incidents`, as far as the ports show them: ETags and repeats."""

from collections.abc import AsyncIterator

from shared.domain.alert import Alert
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import Incident
from shared.errors import NotFoundError
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.stored import Stored, check_etag


class FakeAlerts:
    """`AlertStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._alerts: dict[str, Stored[Alert]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Alert]:
        """Everything that is kept."""
        return [stored.read().value for stored in self._alerts.values()]

    async def add(self, alert: Alert) -> bool:
        self._checkpoint("before add alert")
        new = alert.id not in self._alerts
        if new:
            self._alerts[alert.id] = Stored(alert)
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
        self._incidents: dict[str, Stored[Incident]] = {}
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
            self._incidents[incident.id] = Stored(incident)
        self._checkpoint("after add incident")
        return new

    async def read(self, incident_id: IncidentId) -> Versioned[Incident]:
        self._checkpoint("read incident")
        if incident_id not in self._incidents:
            raise NotFoundError(incident_id)
        return self._incidents[incident_id].read()

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        self._checkpoint("before replace incident")
        check_etag(self._incidents.get(incident.id), etag)
        self._incidents[incident.id] = stored = Stored(incident)
        self._checkpoint("after replace incident")
        return stored.read()

    async def newest(self, limit: int) -> AsyncIterator[Incident]:
        self._checkpoint("newest incidents")
        for incident in sorted(self.all, key=lambda i: (i.opened_at, i.id), reverse=True)[:limit]:
            yield incident
