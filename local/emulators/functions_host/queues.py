"""The queue listener, with the rules of the WebJobs SDK's listener as it was observed (fidelity.md 1).

read up to batchSize messages, hidden for the lease ──none──▶ wait: random, around a doubling, up to maxPollingInterval
    │
    ├── not Base64: no attempt; move it to `<queue>-poison` at once
    ▼ each at the same time; the next read when no more than newBatchThreshold are still running
invoke ──ok──▶ delete
    │ failed (or not UTF-8: the function is not called)
    ├── dequeue count < maxDequeueCount: hide it for visibilityTimeout
    └── else: move it to `<queue>-poison`

A message is moved unchanged: its content as it was on the queue, as a new message. From a `-poison` queue nothing is
moved, and nothing is shown again early: the message waits until its lease ends. So a message that cannot be decoded
never reaches a function, not even the poison trigger: it stays in the poison queue until it expires.

Sources of the two rules about decoding: azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Queues:
`QueueServiceClientProvider` (its handler of failed decoding; pull request 18326) and `BinaryDataExtensions` (UTF-8
that throws on invalid bytes). Read, not observed.
"""

import asyncio
import base64
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.emulators.functions_host.clock import Clock, within
from local.emulators.functions_host.config import HostError, QueueSettings
from local.emulators.functions_host.pool import InvocationError

POISON_SUFFIX = "-poison"
LEASE = timedelta(minutes=10)
"""How long a message that is being worked on stays hidden; fixed in the extension, renewed at half of it."""

# What .NET's Convert.FromBase64String passes over.
_IGNORED = str.maketrans("", "", " \t\r\n")

# The extension's shortest interval between two reads of an empty queue, and the unit that is doubled.
_MINIMUM = 0.1

_log = logging.getLogger("host")

Invoke = Callable[[dict[str, Any], bytes], Awaitable[object]]


class Backoff:
    """How long to wait after reading an empty queue: seconds."""

    def __init__(self, maximum: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._maximum = max(maximum, _MINIMUM)
        self._uniform = uniform
        self._tries = 0

    def found(self) -> None:
        """A message was there: start again from the shortest wait."""
        self._tries = 0

    def next(self) -> float:
        """The next wait."""
        self._tries += 1
        if self._tries == 1:
            return _MINIMUM
        try:
            grown = self._uniform(0.8, 1.2) * _MINIMUM * 2.0 ** (self._tries - 2)
        except OverflowError:
            return self._maximum
        return min(_MINIMUM + grown, self._maximum)


class QueueListener:
    """Feeds one function from its queue.

    Args:
        queue: the function's queue.
        poison: where messages go that failed too often; None for a queue that is a poison queue itself.
        settings: host.json's `extensions.queues`.
        lease: how long a message stays hidden while it is worked on.
        invoke: calls the function with trigger metadata and body; `InvocationError` if it fails.
        poisoned: called when a message went to the poison queue, so that its listener need not wait.
        clock: what polling and the renewal of leases go by.
    """

    def __init__(
        self,
        queue: QueueClient,
        poison: QueueClient | None,
        settings: QueueSettings,
        lease: timedelta,
        invoke: Invoke,
        poisoned: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._poison = poison
        self._settings = settings
        self._lease = int(lease.total_seconds())
        self._invoke = invoke
        self._poisoned = poisoned
        self._clock = clock
        self._backoff = Backoff(settings.max_polling_interval.total_seconds())
        self._running: set[asyncio.Task[None]] = set()
        self._nudge = asyncio.Event()
        self._stopping = False

    async def check(self) -> None:
        """Look whether the queues are there; `HostError` if not: the templates make them, not the host."""
        for queue in (self._queue, self._poison):
            if queue is not None:
                try:
                    await queue.get_queue_properties()
                except ResourceNotFoundError:
                    raise HostError(f"there is no queue {queue.queue_name!r}") from None

    async def run(self) -> None:
        """Listen until `stop`; returns when the last message that was taken is dealt with."""
        while not self._stopping:
            messages = await self._read()
            if not messages:
                await self._pause(self._backoff.next())
                continue
            self._backoff.found()
            for message, body in messages:
                task = asyncio.create_task(self._process(message, body))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            while len(self._running) > self._settings.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        if self._running:
            await asyncio.wait(self._running)

    def stop(self) -> None:
        """Take no more messages."""
        self._stopping = True
        self._nudge.set()

    def nudge(self) -> None:
        """Read now: there is something."""
        self._nudge.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await within(self._clock, seconds, self._nudge.wait())
        if not self._stopping:
            self._nudge.clear()

    async def _read(self) -> list[tuple[QueueMessage, bytes]]:
        """The next messages and their bodies; what cannot be decoded is dealt with, and left out."""
        found: list[tuple[QueueMessage, bytes]] = []
        for message in await self._receive():
            try:
                found.append((message, self._decoded(message)))
            except ValueError:
                _log.warning("Message decoding has failed! Check MessageEncoding settings. MessageId=%s", message.id)
                await self._guarded(message, self._move_to_poison(message))
        return found

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._settings.batch_size,
            max_messages=self._settings.batch_size,
            visibility_timeout=self._lease,
        ).by_page()
        try:
            # One page is one request; the SDK would go on asking until it has as many as it may.
            async for page in pages:
                return [message async for message in page]
        except AzureError as error:
            _log.error("An error occurred while reading queue '%s': %s", self._queue.queue_name, error)
        return []

    async def _process(self, message: QueueMessage, body: bytes) -> None:
        finished = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, finished))
        try:
            ok = (message.dequeue_count or 1) <= self._settings.max_dequeue_count and await self._attempt(message, body)
        finally:
            # Not cancelled: a renewal that is under way changes the pop receipt, which is needed below.
            finished.set()
            await renewal
        await self._guarded(message, self._complete(message, ok=ok))

    async def _guarded(self, message: QueueMessage, work: Awaitable[None]) -> None:
        try:
            await work
        except ResourceNotFoundError:
            # The lease had ended, and another host has the message now: it is theirs.
            _log.warning("Message %s was taken by another host", message.id)
        except AzureError as error:
            _log.error("Message %s: %s; it comes back when its lease ends", message.id, error)

    async def _attempt(self, message: QueueMessage, body: bytes) -> bool:
        try:
            # The extension binds a message without a data type as a string.
            body.decode()
            await self._invoke(_metadata(message), body)
        except (InvocationError, UnicodeDecodeError) as error:
            # An error in decoding would print the body.
            reason = error if isinstance(error, InvocationError) else "it is not UTF-8"
            _log.error("Message %s from '%s' failed: %s", message.id, self._queue.queue_name, reason)
            return False
        return True

    async def _renew(self, message: QueueMessage, finished: asyncio.Event) -> None:
        while True:
            try:
                await within(self._clock, self._lease / 2, finished.wait())
            except TimeoutError:
                await self._renew_once(message)
            else:
                return

    async def _renew_once(self, message: QueueMessage) -> None:
        try:
            renewed = await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=self._lease)
        except AzureError as error:
            _log.error("Message %s: its lease could not be renewed: %s", message.id, error)
        else:
            message.pop_receipt = renewed.pop_receipt

    async def _complete(self, message: QueueMessage, *, ok: bool) -> None:
        if ok:
            await self._queue.delete_message(message.id, message.pop_receipt)
        elif (message.dequeue_count or 1) >= self._settings.max_dequeue_count:
            await self._move_to_poison(message)
        elif self._poison is not None:
            hidden = int(self._settings.visibility_timeout.total_seconds())
            await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=hidden)

    async def _move_to_poison(self, message: QueueMessage) -> None:
        if self._poison is None:
            return
        _log.warning(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            self._settings.max_dequeue_count,
            self._poison.queue_name,
        )
        await self._poison.send_message(message.content)
        await self._queue.delete_message(message.id, message.pop_receipt)
        self._poisoned()

    def _decoded(self, message: QueueMessage) -> bytes:
        """The body; `ValueError` if it is not Base64 (or has characters outside ASCII)."""
        text: str = message.content
        return base64.b64decode(text.translate(_IGNORED), validate=True) if self._settings.base64 else text.encode()


def _metadata(message: QueueMessage) -> dict[str, Any]:
    times = {
        "ExpirationTime": message.expires_on,
        "InsertionTime": message.inserted_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        **{name: moment.isoformat() for name, moment in times.items() if moment},
    }
