"""Azure Storage Queues: the only place that knows azure-storage-queue."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueMessage, StorageErrorCode, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.adapters.storage import RETRIES, translate_errors
from shared.clock import Clock
from shared.errors import NotFoundError
from shared.names import POISON_SUFFIX, QUEUES, Stage
from shared.pipeline.envelope import MAX_BODY, Envelope, new_envelope
from shared.pipeline.payloads import Payload
from shared.ports.health import Probe, look
from shared.ports.queue import Spare

# The service's default of seven days would throw away what waits for an administrator.
_NEVER = -1

# The service takes 2,000 messages a second per queue; more at once only queue up in our own process.
_AT_ONCE = 16

# The most that one peek gives. Order is best effort, so the oldest is not always the first.
_FRONT = 32


class StorageQueues:
    """`MessageQueue` over one storage account."""

    def __init__(self, url: str, credential: AsyncTokenCredential, now: Clock) -> None:
        self._service = QueueServiceClient(url, credential=credential, **RETRIES)
        self._clients: dict[Stage, QueueClient] = {}
        self._now = now

    async def send(
        self, payload: Payload, *, correlation_id: str, delay: timedelta | None = None, since: datetime | None = None
    ) -> None:
        """See `MessageQueue.send`."""
        await self._put(new_envelope(payload, correlation_id=correlation_id, now=since or self._now()), delay)

    async def send_all(self, payloads: Iterable[Payload], *, correlation_id: str) -> None:
        """See `MessageQueue.send_all`."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(payload: Payload) -> None:
            async with gate:
                await self.send(payload, correlation_id=correlation_id)

        try:
            async with asyncio.TaskGroup() as group:
                for payload in payloads:
                    group.create_task(one(payload))
        except ExceptionGroup as failed:
            # The first error is why the others were cancelled. The stage runner knows single errors only, no groups.
            raise failed.exceptions[0] from failed

    async def send_copy(self, envelope: Envelope, *, delay: timedelta) -> None:
        """See `MessageQueue.send_copy`."""
        await self._put(envelope, delay)

    async def keep_spare(self, envelope: Envelope, *, delay: timedelta) -> Spare:
        """See `MessageQueue.keep_spare`."""
        sent = await self._put(envelope, delay)
        return Spare(envelope.stage, sent.id, sent.pop_receipt or "")

    async def drop_spare(self, spare: Spare) -> None:
        """See `MessageQueue.drop_spare`."""
        with suppress(NotFoundError), translate_errors("drop a spare copy"):
            try:
                await self._client(spare.stage).delete_message(spare.id, spare.receipt)
            except HttpResponseError as error:
                # Somebody has taken it, and its receipt has changed.
                if getattr(error, "error_code", None) != StorageErrorCode.POP_RECEIPT_MISMATCH:
                    raise

    async def oldest(self) -> dict[Stage, float]:
        """See `MessageQueue.oldest`."""
        ages = await asyncio.gather(*map(self._age, Stage))
        return dict(zip(Stage, ages, strict=True))

    async def probe(self) -> list[Probe]:
        """See `MessageQueue.probe`."""
        names = [name for queue in QUEUES.values() for name in (queue, queue + POISON_SUFFIX)]
        return list(await asyncio.gather(*(look(f"queue {name}", self._peek(name)) for name in names)))

    async def close(self) -> None:
        """Give the connections back."""
        await self._service.close()

    async def _peek(self, name: str) -> None:
        with translate_errors("peek"):
            await self._service.get_queue_client(name).peek_messages(1)

    async def _put(self, envelope: Envelope, delay: timedelta | None) -> QueueMessage:
        body = envelope.model_dump_json(exclude_none=True)
        if len(body.encode()) > MAX_BODY:
            raise ValueError(f"{envelope.stage}: a message of {len(body)} characters; queues carry ids only")
        seconds = int(delay.total_seconds() + 0.999) if delay else None
        with translate_errors(f"send to {envelope.stage}"):
            client = self._client(envelope.stage)
            return await client.send_message(body, visibility_timeout=seconds, time_to_live=_NEVER)

    async def _age(self, stage: Stage) -> float:
        with translate_errors(f"peek at {stage}"):
            front = await self._client(stage).peek_messages(_FRONT)
        sent = [message.inserted_on for message in front if message.inserted_on is not None]
        return max((self._now() - min(sent)).total_seconds(), 0.0) if sent else 0.0

    def _client(self, stage: Stage) -> QueueClient:
        if stage not in self._clients:
            # The one place that sets the encoding. The host expects Base64 (host.json), the SDK would send plain text.
            self._clients[stage] = self._service.get_queue_client(
                QUEUES[stage], message_encode_policy=TextBase64EncodePolicy()
            )
        return self._clients[stage]
