import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Self
from xml.etree import ElementTree as ET

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.queue.aio import QueueServiceClient

from shared.adapters.storage_queue import StorageQueues
from shared.errors import UnavailableError
from shared.pipeline.envelope import Envelope, new_envelope
from shared.pipeline.payloads import ChunkChanged, IncidentChanged
from tests.fakes.clock import START, FakeClock
from tests.fakes.credential import FakeCredential

PAYLOAD = IncidentChanged(incident_id="inc-ü")


class Wire(AsyncHttpTransport[Any, Any]):
    """Answers every request as the test says, and keeps it."""

    def __init__(self, answer: Callable[[Any], Awaitable[Any]]) -> None:
        self.requests: list[Any] = []
        self._answer = answer

    async def send(self, request: Any, **_: Any) -> Any:
        self.requests.append(request)
        return await self._answer(request)

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


async def _no_connection(request: Any) -> Any:
    await asyncio.sleep(0)
    raise ServiceRequestError("no connection")


@pytest.fixture
async def queues() -> AsyncIterator[tuple[StorageQueues, Wire]]:
    made = StorageQueues("https://queues.example", FakeCredential(), FakeClock())
    await made.close()
    wire = Wire(_no_connection)
    made._service = QueueServiceClient(
        "https://queues.example", credential=FakeCredential(), transport=wire, retry_total=0
    )
    yield made, wire
    await made.close()


async def test_what_goes_over_the_wire_is_base64_that_never_expires(queues: tuple[StorageQueues, Wire]) -> None:
    port, wire = queues

    with pytest.raises(UnavailableError, match="send to report"):
        await port.send(PAYLOAD, correlation_id="inc-1", delay=timedelta(seconds=1.2))

    (request,) = wire.requests
    text = ET.fromstring(request.data).findtext("MessageText")  # noqa: S314 - our own SDK wrote it
    assert text is not None
    envelope = Envelope.model_validate_json(base64.b64decode(text, validate=True))
    assert envelope == new_envelope(PAYLOAD, correlation_id="inc-1", now=START).model_copy(update={"id": envelope.id})
    assert request.url.startswith("https://queues.example/report/messages?")
    assert "messagettl=-1" in request.url
    # Whole seconds, and not too early.
    assert "visibilitytimeout=2" in request.url


async def test_many_that_cannot_be_sent_are_one_error(
    queues: tuple[StorageQueues, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, wire = queues
    payloads = [ChunkChanged(incident_id="inc-1", chunk_id=f"plan.{i:04d}") for i in range(100)]

    # The stage runner knows UnavailableError, not a group that has some in it.
    with pytest.raises(UnavailableError, match="send to report"):
        await port.send_all(payloads, correlation_id="inc-1")

    # Who is refused does not go on asking.
    assert len(wire.requests) < len(payloads)


async def test_only_so_many_are_sent_at_once(
    queues: tuple[StorageQueues, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, _ = queues
    under_way, most, sent = 0, 0, 0

    async def put(envelope: Envelope, delay: timedelta | None) -> None:
        nonlocal under_way, most, sent
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way, sent = under_way - 1, sent + 1

    monkeypatch.setattr(port, "_put", put)

    await port.send_all([PAYLOAD] * 100, correlation_id="inc-1")

    assert (sent, most) == (100, 16)


async def test_a_stage_has_one_client(queues: tuple[StorageQueues, Wire]) -> None:
    port, _ = queues

    assert port._client(PAYLOAD.stage) is port._client(PAYLOAD.stage)


def test_the_sdk_tries_twice_more_within_seconds() -> None:
    made = StorageQueues("https://queues.example", FakeCredential(), FakeClock())

    policy: Any = next(p for p in made._service._pipeline._impl_policies if hasattr(p, "get_backoff_time"))

    assert policy.total_retries == 2
    waits = [policy.get_backoff_time({"count": count}) for count in range(2)]
    assert sum(waits) <= 10
