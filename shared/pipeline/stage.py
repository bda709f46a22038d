"""The stage runner: parse → handle → outcome, the same for all stages.

envelope ok? ──no──▶ park ("not an envelope")
    │ payload ok? ──no──▶ park ("payload")
    ▼ (a health check: say that it was here, send it on; the same outcomes)
handle(payload, deps)
    ├── Done ────────────────▶ the host deletes the message
    ├── Wait(seconds) ───────▶ delayed copy, then the host deletes the message; out of patience: park
    │   UnavailableError, ConflictError: the same as Wait
    ├── Reject(reason) ──────▶ park, then the host deletes the message
    └── anything else ───────▶ raises: the host counts it, shows the message again, and in the end poisons it
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared import names
from shared.clock import Clock
from shared.domain.base import Frozen
from shared.errors import ConflictError, DeniedError, UnavailableError
from shared.pipeline.envelope import PATIENCE, Envelope, again, backoff, spread
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import HealthCheck
from shared.ports.parking import Parking
from shared.ports.queue import MessageQueue

D = TypeVar("D")

_HEALTH_CHECK = HealthCheck.model_fields["kind"].default


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back later, after `seconds` if they are known (Retry-After, a claim), else after the back-off."""

    reason: str
    seconds: float | None = None
    service: bool = False
    """It is a service that we wait for, and not one another: an alert counts those."""


@dataclass(frozen=True, slots=True)
class Reject:
    """This message can never be handled; `reason` is a code, `detail` for the person who looks at it."""

    reason: str
    detail: str = ""


Outcome = Done | Wait | Reject


@dataclass(frozen=True)
class StageOf(Generic[D]):
    """A stage: which payloads it takes, what it does with one, what it needs for that."""

    name: names.Stage
    payloads: TypeAdapter[Any]
    handle: Callable[[Any, D], Awaitable[Outcome]]
    deps: type[D]


class Delivery(Frozen):
    """A queue message as the host delivered it."""

    id: str
    body: bytes
    dequeue_count: int = 1


@dataclass(frozen=True, slots=True)
class Plumbing:
    """What the runner itself needs."""

    queue: MessageQueue
    parking: Parking
    now: Clock
    health: Callable[[HealthCheck], Awaitable[None]]


async def run(stage: StageOf[D], delivery: Delivery, deps: D, plumbing: Plumbing) -> None:
    """Handle one delivery. Returns when the host may delete the message; raises when it must not."""
    try:
        envelope = Envelope.model_validate_json(delivery.body)
    except ValidationError as error:
        await _park(stage, delivery, plumbing, Reject("envelope", _shape_of(error)), "unknown")
        return
    about: dict[str, str | float] = {
        "stage": stage.name,
        "correlation_id": envelope.correlation_id,
        "attempt": envelope.attempt,
    }
    try:
        outcome = await _outcome(stage, envelope, deps, plumbing)
    except UnavailableError as error:
        outcome = Wait(str(error), error.retry_after, service=True)
    except ConflictError as error:
        # Whoever was first has committed by now; there is no reason to wait long.
        outcome = Wait(str(error), 0.0)
    except DeniedError as error:
        # A grant is missing or was taken away: an administrator mends that, and the message waits for it.
        emit(Event.DENIED, **about, reason=str(error))
        outcome = Wait(str(error))
    match outcome:
        case Done():
            emit(Event.MESSAGE_DONE, **about)
        case Wait(reason, seconds, service):
            if plumbing.now() - envelope.sent_at > PATIENCE:
                await _park(stage, delivery, plumbing, Reject("patience", reason), envelope.correlation_id)
                return
            delay = backoff(envelope.attempt) if seconds is None else spread(seconds)
            await plumbing.queue.send_copy(again(envelope), delay=delay)
            emit(Event.MESSAGE_WAITS, **about, reason=reason, seconds=delay.total_seconds(), service=service)
        case Reject():
            await _park(stage, delivery, plumbing, outcome, envelope.correlation_id)


async def _outcome(stage: StageOf[D], envelope: Envelope, deps: D, plumbing: Plumbing) -> Outcome:
    if envelope.stage is not stage.name:
        # A replay sends it to the stage that it is for.
        return Reject("envelope", f"stage: it is for {envelope.stage}")
    checks_health = envelope.payload.get("kind") == _HEALTH_CHECK
    try:
        payload = (HealthCheck.model_validate if checks_health else stage.payloads.validate_python)(envelope.payload)
    except ValidationError as error:
        return Reject("payload", _shape_of(error))
    if checks_health:
        await plumbing.health(payload)
        return Done()
    return await stage.handle(payload, deps)


async def park_poison(stage: names.Stage, delivery: Delivery, plumbing: Plumbing) -> None:
    """Keep a message that the host gave up on. Raises only if keeping it failed."""
    try:
        correlation_id = Envelope.model_validate_json(delivery.body).correlation_id
    except ValidationError:
        # Unparsable is normal here; a poison trigger must never fail on content (fidelity.md 1).
        correlation_id = "unknown"
    await plumbing.parking.park(
        stage, delivery.id, delivery.body, reason="poison", detail="dequeue count exceeded", at=plumbing.now()
    )
    emit(Event.MESSAGE_PARKED, stage=stage, reason="poison", correlation_id=correlation_id)


async def _park(stage: StageOf[D], delivery: Delivery, plumbing: Plumbing, why: Reject, correlation_id: str) -> None:
    await plumbing.parking.park(
        stage.name, delivery.id, delivery.body, reason=why.reason, detail=why.detail, at=plumbing.now()
    )
    emit(Event.MESSAGE_PARKED, stage=stage.name, reason=why.reason, correlation_id=correlation_id)


def _shape_of(error: ValidationError) -> str:
    # Where and what kind, never the input: it may be personal data.
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or '$'}: {e['type']}" for e in error.errors()[:5])
