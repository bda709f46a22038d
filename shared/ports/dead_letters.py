"""Where messages go that cannot be processed: kept with their reason, and replayable."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from shared.domain.base import Frozen, Instant
from shared.names import Stage
from shared.ports.health import Probe


class DeadLetter(Frozen):
    """A dead letter. `body` is Base64 of exactly what was on the queue."""

    id: str
    stage: Stage
    message_id: str
    body: str
    reason: str
    detail: str = ""
    dead_lettered_at: Instant
    replayed_at: Instant | None = None


class DeadLetters(Protocol):
    """Durable storage of messages with a reason. Raises UnavailableError."""

    async def add(self, stage: Stage, message_id: str, body: bytes, *, reason: str, detail: str, at: datetime) -> None:
        """Keep the message. DeadLetters the same message twice keeps one."""
        ...

    def all(self) -> AsyncIterator[DeadLetter]:
        """All that is dead-lettered, in no particular order."""
        ...

    async def replace(self, message: DeadLetter) -> None:
        """Keep the message's newer self (replayed)."""
        ...

    async def probe(self) -> list[Probe]:
        """How it is with keeping a message; none is kept for that."""
        ...
