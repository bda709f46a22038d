"""A clock and a queue that only tests move: nothing here waits for real."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueMessage, QueueProperties
from azure.storage.queue.aio import QueueClient

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# More turns of the event loop than any chain of awaits in the host has.
_TURNS = 50


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class VirtualClock:
    """`Clock` whose time passes in `advance` only."""

    def __init__(self) -> None:
        self._now = START
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: each sleeper wakes at its time, and what it does then is done before the next one."""
        end = self._now + timedelta(seconds=seconds)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._now = end


@dataclass
class _Stored:
    id: str
    content: str
    visible_at: datetime
    expires_at: datetime
    dequeue_count: int = 0
    pop_receipt: str = ""


@dataclass
class FakeStorageQueue:
    """A Storage queue by the virtual clock, with leases and pop receipts, as far as the listener uses one."""

    queue_name: str
    clock: VirtualClock
    messages: list[_Stored] = field(default_factory=list)
    reads: list[datetime] = field(default_factory=list)
    """When it was read."""
    renewed: list[datetime] = field(default_factory=list)
    """When the lease on a message was changed."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def client(self) -> QueueClient:
        return cast("QueueClient", self)

    @property
    def contents(self) -> list[str]:
        """Everything that is in it, hidden or not."""
        return [message.content for message in self.messages]

    async def get_queue_properties(self) -> QueueProperties:
        return QueueProperties()

    async def send_message(self, content: str) -> None:
        # Without a time to live, the service gives one of seven days.
        expires = self.clock.now() + timedelta(days=7)
        self.messages.append(_Stored(f"m{next(self._numbers)}", content, self.clock.now(), expires))

    def receive_messages(self, *, messages_per_page: int, max_messages: int, visibility_timeout: int) -> "_Pages":
        self.reads.append(self.clock.now())
        taken = [one for one in self.messages if one.visible_at <= self.clock.now()][:max_messages]
        for message in taken:
            message.dequeue_count += 1
            self._hide(message, visibility_timeout)
        return _Pages([_as_sdk(message) for message in taken])

    async def update_message(self, message: str, pop_receipt: str, *, visibility_timeout: int) -> QueueMessage:
        found = self._held(message, pop_receipt)
        self._hide(found, visibility_timeout)
        self.renewed.append(self.clock.now())
        return _as_sdk(found)

    async def delete_message(self, message: str, pop_receipt: str) -> None:
        self.messages.remove(self._held(message, pop_receipt))

    def _hide(self, message: _Stored, seconds: int) -> None:
        message.visible_at = self.clock.now() + timedelta(seconds=seconds)
        message.pop_receipt = f"r{next(self._numbers)}"

    def _held(self, message_id: str, pop_receipt: str) -> _Stored:
        for message in self.messages:
            if (message.id, message.pop_receipt) == (message_id, pop_receipt):
                return message
        raise ResourceNotFoundError("the pop receipt is not the newest one")


@dataclass
class _Pages:
    messages: list[QueueMessage]

    async def by_page(self) -> AsyncIterator[AsyncIterator[QueueMessage]]:
        async def page() -> AsyncIterator[QueueMessage]:
            for message in self.messages:
                yield message

        yield page()


def _as_sdk(stored: _Stored) -> QueueMessage:
    message = QueueMessage(content=stored.content)
    message.id = stored.id
    message.pop_receipt = stored.pop_receipt
    message.dequeue_count = stored.dequeue_count
    message.inserted_on = START
    message.expires_on = stored.expires_at
    message.next_visible_on = stored.visible_at
    return message
