"""The pipeline's queues in a list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.names import POISON_SUFFIX, QUEUES, Stage
from shared.pipeline.envelope import MAX_BODY, Envelope, new_envelope
from shared.pipeline.payloads import Payload
from shared.ports.health import Probe, ProbeResult
from shared.ports.queue import Spare
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class Sent:
    """A message on a queue, and from when on it can be seen."""

    envelope: Envelope
    visible_at: datetime
    sent_at: datetime

    @property
    def body(self) -> bytes:
        """What a trigger is given."""
        return self.envelope.model_dump_json().encode()


class FakeQueue:
    """`MessageQueue`; `sent` is all that was ever sent, `waiting` what nobody has taken yet."""

    def __init__(self, checkpoints: Checkpoints | None = None, now: Clock | None = None) -> None:
        self.sent: list[Payload] = []
        self.waiting: list[Sent] = []
        self._now = now or FakeClock()
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def send(
        self, payload: Payload, *, correlation_id: str, delay: timedelta | None = None, since: datetime | None = None
    ) -> None:
        self._checkpoint(f"before send {payload.kind}")
        envelope = new_envelope(payload, correlation_id=correlation_id, now=since or self._now())
        _fits(envelope)
        self.sent.append(payload)
        self.waiting.append(Sent(envelope, self._now() + (delay or timedelta()), self._now()))
        self._checkpoint(f"after send {payload.kind}")

    async def send_all(self, payloads: Iterable[Payload], *, correlation_id: str) -> None:
        for payload in payloads:
            await self.send(payload, correlation_id=correlation_id)

    async def send_copy(self, envelope: Envelope, *, delay: timedelta) -> None:
        self._checkpoint("before send copy")
        _fits(envelope)
        self.waiting.append(Sent(envelope, self._now() + delay, self._now()))
        self._checkpoint("after send copy")

    async def keep_spare(self, envelope: Envelope, *, delay: timedelta) -> Spare:
        self._checkpoint("before keep spare")
        _fits(envelope)
        self.waiting.append(Sent(envelope, self._now() + delay, self._now()))
        self._checkpoint("after keep spare")
        return Spare(envelope.stage, envelope.id, "")

    async def drop_spare(self, spare: Spare) -> None:
        self._checkpoint("before drop spare")
        self.waiting = [message for message in self.waiting if message.envelope.id != spare.id]
        self._checkpoint("after drop spare")

    async def oldest(self) -> dict[Stage, float]:
        self._checkpoint("oldest messages")
        now = self._now()
        visible = [message for message in self.waiting if message.visible_at <= now]
        ages = {
            stage: [(now - m.sent_at).total_seconds() for m in visible if m.envelope.stage == stage] for stage in Stage
        }
        return {stage: max(of_stage, default=0.0) for stage, of_stage in ages.items()}

    async def probe(self) -> list[Probe]:
        self._checkpoint("probe queues")
        names = [name for queue in QUEUES.values() for name in (queue, queue + POISON_SUFFIX)]
        return [Probe(what=f"queue {name}", result=ProbeResult.OK) for name in names]


def _fits(envelope: Envelope) -> None:
    if len(envelope.model_dump_json(exclude_none=True).encode()) > MAX_BODY:
        raise ValueError("queues carry ids only")
