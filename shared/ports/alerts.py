"""The alerts that were taken in. Every method may raise UnavailableError."""

from collections.abc import Sequence
from typing import Protocol

from shared.domain.alert import Alert
from shared.domain.ids import AlertId


class AlertStore(Protocol):
    """Container `alerts`."""

    async def add(self, alert: Alert) -> bool:
        """Keep a new alert; False if it is already there (a repeat)."""
        ...

    async def read(self, alert_id: AlertId) -> Alert:
        """Raises NotFoundError."""
        ...

    async def read_all(self, alert_ids: Sequence[AlertId]) -> list[Alert]:
        """Those alerts, at most 100, in this order. One that is missing or cannot be read is left out."""
        ...
