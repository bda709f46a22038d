"""Where messages go that cannot be processed: kept with their reason, and replayable."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from shared.domain.base import Frozen, Instant
from shared.names import Stage
from shared.ports.health import Probe


class ParkedMessage(Frozen):
    """A parked message. `body` is Base64 of exactly what was on the queue."""

    id: str
    stage: Stage
    message_id: str
    body: str
    reason: str
    detail: str = ""
    parked_at: Instant
    replayed_at: Instant | None = None


class Parking(Protocol):
    """Durable storage of messages with a reason. Raises UnavailableError."""

    async def park(self, stage: Stage, message_id: str, body: bytes, *, reason: str, detail: str, at: datetime) -> None:
        """Keep the message. Parking the same message twice keeps one."""
        ...

    def parked(self) -> AsyncIterator[ParkedMessage]:
        """All that is parked, in no particular order."""
        ...

    async def replace(self, message: ParkedMessage) -> None:
        """Keep the message's newer self (replayed)."""
        ...

    async def probe(self) -> list[Probe]:
        """How it is with keeping a message; none is kept for that."""
        ...
