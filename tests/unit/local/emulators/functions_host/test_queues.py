"""The listener by itself, in this process: rules and times on a fake queue by a virtual clock, the rest on Azurite."""

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from azure.storage.queue.aio import QueueClient, QueueServiceClient
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.functions_host.clock import SystemClock
from local.emulators.functions_host.config import HostError, QueueSettings
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.queues import LEASE, Backoff, QueueListener
from tests.unit.local.emulators.functions_host.virtual import START, FakeStorageQueue, VirtualClock

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


IDLE = replace(SETTINGS, max_polling_interval=timedelta(seconds=30))
"""Few reads in a long time."""


class World:
    """A queue, its poison queue and a listener on each, by one virtual clock."""

    def __init__(self, settings: QueueSettings = IDLE) -> None:
        self.clock = VirtualClock()
        self.work = FakeStorageQueue("work", self.clock)
        self.poison = FakeStorageQueue("work-poison", self.clock)
        self.seen: list[tuple[str, int, bytes]] = []
        """Queue, dequeue count and body of each call of a function."""
        self.calls: Callable[[bytes], Awaitable[None]] = _succeed
        """What the function of the queue `work` does."""
        on_poison = QueueListener(
            self.poison.client, None, settings, LEASE, self._of("work-poison"), lambda: None, self.clock
        )
        self.listener = QueueListener(
            self.work.client, self.poison.client, settings, LEASE, self._of("work"), on_poison.nudge, self.clock
        )
        self.listeners = (self.listener, on_poison)

    def _of(self, queue: str) -> Callable[[dict[str, Any], bytes], Awaitable[None]]:
        async def invoke(metadata: dict[str, Any], body: bytes) -> None:
            self.seen.append((queue, metadata["DequeueCount"], body))
            await self.calls(body)

        return invoke

    async def run(self, seconds: float) -> None:
        """Listen for so long."""
        running = asyncio.gather(*(listener.run() for listener in self.listeners))
        await self.clock.advance(seconds)
        for listener in self.listeners:
            listener.stop()
        await running


async def _succeed(_: bytes) -> None: ...


async def _fail(_: bytes) -> None:
    raise InvocationError("as asked")


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


NOT_BASE64 = ["{not base64}", "grüße", "🎣", "YQ", "YQ==YQ==", "Y"]


@pytest.mark.parametrize("content", NOT_BASE64)
async def test_a_message_that_is_not_base64_is_moved_to_the_poison_queue_at_once_and_unchanged(content: str) -> None:
    world = World()
    await world.work.send_message(content)
    await world.run(10)
    assert world.work.contents == []
    assert world.poison.contents == [content]
    assert world.poison.messages[0].expires_at == START + timedelta(days=7)
    # No function is called, not even the poison trigger.
    assert world.seen == []


async def test_a_message_that_is_not_base64_does_not_stop_those_beside_it() -> None:
    world = World()
    for content in (_encoded(b"a"), "grüße", _encoded(b"b")):
        await world.work.send_message(content)
    await world.run(10)
    assert world.seen == [("work", 1, b"a"), ("work", 1, b"b")]
    assert (world.work.contents, world.poison.contents) == ([], ["grüße"])


async def test_a_message_that_cannot_be_decoded_is_read_in_the_poison_queue_once_per_lease_only() -> None:
    world = World()
    await world.work.send_message("grüße")
    await world.run(3 * LEASE.total_seconds() - 60)
    assert world.poison.messages[0].dequeue_count == 3
    assert world.poison.renewed == []


@pytest.mark.parametrize("body", [b"\xff\x00", "grüße".encode("latin-1")])
async def test_a_message_that_is_not_utf_8_fails_without_a_call_and_is_moved_unchanged(body: bytes) -> None:
    world = World()
    await world.work.send_message(_encoded(body))
    await world.run(10)
    assert world.seen == []
    assert (world.work.contents, world.poison.contents) == ([], [_encoded(body)])


@pytest.mark.parametrize("text", ["grüße", "🎣", "中文", ""])
async def test_text_outside_ascii_in_base64_reaches_the_function_and_the_poison_trigger(text: str) -> None:
    world = World()
    body = text.encode()

    async def fail(_: bytes) -> None:
        if not world.poison.messages:
            raise InvocationError("as asked")

    world.calls = fail
    await world.work.send_message(_encoded(body))
    await world.run(10)
    assert world.seen == [("work", 1, body), ("work", 2, body), ("work-poison", 1, body)]
    assert (world.work.contents, world.poison.contents) == ([], [])


async def test_line_ends_in_base64_are_passed_over() -> None:
    world = World()
    await world.work.send_message("YWJj\r\nZGVm")
    await world.run(10)
    assert world.seen == [("work", 1, b"abcdef")]


async def test_without_base64_a_message_is_its_text() -> None:
    world = World(replace(IDLE, base64=False))
    world.calls = _fail
    await world.work.send_message("grüße")
    await world.run(10)
    body = "grüße".encode()
    assert world.seen == [("work", 1, body), ("work", 2, body), ("work-poison", 1, body)]
    assert world.poison.contents == ["grüße"]


@given(st.binary(max_size=40), st.booleans())
def test_every_message_ends_and_none_is_lost(body: bytes, encoded: bool) -> None:
    content = _encoded(body) if encoded else body.decode("latin-1")

    async def scenario() -> None:
        world = World()
        world.calls = _fail
        await world.work.send_message(content)
        await world.run(10)
        assert (world.work.contents, world.poison.contents) == ([], [content])

    asyncio.run(scenario())


async def test_a_message_that_failed_is_hidden_for_the_visibility_timeout() -> None:
    world = World(replace(IDLE, visibility_timeout=timedelta(seconds=30)))
    world.calls = _fail
    await world.work.send_message(_encoded(b"x"))
    await world.run(29)
    assert world.seen == [("work", 1, b"x")]
    assert world.work.messages[0].visible_at == START + timedelta(seconds=30)


async def test_a_message_whose_poison_trigger_fails_waits_until_its_lease_ends() -> None:
    world = World()
    world.calls = _fail
    await world.poison.send_message(_encoded(b"x"))
    await world.run(LEASE.total_seconds() - 1)
    assert world.seen == [("work-poison", 1, b"x")]
    assert world.poison.messages[0].visible_at == START + LEASE


async def test_the_lease_is_renewed_at_half_its_length_while_the_function_runs() -> None:
    world = World()
    world.calls = lambda _: world.clock.sleep(700)
    await world.work.send_message(_encoded(b"x"))
    await world.run(1300)
    assert world.work.renewed == [START + timedelta(seconds=300), START + timedelta(seconds=600)]
    # Deleted with the newest pop receipt, and never seen twice.
    assert world.work.contents == []
    assert world.seen == [("work", 1, b"x")]


async def test_a_function_that_ends_while_its_lease_is_being_renewed_is_done_once() -> None:
    world = World()
    finish, renewing = asyncio.Event(), asyncio.Event()
    update = world.work.update_message

    async def slow(message: str, pop_receipt: str, *, visibility_timeout: int) -> Any:
        renewed = await update(message, pop_receipt, visibility_timeout=visibility_timeout)
        renewing.set()
        await world.clock.sleep(1)
        return renewed

    async def work(_: bytes) -> None:
        await finish.wait()

    world.work.update_message = slow  # type: ignore[method-assign]  # an answer that is slow to come
    world.calls = work
    await world.work.send_message(_encoded(b"x"))
    running = asyncio.create_task(world.run(1300))
    await renewing.wait()
    finish.set()
    await running
    assert world.seen == [("work", 1, b"x")]
    assert world.work.contents == []


async def test_an_empty_queue_is_read_more_and_more_seldom_and_at_once_when_nudged() -> None:
    world = World(replace(IDLE, max_polling_interval=timedelta(seconds=60)))
    running = asyncio.create_task(world.listener.run())
    await world.clock.advance(600)
    gaps = [later - earlier for earlier, later in pairwise(world.work.reads)]
    assert gaps[0] == timedelta(milliseconds=100)
    assert gaps[-1] == timedelta(seconds=60)
    before = len(world.work.reads)
    world.listener.nudge()
    await world.clock.advance(0)
    assert len(world.work.reads) == before + 1
    world.listener.stop()
    await running


async def test_a_message_that_was_taken_too_often_is_moved_without_a_call() -> None:
    world = World()
    await world.work.send_message(_encoded(b"x"))
    # Somebody takes it and dies, as often as is allowed.
    world.work.messages[0].dequeue_count = SETTINGS.max_dequeue_count
    await world.run(1)
    assert world.seen == [("work-poison", 1, b"x")]
    assert world.work.contents == []


@pytest.fixture
async def pair(queues: QueueServiceClient) -> tuple[QueueClient, QueueClient]:
    name = f"t{uuid.uuid4().hex}"
    return await queues.create_queue(name), await queues.create_queue(f"{name}-poison")


async def _send(queue: QueueClient, *bodies: bytes) -> None:
    for body in bodies:
        await queue.send_message(base64.b64encode(body).decode(), time_to_live=-1)


async def _run_until(listener: QueueListener, done: asyncio.Event) -> None:
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

    await _send(work, "grüße".encode())
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, fail, done.set, SystemClock()), done)
    assert counts == [1, 2]
    [copy] = [message async for message in poison.receive_messages()]
    assert base64.b64decode(copy.content).decode() == "grüße"
    assert copy.dequeue_count == 1
    assert copy.expires_on
    assert abs(copy.expires_on - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


@pytest.mark.cloud
@pytest.mark.parametrize("content", ["grüße", "<b>&amp;</b> 🎣"])
async def test_azurite_too_keeps_a_message_that_is_not_base64_as_it_is(
    pair: tuple[QueueClient, QueueClient], content: str
) -> None:
    work, poison = pair
    done = asyncio.Event()
    await work.send_message(content)
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, _never, done.set, SystemClock()), done)
    assert [message.content async for message in poison.receive_messages()] == [content]
    assert (await work.get_queue_properties()).approximate_message_count == 0


async def _never(_metadata: dict[str, Any], _: bytes) -> None:
    raise AssertionError


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
    await _run_until(QueueListener(work, poison, SETTINGS, LEASE, busy, done.set, SystemClock()), done)
    assert most == 4
    assert (await work.get_queue_properties()).approximate_message_count == 0


@pytest.mark.cloud
async def test_a_missing_queue_is_an_error_at_the_start(queues: QueueServiceClient) -> None:
    listener = QueueListener(
        queues.get_queue_client("nowhere"), None, SETTINGS, LEASE, _never, lambda: None, SystemClock()
    )
    with pytest.raises(HostError, match="nowhere"):
        await listener.check()
