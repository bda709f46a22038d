import base64
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError
from shared.names import Stage
from shared.pipeline.envelope import MAX_AGE, SPARE_AFTER, Envelope, new_envelope, spare_copy
from shared.pipeline.payloads import ChangePause, ChunkChanged, HealthCheck, IncidentChanged, PullChunk, ReportMessage
from shared.pipeline.stage import (
    Delivery,
    Done,
    Outcome,
    Reject,
    RetryLater,
    RunnerDeps,
    StageOf,
    dead_letter_poison,
    run,
)
from shared.ports.dead_letters import DeadLetter
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import FakeClock
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.queue import FakeQueue


@dataclass(frozen=True)
class Deps:
    """What the stage under test is given."""

    name: str


DEPS = Deps("deps")
HEALTH = "health-" + "0" * 32


class World:
    """A stage whose handler does what the test says, on fakes."""

    def __init__(
        self, handle: Callable[[Any, Deps], Awaitable[Outcome]], checkpoints: Checkpoints | None = None
    ) -> None:
        self.clock = FakeClock()
        self.queue = FakeQueue(checkpoints, self.clock)
        self.dead_letters = FakeDeadLetters(checkpoints)
        self.checked: list[HealthCheck] = []
        self.paused: list[ChangePause] = []
        self.runner = RunnerDeps(self.queue, self.dead_letters, self.clock, self.check, self.pause)
        self.stage = StageOf(Stage.REPORT, TypeAdapter(ReportMessage), handle, Deps)

    async def check(self, check: HealthCheck) -> None:
        self.checked.append(check)

    async def pause(self, change: ChangePause) -> None:
        self.paused.append(change)

    async def deliver(self, body: bytes) -> None:
        await run(self.stage, Delivery(id="message-1", body=body), DEPS, self.runner)

    @property
    def dead_letter(self) -> DeadLetter:
        (message,) = self.dead_letters.messages.values()
        return message

    @property
    def copy(self) -> tuple[Envelope, float]:
        (message,) = self.queue.waiting
        return message.envelope, (message.visible_at - self.clock.now).total_seconds()


def ending(outcome: Outcome | Exception) -> World:
    async def handle(message: Any, deps: Deps) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return World(handle)


PAYLOAD = IncidentChanged(incident_id="inc-1")


def a_body(clock: FakeClock, attempt: int = 0) -> bytes:
    envelope = new_envelope(PAYLOAD, correlation_id="inc-1", now=clock.now)
    return envelope.model_copy(update={"attempt": attempt}).model_dump_json().encode()


async def test_the_handler_is_given_the_payload_and_its_deps() -> None:
    seen: list[tuple[Any, Deps]] = []

    async def handle(message: Any, deps: Deps) -> Outcome:
        seen.append((message, deps))
        return Done()

    world = World(handle)
    await world.deliver(a_body(world.clock))
    settled = ChunkChanged(incident_id="inc-1", chunk_id="plan.0000")
    await world.deliver(new_envelope(settled, correlation_id="inc-1", now=world.clock.now).model_dump_json().encode())

    assert seen == [(PAYLOAD, DEPS), (settled, DEPS)]
    assert not world.queue.waiting
    assert not world.dead_letters.messages


async def test_a_message_on_the_queue_of_another_stage_is_dead_lettered() -> None:
    world = ending(Done())
    envelope = new_envelope(PAYLOAD, correlation_id="inc-1", now=world.clock.now)

    await world.deliver(envelope.model_copy(update={"stage": Stage.ENRICH}).model_dump_json().encode())

    assert (world.dead_letter.reason, world.dead_letter.detail) == ("envelope", "stage: it is for enrich")


async def test_a_health_check_is_not_the_stages_business() -> None:
    world = ending(RuntimeError("the handler was asked"))
    check = HealthCheck(id=HEALTH, trip="round", route=(Stage.REPORT,))

    await world.deliver(new_envelope(check, correlation_id=HEALTH, now=world.clock.now).model_dump_json().encode())

    assert world.checked == [check]
    assert not world.queue.waiting
    assert not world.dead_letters.messages


async def test_a_health_check_of_no_shape_is_dead_lettered() -> None:
    world = ending(RuntimeError("the handler was asked"))
    envelope = new_envelope(PAYLOAD, correlation_id="x", now=world.clock.now)

    await world.deliver(envelope.model_copy(update={"payload": {"kind": "health_check"}}).model_dump_json().encode())

    assert world.dead_letter.reason == "payload"
    assert not world.checked


async def test_what_waits_comes_back_once_more_when_it_said() -> None:
    world = ending(RetryLater("claimed", 30))

    await world.deliver(a_body(world.clock, attempt=2))

    envelope, seconds = world.copy
    assert 30 <= seconds <= 31.001
    assert (envelope.attempt, envelope.payload, envelope.correlation_id) == (3, PAYLOAD.to_document(), "inc-1")
    assert not world.dead_letters.messages


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (UnavailableError("Graph", 42), 42, 43.001),
        (UnavailableError("Graph"), 2.5, 5),
        (ConflictError("incident"), 0, 1.001),
        (DeniedError("Mail.ReadWrite"), 2.5, 5),
        (RetryLater("not yet"), 2.5, 5),
    ],
)
async def test_what_may_pass_is_waited_for(error: Outcome | Exception, least: float, most: float) -> None:
    world = ending(error)

    await world.deliver(a_body(world.clock))

    _, seconds = world.copy
    assert least <= seconds <= most


async def test_an_outage_of_seconds_is_not_followed_by_a_wait_of_minutes() -> None:
    world = ending(UnavailableError("Cosmos DB"))
    # Eight retries after times that the service named took twenty seconds.
    body = a_body(world.clock, attempt=8)
    world.clock.advance(20)

    await world.deliver(body)

    _, seconds = world.copy
    assert seconds <= 45


async def test_a_missing_right_is_told_to_an_administrator(caplog: pytest.LogCaptureFixture) -> None:
    world = ending(DeniedError("Mail.ReadWrite"))

    with caplog.at_level(logging.ERROR, "clawback"):
        await world.deliver(a_body(world.clock))

    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("denied ")
    assert json.loads(line.removeprefix("denied "))["reason"] == "Mail.ReadWrite"


async def test_patience_ends_after_a_day() -> None:
    world = ending(RetryLater("mailbox moving"))
    body = a_body(world.clock)

    world.clock.advance(MAX_AGE.total_seconds())
    await world.deliver(body)
    assert len(world.queue.waiting) == 1
    assert not world.dead_letters.messages

    world.clock.advance(1)
    await world.deliver(body)
    assert len(world.queue.waiting) == 1
    assert (world.dead_letter.reason, world.dead_letter.detail) == ("max_age", "mailbox moving")
    assert base64.b64decode(world.dead_letter.body) == body


async def test_what_waits_for_a_person_uses_no_attempt_and_does_not_age() -> None:
    world = ending(RetryLater("paused", 60.0, for_person=True))
    body = a_body(world.clock, attempt=3)
    for _ in range(5):
        world.clock.advance(2 * MAX_AGE.total_seconds())
        await world.deliver(body)
        envelope, seconds = world.copy
        assert (envelope.attempt, envelope.sent_at) == (3, world.clock.now)
        assert 60.0 <= seconds <= 61.0
        body = envelope.model_dump_json().encode()
        world.queue.waiting.clear()
    assert not world.dead_letters.messages


CHANGE = ChangePause(
    stage=Stage.REPORT, command_id="cmd-1", paused=True, by="ann", at=FakeClock().now, reason="wrong mail"
)


async def test_every_stage_takes_a_pause() -> None:
    world = ending(RuntimeError("the handler is not asked"))
    body = new_envelope(CHANGE, correlation_id="cmd-1", now=world.clock.now).model_dump_json().encode()

    await world.deliver(body)

    assert world.paused == [CHANGE]
    assert not world.queue.waiting


async def test_a_pause_that_is_none_is_dead_lettered() -> None:
    world = ending(Done())
    payload = {"kind": "change_pause", "paused": "perhaps"}
    envelope = new_envelope(CHANGE, correlation_id="cmd-1", now=world.clock.now)
    await world.deliver(envelope.model_copy(update={"payload": payload}).model_dump_json().encode())
    assert (world.dead_letter.reason, world.paused) == ("payload", [])


@pytest.mark.parametrize("kind", [[], {}, 1, None, "change_pausee"])
async def test_a_kind_that_is_none_is_dead_lettered(kind: Any) -> None:
    world = ending(Done())
    envelope = new_envelope(CHANGE, correlation_id="cmd-1", now=world.clock.now)
    await world.deliver(envelope.model_copy(update={"payload": {"kind": kind}}).model_dump_json().encode())
    assert world.dead_letter.reason == "payload"


async def test_what_can_never_be_handled_is_dead_lettered_with_its_reason() -> None:
    world = ending(Reject("no_incident", "inc-1"))
    body = a_body(world.clock)

    await world.deliver(body)

    assert (world.dead_letter.stage, world.dead_letter.message_id) == (Stage.REPORT, "message-1")
    assert (world.dead_letter.reason, world.dead_letter.detail) == ("no_incident", "inc-1")
    assert (base64.b64decode(world.dead_letter.body), world.dead_letter.dead_lettered_at) == (body, world.clock.now)
    assert not world.queue.waiting


@pytest.mark.parametrize("error", [RuntimeError("a bug"), NotFoundError("a record that must be there")])
async def test_a_bug_is_the_hosts_to_count(error: Exception) -> None:
    world = ending(error)

    with pytest.raises(type(error)):
        await world.deliver(a_body(world.clock))

    assert not world.queue.waiting
    assert not world.dead_letters.messages


def _changed(**changes: Any) -> bytes:
    document = new_envelope(PAYLOAD, correlation_id="inc-1", now=FakeClock().now).to_document()
    return json.dumps({**document, **changes}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "envelope"),
        (b"\x00\xff", "envelope"),
        (b"[]", "envelope"),
        (b"{}", "envelope"),
        (_changed(v=2), "envelope"),
        (_changed(payload=[]), "envelope"),
        (_changed(payload={}), "payload"),
        (_changed(payload={"kind": "incident_changed"}), "payload"),
        (_changed(payload=PullChunk(incident_id="inc-1", chunk_id="c").to_document()), "payload"),
    ],
)
async def test_what_cannot_be_read_is_dead_lettered_and_never_handled(body: bytes, reason: str) -> None:
    world = ending(RuntimeError("handled"))

    await world.deliver(body)

    assert world.dead_letter.reason == reason
    assert base64.b64decode(world.dead_letter.body) == body


@pytest.mark.parametrize("body", [_changed(more=1), _changed(payload={**PAYLOAD.to_document(), "more": 1})])
async def test_a_field_that_a_newer_version_added_stops_nothing(body: bytes) -> None:
    seen: list[Any] = []

    async def handle(message: Any, deps: Deps) -> Outcome:
        seen.append(message)
        return Done()

    world = World(handle)
    await world.deliver(body)
    assert [message.incident_id for message in seen] == [PAYLOAD.incident_id]
    assert not world.dead_letters.messages


@given(st.binary(max_size=200))
async def test_no_body_makes_a_trigger_fail(body: bytes) -> None:
    world = ending(RuntimeError("handled"))

    await world.deliver(body)
    await dead_letter_poison(Stage.REPORT, Delivery(id="message-2", body=body, dequeue_count=5), world.runner)

    assert [base64.b64decode(message.body) for message in world.dead_letters.messages.values()] == [body, body]


async def test_why_it_was_dead_lettered_says_where_and_not_what() -> None:
    world = ending(Done())

    await world.deliver(_changed(payload={"kind": "incident_changed", "incidentId": ["ann@contoso.example"]}))

    assert "incidentId" in world.dead_letter.detail
    assert "ann@" not in world.dead_letter.detail


async def test_poison_is_kept_and_named_by_its_incident(caplog: pytest.LogCaptureFixture) -> None:
    world = ending(Done())
    body = a_body(world.clock)

    with caplog.at_level(logging.ERROR, "clawback"):
        await dead_letter_poison(Stage.REPORT, Delivery(id="message-1", body=body, dequeue_count=5), world.runner)

    assert (world.dead_letter.reason, base64.b64decode(world.dead_letter.body)) == ("poison", body)
    assert json.loads(caplog.messages[0].removeprefix("message_dead_lettered ")) == {
        "stage": "report",
        "reason": "poison",
        "correlation_id": "inc-1",
    }


@pytest.mark.parametrize("outcome", [Done(), RetryLater("later"), Reject("never")])
async def test_wherever_the_process_dies_the_next_delivery_ends_the_same(outcome: Outcome) -> None:
    async def handle(message: Any, deps: Deps) -> Outcome:
        return outcome

    dry = Checkpoints()
    world = World(handle, dry)
    await world.deliver(a_body(world.clock))
    expected = (len(world.queue.waiting), len(world.dead_letters.messages))

    for place in range(dry.passed):
        checkpoints = Checkpoints(die_at=place)
        world = World(handle, checkpoints)
        body = a_body(world.clock)
        with pytest.raises(ProcessDied):
            await world.deliver(body)
        checkpoints.revive()
        await world.deliver(body)
        # One copy too many is what "at least once" means; a lost one would be a lost mailbox.
        assert len(world.dead_letters.messages) == expected[1]
        copies = [message for message in world.queue.waiting if not message.envelope.spare]
        assert expected[0] <= len(copies) <= 2 * expected[0]
        assert len(world.queue.waiting) - len(copies) <= 1


async def test_a_host_that_dies_leaves_a_spare_copy_of_its_message() -> None:
    async def handle(message: Any, deps: Deps) -> Outcome:
        raise ProcessDied("in the middle")

    world = World(handle)
    with pytest.raises(ProcessDied):
        await world.deliver(a_body(world.clock, attempt=3))

    envelope, seconds = world.copy
    assert (envelope.payload, envelope.attempt, envelope.spare) == (PAYLOAD.to_document(), 3, True)
    assert (envelope.sent_at, seconds) == (world.clock.now, SPARE_AFTER.total_seconds())


async def test_a_message_that_kills_hosts_has_one_spare_copy_and_no_more() -> None:
    async def handle(message: Any, deps: Deps) -> Outcome:
        raise ProcessDied("in the middle")

    world = World(handle)
    with pytest.raises(ProcessDied):
        await world.deliver(a_body(world.clock))
    (spare,) = world.queue.waiting
    world.queue.waiting.clear()
    with pytest.raises(ProcessDied):
        await world.deliver(spare.body)
    assert world.queue.waiting == []


@pytest.mark.parametrize("outcome", [Done(), Reject("never"), ValueError("unknown")])
async def test_no_spare_copy_is_left_of_what_was_dealt_with(outcome: Outcome | Exception) -> None:
    world = ending(outcome)
    with suppress(ValueError):
        await world.deliver(a_body(world.clock))
    assert world.queue.waiting == []


async def test_the_delayed_copy_of_a_spare_copy_is_a_message_as_others() -> None:
    world = ending(RetryLater("later", 1.0))
    envelope = spare_copy(Envelope.model_validate_json(a_body(world.clock)))
    await world.deliver(envelope.model_dump_json().encode())
    copy, _ = world.copy
    assert (copy.spare, copy.attempt) == (False, 1)


@pytest.mark.parametrize("what", ["keep_spare", "drop_spare"])
async def test_without_a_spare_copy_the_work_is_done_all_the_same(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = ending(Done())

    async def fails(*_args: Any, **_options: Any) -> Any:
        raise UnavailableError("queue")

    monkeypatch.setattr(world.queue, what, fails)
    await world.deliver(a_body(world.clock))
    assert len(world.queue.waiting) == (what == "drop_spare")


def test_patience_is_longer_than_any_one_wait() -> None:
    assert timedelta(hours=1) < MAX_AGE


@pytest.mark.parametrize(
    ("outcome", "service"),
    [
        (UnavailableError("Graph", 1), True),
        (RetryLater("targets left", 1.0, service=True), True),
        (ConflictError("incident"), False),
        (DeniedError("Graph"), False),
        (RetryLater("claimed", 1.0), False),
    ],
)
async def test_whether_a_service_is_waited_for_is_told(
    outcome: Outcome | Exception, service: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = ending(outcome)

    with caplog.at_level(logging.INFO, "clawback"):
        await world.deliver(a_body(world.clock))

    (line,) = [one for one in map(logging.LogRecord.getMessage, caplog.records) if one.startswith("message_retried ")]
    assert json.loads(line.removeprefix("message_retried "))["service"] is service
