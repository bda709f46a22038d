"""Dead letters: messages that could not be processed, kept with their reason. They can be replayed."""

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
        """Keep the message. Keeping the same message twice keeps one."""
        ...

    def all(self) -> AsyncIterator[DeadLetter]:
        """All dead letters, in no particular order."""
        ...

    async def replace(self, message: DeadLetter) -> None:
        """Replace the dead letter, now with the time of its replay."""
        ...

    async def probe(self) -> list[Probe]:
        """Whether a message could be kept; none is kept for that."""
        ...
