"""Sending to the stages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.names import Stage
from shared.pipeline.envelope import Envelope
from shared.pipeline.payloads import Payload
from shared.ports.health import Probe


@dataclass(frozen=True, slots=True)
class Spare:
    """The spare copy of a message that is being worked on, and what the queue needs to delete it."""

    stage: Stage
    id: str
    receipt: str


class MessageQueue(Protocol):
    """The pipeline's queues. Each send is durable when it returns.

    Raises:
        UnavailableError: the service is throttling or unreachable.
    """

    async def send(
        self, payload: Payload, *, correlation_id: str, delay: timedelta | None = None, since: datetime | None = None
    ) -> None:
        """Send to the payload's stage; it becomes visible after `delay`. Its age counts from `since`, else from now."""
        ...

    async def send_all(self, payloads: Iterable[Payload], *, correlation_id: str) -> None:
        """Send many, in no particular order."""
        ...

    async def send_copy(self, envelope: Envelope, *, delay: timedelta) -> None:
        """Send an envelope as it is: the delayed copy of a message that is retried, or a replay."""
        ...

    async def keep_spare(self, envelope: Envelope, *, delay: timedelta) -> Spare:
        """Send an envelope as it is, to be deleted before it is seen."""
        ...

    async def drop_spare(self, spare: Spare) -> None:
        """Delete a spare copy. It is no error if it is gone, or if somebody works on it already."""
        ...

    async def oldest(self) -> dict[Stage, float]:
        """Seconds since the oldest message that each stage could take was sent; 0.0 where none waits.

        A message that was sent with a delay counts from when it was sent: one high figure says little, and none that
        is low for minutes says that nobody takes messages.
        """
        ...

    async def probe(self) -> list[Probe]:
        """Whether each queue and its poison queue can be used. Only an app that receives from them may look."""
        ...
