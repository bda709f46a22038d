"""`MessageQueue`: what every implementation must do."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from shared.adapters.storage_queue import StorageQueues
from shared.bootstrap import Services
from shared.clock import utc_now
from shared.names import POISON_SUFFIX, QUEUES, Stage
from shared.pipeline.envelope import MAX_BODY, Envelope, delayed_copy, new_envelope
from shared.pipeline.payloads import ChunkChanged, IncidentChanged, PullChunk, UndoPull
from shared.ports.health import ProbeResult
from shared.ports.queue import MessageQueue
from tests.fakes.queue import FakeQueue

Received = Callable[[Stage], Awaitable[list[Envelope]]]


@pytest.fixture
async def queue(services: Services | None) -> AsyncIterator[tuple[MessageQueue, Received]]:
    if services is None:
        fake = FakeQueue()

        async def waiting(stage: Stage) -> list[Envelope]:
            taken = [m for m in fake.waiting if m.envelope.stage == stage and m.visible_at <= fake._now()]
            fake.waiting = [m for m in fake.waiting if m not in taken]
            return [message.envelope for message in taken]

        yield fake, waiting
        return

    async def received(stage: Stage) -> list[Envelope]:
        assert isinstance(services.queue, StorageQueues)
        client = services.queue._service.get_queue_client(QUEUES[stage])
        found = []
        async for message in client.receive_messages():
            found.append(Envelope.model_validate_json(base64.b64decode(message.content)))
            await client.delete_message(message)
        return found

    await received(Stage.REPORT)
    await received(Stage.QUARANTINE)
    yield services.queue, received


async def test_a_message_reaches_its_stage_whole(queue: tuple[MessageQueue, Received]) -> None:
    port, received = queue
    payload = PullChunk(incident_id="inc-ü'\"", chunk_id="plan.0001")

    await port.send(payload, correlation_id="inc-1")

    (envelope,) = await received(Stage.QUARANTINE)
    assert envelope.payload == payload.to_document()
    assert (envelope.stage, envelope.correlation_id, envelope.attempt) == (Stage.QUARANTINE, "inc-1", 0)
    assert await received(Stage.QUARANTINE) == []


async def test_many_messages_all_arrive(queue: tuple[MessageQueue, Received]) -> None:
    port, received = queue
    payloads = [ChunkChanged(incident_id="inc-1", chunk_id=f"plan.{i:04d}") for i in range(40)]

    await port.send_all(payloads, correlation_id="inc-1")

    arrived = await received(Stage.REPORT)
    assert sorted(e.payload["chunkId"] for e in arrived) == [p.chunk_id for p in payloads]
    assert len({e.id for e in arrived}) == 40


async def test_a_delayed_message_is_not_there_yet(queue: tuple[MessageQueue, Received]) -> None:
    port, received = queue

    await port.send(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1", delay=timedelta(hours=1))
    envelope = new_envelope(IncidentChanged(incident_id="inc-2"), correlation_id="inc-2", now=utc_now())
    await port.send_copy(delayed_copy(envelope), delay=timedelta(0))

    (copy,) = await received(Stage.REPORT)
    assert (copy.payload, copy.attempt, copy.sent_at) == (envelope.payload, 1, envelope.sent_at)


async def test_what_does_not_fit_a_message_is_a_bug_and_is_said(queue: tuple[MessageQueue, Received]) -> None:
    port, _ = queue
    targets = tuple(f"target-{i:026d}" for i in range(MAX_BODY // 30))
    payload = UndoPull(incident_id="inc-1", targets=targets, all=False, command_id="cmd-1", by="Ann", at=utc_now())

    with pytest.raises(ValueError, match="queues carry ids only"):
        await port.send(payload, correlation_id="inc-1")


async def test_the_largest_message_that_we_allow_is_taken(queue: tuple[MessageQueue, Received]) -> None:
    port, received = queue
    payload = UndoPull(incident_id="inc-1", all=True, command_id="cmd-1", by="Ann", at=utc_now())
    room = MAX_BODY - len(
        new_envelope(payload, correlation_id="inc-1", now=utc_now()).model_dump_json(exclude_none=True)
    )
    # A moment of whole seconds is written shorter.
    envelope = new_envelope(
        payload.model_copy(update={"reason": "x" * (room - 8)}), correlation_id="inc-1", now=utc_now()
    )

    await port.send_copy(envelope, delay=timedelta(0))

    assert await received(Stage.QUARANTINE) == [envelope]


async def test_the_oldest_message_that_can_be_taken_has_an_age(queue: tuple[MessageQueue, Received]) -> None:
    port, received = queue
    await port.send(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1", delay=timedelta(hours=1))
    assert (await port.oldest())[Stage.REPORT] == 0.0

    await port.send(IncidentChanged(incident_id="inc-2"), correlation_id="inc-2")
    _passes(port, timedelta(minutes=10))

    ages = await port.oldest()
    assert set(ages) == set(Stage)
    assert 600 <= ages[Stage.REPORT] < 660
    assert ages[Stage.ENRICH] == 0.0
    # Looking takes nothing away.
    assert len(await received(Stage.REPORT)) == 1
    assert (await port.oldest())[Stage.REPORT] == 0.0


def _passes(port: MessageQueue, time: timedelta) -> None:
    now = port._now  # type: ignore[attr-defined]  # both implementations are given their clock
    port._now = lambda: now() + time  # type: ignore[attr-defined]  # and the service stamps messages with its own


async def test_looking_finds_each_queue_and_its_poison_queue_well(queue: tuple[MessageQueue, Received]) -> None:
    names = {name for queue_name in QUEUES.values() for name in (queue_name, queue_name + POISON_SUFFIX)}
    assert {(probe.what, probe.result) for probe in await queue[0].probe()} == {
        (f"queue {n}", ProbeResult.OK) for n in names
    }
