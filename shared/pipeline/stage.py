"""The stage runner: parse → handle → outcome, the same for all stages.

envelope ok? ──no──▶ dead-letter ("envelope")
    │ payload ok? ──no──▶ dead-letter ("payload")
    │ keep a spare copy of the message until one of these is done: a dead host hides the message for ten minutes
    ▼ (a health check: leave a report, send it on; a pause: note it; the same outcomes)
handle(payload, deps)
    ├── Done ────────────────▶ the host deletes the message
    ├── RetryLater(seconds) ─▶ delayed copy, then the host deletes the message; past its maximum age:
    │                         dead-letter ("max_age"). One that waits for a person does not age
    │   UnavailableError, ConflictError, DeniedError: the same as RetryLater
    ├── Reject(reason) ──────▶ dead-letter, then the host deletes the message
    └── anything else ───────▶ raises: the host counts it, shows the message again, and in the end poisons it
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared import names
from shared.clock import Clock
from shared.domain.base import Frozen
from shared.errors import ClawbackError, ConflictError, DeniedError, UnavailableError
from shared.pipeline.envelope import (
    MAX_AGE,
    SPARE_AFTER,
    Envelope,
    backoff,
    delayed_copy,
    held_copy,
    spare_copy,
    spread,
)
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import ChangePause, HealthCheck
from shared.ports.dead_letters import DeadLetters
from shared.ports.queue import MessageQueue, Spare

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Try again later: after `seconds` if they are known (Retry-After, end of a lease), else after the backoff."""

    reason: str
    seconds: float | None = None
    service: bool = False
    """Whether a service is what is waited for, and not another worker: an alert rule counts those."""
    for_person: bool = False
    """Whether a person is what is waited for: then no attempt is used, and the message does not age."""


@dataclass(frozen=True, slots=True)
class Reject:
    """This message can never be handled; `reason` is a code, `detail` for the person who looks at it."""

    reason: str
    detail: str = ""


Outcome = Done | RetryLater | Reject


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
class RunnerDeps:
    """The services of the runner itself."""

    queue: MessageQueue
    dead_letters: DeadLetters
    now: Clock
    health: Callable[[HealthCheck], Awaitable[None]]
    pause: Callable[[ChangePause], Awaitable[None]]


async def run(stage: StageOf[D], delivery: Delivery, deps: D, runner: RunnerDeps) -> None:
    """Handle one delivery. Returns when the host may delete the message; raises when it must not."""
    try:
        envelope = Envelope.model_validate_json(delivery.body)
    except ValidationError as error:
        await _dead_letter(stage, delivery, runner, Reject("envelope", _shape_of(error)), "unknown")
        return
    async with _spare_of(envelope, runner):
        await _handle(stage, delivery, envelope, deps, runner)


@asynccontextmanager
async def _spare_of(envelope: Envelope, runner: RunnerDeps) -> AsyncIterator[None]:
    """Keep a spare copy of the message while it is worked on: if the host dies, the queue hides it for ten minutes."""
    spare: Spare | None = None
    if not envelope.spare:
        # Without it the work is only slower after a crash.
        with suppress(ClawbackError):
            spare = await runner.queue.keep_spare(spare_copy(envelope), delay=SPARE_AFTER)
    try:
        yield
    except Exception:  # the host shows the message again within seconds: the spare copy is not needed
        await _drop(spare, runner)
        raise
    await _drop(spare, runner)


async def _drop(spare: Spare | None, runner: RunnerDeps) -> None:
    if spare is not None:
        # If it stays, it is delivered, and finds the work done.
        with suppress(ClawbackError):
            await runner.queue.drop_spare(spare)


async def _handle(stage: StageOf[D], delivery: Delivery, envelope: Envelope, deps: D, runner: RunnerDeps) -> None:
    about: dict[str, str | float] = {
        "stage": stage.name,
        "correlation_id": envelope.correlation_id,
        "attempt": envelope.attempt,
    }
    try:
        outcome = await _outcome(stage, envelope, deps, runner)
    except UnavailableError as error:
        outcome = RetryLater(str(error), error.retry_after, service=True)
    except ConflictError as error:
        # The other worker has committed by now, so a short delay is enough.
        outcome = RetryLater(str(error), 0.0)
    except DeniedError as error:
        # A grant is missing or was taken away. The message is retried until an administrator restores it.
        emit(Event.DENIED, **about, reason=str(error))
        outcome = RetryLater(str(error))
    match outcome:
        case Done():
            emit(Event.MESSAGE_DONE, **about)
        case RetryLater(reason, seconds, for_person=True):
            delay = backoff(0) if seconds is None else spread(seconds)
            await runner.queue.send_copy(held_copy(envelope, runner.now()), delay=delay)
            emit(Event.MESSAGE_RETRIED, **about, reason=reason, seconds=delay.total_seconds(), service=False)
        case RetryLater(reason, seconds, service):
            waited = runner.now() - envelope.sent_at
            if waited > MAX_AGE:
                await _dead_letter(stage, delivery, runner, Reject("max_age", reason), envelope.correlation_id)
                return
            delay = backoff(envelope.attempt, waited) if seconds is None else spread(seconds)
            await runner.queue.send_copy(delayed_copy(envelope), delay=delay)
            emit(Event.MESSAGE_RETRIED, **about, reason=reason, seconds=delay.total_seconds(), service=service)
        case Reject():
            await _dead_letter(stage, delivery, runner, outcome, envelope.correlation_id)


async def _outcome(stage: StageOf[D], envelope: Envelope, deps: D, runner: RunnerDeps) -> Outcome:
    if envelope.stage is not stage.name:
        # A replay sends it to the stage that it is for.
        return Reject("envelope", f"stage: it is for {envelope.stage}")
    try:
        payload = _payload(stage, envelope.payload)
    except ValidationError as error:
        return Reject("payload", _shape_of(error))
    match payload:
        case HealthCheck():
            await runner.health(payload)
            return Done()
        case ChangePause():
            await runner.pause(payload)
            return Done()
        case _:
            return await stage.handle(payload, deps)


def _payload(stage: StageOf[D], given: dict[str, Any]) -> Any:
    """What the message says: a payload of this stage, or one that every stage takes."""
    kind = given.get("kind")
    for taken in (HealthCheck, ChangePause):
        if kind == taken.model_fields["kind"].default:
            return taken.model_validate(given)
    return stage.payloads.validate_python(given)


async def dead_letter_poison(stage: names.Stage, delivery: Delivery, runner: RunnerDeps) -> None:
    """Dead-letter a message that the host gave up on. Raises only if that failed."""
    try:
        correlation_id = Envelope.model_validate_json(delivery.body).correlation_id
    except ValidationError:
        # Unparsable is normal here; a poison trigger must never fail on content (fidelity.md 1).
        correlation_id = "unknown"
    await runner.dead_letters.add(
        stage, delivery.id, delivery.body, reason="poison", detail="dequeue count exceeded", at=runner.now()
    )
    emit(Event.MESSAGE_DEAD_LETTERED, stage=stage, reason="poison", correlation_id=correlation_id)


async def _dead_letter(
    stage: StageOf[D], delivery: Delivery, runner: RunnerDeps, why: Reject, correlation_id: str
) -> None:
    await runner.dead_letters.add(
        stage.name, delivery.id, delivery.body, reason=why.reason, detail=why.detail, at=runner.now()
    )
    emit(Event.MESSAGE_DEAD_LETTERED, stage=stage.name, reason=why.reason, correlation_id=correlation_id)


def _shape_of(error: ValidationError) -> str:
    # Where and what kind, never the input: it may be personal data.
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or '$'}: {e['type']}" for e in error.errors()[:5])
