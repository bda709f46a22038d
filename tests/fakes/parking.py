"""Parked messages in a dictionary."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime

from shared.names import PARKED_CONTAINER, Stage
from shared.ports.health import Found, Probe
from shared.ports.parking import ParkedMessage
from tests.fakes.checkpoints import Checkpoints


class FakeParking:
    """`Parking`; `messages` is what it holds, by id."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.messages: dict[str, ParkedMessage] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def park(self, stage: Stage, message_id: str, body: bytes, *, reason: str, detail: str, at: datetime) -> None:
        self._checkpoint(f"before park {stage}")
        parked = ParkedMessage(
            id=f"{stage}-{message_id}",
            stage=stage,
            message_id=message_id,
            body=base64.b64encode(body).decode(),
            reason=reason,
            detail=detail,
            parked_at=at,
        )
        self.messages.setdefault(parked.id, parked)
        self._checkpoint(f"after park {stage}")

    async def parked(self) -> AsyncIterator[ParkedMessage]:
        self._checkpoint("parked messages")
        for message in list(self.messages.values()):
            yield message

    async def replace(self, message: ParkedMessage) -> None:
        self._checkpoint("before replace parked")
        self.messages[message.id] = message
        self._checkpoint("after replace parked")

    async def probe(self) -> list[Probe]:
        self._checkpoint("probe parking")
        return [Probe(what=f"container {PARKED_CONTAINER}: {what}", found=Found.OK) for what in ("read", "write")]
