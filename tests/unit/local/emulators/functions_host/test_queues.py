"""The listener by itself, in this process: what the host's functions cannot see."""

import asyncio
import base64
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from azure.storage.queue.aio import QueueClient, QueueServiceClient
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.functions_host.config import HostError, QueueSettings
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.queues import LEASE, Backoff, QueueListener

SETTINGS = QueueSettings(
    batch_size=4,
    new_batch_threshold=0,
    max_dequeue_count=2,
    visibility_timeout=timedelta(0),
    max_polling_interval=timedelta(milliseconds=100),
    base64=True,
)


@given(st.floats(0.1, 3600), st.lists(st.floats(0.8, 1.2), min_size=50, max_size=50))
def test_waits_grow_up_to_the_maximum_and_start_again_when_something_is_found(
    maximum: float, randomness: list[float]
) -> None:
    rolls = iter(randomness)
    backoff = Backoff(maximum, lambda _low, _high: next(rolls))
    waits = [backoff.next() for _ in randomness]
    assert waits[0] == 0.1
    assert all(a <= b for a, b in pairwise(waits))
    assert waits[-1] == maximum
    backoff.found()
    assert backoff.next() == 0.1


def test_a_queue_that_is_idle_for_days_does_not_overflow() -> None:
    backoff = Backoff(60)
    assert [backoff.next() for _ in range(3000)][-1] == 60


@pytest.fixture
async def pair(queues: QueueServiceClient) -> tuple[QueueClient, QueueClient]:
    name = f"t{uuid.uuid4().hex}"
    return await queues.create_queue(name), await queues.create_queue(f"{name}-poison")


async def _send(queue: QueueClient, *bodies: bytes) -> None:
    for body in bodies:
        await queue.send_message(base64.b64encode(body).decode(), time_to_live=-1)


async def _run_until(listener: QueueListener, done: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        running = asyncio.create_task(listener.run())
        await done.wait()
        listener.stop()
        await running


@pytest.mark.cloud
async def test_the_poison_copy_is_a_new_message_that_expires_after_seven_days(
    pair: tuple[QueueClient, QueueClient],
) -> None:
    work, poison = pair
    done = asyncio.Event()
    counts: list[int] = []

    async def fail(metadata: dict[str, Any], _: bytes) -> None:
        counts.append(metadata["DequeueCount"])
        raise InvocationError("as asked")

    await _send(work, b"\xff\x00")
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, fail, done.set), done)
    assert counts == [1, 2]
    [copy] = [message async for message in poison.receive_messages()]
    assert base64.b64decode(copy.content) == b"\xff\x00"
    assert copy.dequeue_count == 1
    assert copy.expires_on
    assert abs(copy.expires_on - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


@pytest.mark.cloud
async def test_a_message_that_was_taken_too_often_is_poisoned_unasked(pair: tuple[QueueClient, QueueClient]) -> None:
    work, poison = pair
    done = asyncio.Event()
    asked: list[bytes] = []

    async def never(_: dict[str, Any], body: bytes) -> None:
        asked.append(body)

    await _send(work, b"x")
    for _ in range(SETTINGS.max_dequeue_count):
        # Somebody takes it and dies.
        [message] = [message async for message in work.receive_messages(visibility_timeout=600)]
        await work.update_message(message, visibility_timeout=0)
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, never, done.set), done)
    assert asked == []
    assert (await poison.get_queue_properties()).approximate_message_count == 1


@pytest.mark.cloud
async def test_no_more_than_a_batch_runs_at_once_and_a_new_one_waits_for_the_threshold(
    pair: tuple[QueueClient, QueueClient],
) -> None:
    work, poison = pair
    done = asyncio.Event()
    running, most, count = 0, 0, 0

    async def busy(_metadata: dict[str, Any], _body: bytes) -> None:
        nonlocal running, most, count
        running += 1
        most = max(most, running)
        # Lets the listener read on, if it would.
        for _ in range(20):
            await asyncio.sleep(0)
        running -= 1
        count += 1
        if count == 10:
            done.set()

    await _send(work, *(bytes([number]) for number in range(10)))
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, busy, done.set), done)
    assert most == 4
    assert (await work.get_queue_properties()).approximate_message_count == 0


@pytest.mark.cloud
async def test_a_missing_queue_is_said_at_the_start(queues: QueueServiceClient) -> None:
    async def never(_metadata: dict[str, Any], _: bytes) -> None: ...

    listener = QueueListener(queues.get_queue_client("nowhere"), None, SETTINGS, LEASE, never, lambda: None)
    with pytest.raises(HostError, match="nowhere"):
        await listener.check()
