"""Container `alerts` in a dictionary."""

from collections.abc import Sequence
from contextlib import suppress

from shared.domain.alert import Alert
from shared.domain.ids import AlertId
from shared.errors import NotFoundError
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.documents import Documents


class FakeAlerts:
    """`AlertStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._documents = Documents()
        self.unreadable: set[AlertId] = set()
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Alert]:
        """Everything that is kept."""
        return [found.value for found in self._documents.all(Alert)]

    async def add(self, alert: Alert) -> bool:
        self._checkpoint("before add alert")
        new = alert.id not in self._documents
        if new:
            self._documents.put(alert.id, alert)
        self._checkpoint("after add alert")
        return new

    async def read(self, alert_id: AlertId) -> Alert:
        self._checkpoint("read alert")
        found = self._documents.get(alert_id, Alert)
        if found is None:
            raise NotFoundError(alert_id)
        return found.value

    async def read_all(self, alert_ids: Sequence[AlertId]) -> list[Alert]:
        found: list[Alert] = []
        for key in alert_ids:
            with suppress(NotFoundError):
                found.append(await self.read(key))
        return [alert for alert in found if alert.id not in self.unreadable]
