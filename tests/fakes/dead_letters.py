"""Dead letters in a dictionary."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime

from shared.names import DEAD_LETTER_CONTAINER, Stage
from shared.ports.dead_letters import DeadLetter
from shared.ports.health import Probe, ProbeResult
from tests.fakes.checkpoints import Checkpoints


class FakeDeadLetters:
    """`DeadLetters`; `messages` is what it holds, by id."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.messages: dict[str, DeadLetter] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def add(self, stage: Stage, message_id: str, body: bytes, *, reason: str, detail: str, at: datetime) -> None:
        self._checkpoint(f"before add {stage}")
        letter = DeadLetter(
            id=f"{stage}-{message_id}",
            stage=stage,
            message_id=message_id,
            body=base64.b64encode(body).decode(),
            reason=reason,
            detail=detail,
            dead_lettered_at=at,
        )
        self.messages.setdefault(letter.id, letter)
        self._checkpoint(f"after add {stage}")

    async def all(self) -> AsyncIterator[DeadLetter]:
        self._checkpoint("dead letters")
        for message in list(self.messages.values()):
            yield message

    async def replace(self, message: DeadLetter) -> None:
        self._checkpoint("before replace dead letter")
        self.messages[message.id] = message
        self._checkpoint("after replace dead letter")

    async def probe(self) -> list[Probe]:
        self._checkpoint("probe dead_letters")
        return [
            Probe(what=f"container {DEAD_LETTER_CONTAINER}: {what}", result=ProbeResult.OK)
            for what in ("read", "write")
        ]
