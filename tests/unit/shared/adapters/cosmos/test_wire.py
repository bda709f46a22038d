"""What the adapters ask of Cosmos DB, how often, and what they make of its refusals, over azure-cosmos and TLS."""

import json
import ssl
import urllib.request
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.pipeline.transport import AioHttpTransport

from local.cloud import LocalCloud
from shared.adapters.cosmos.database import document
from shared.adapters.cosmos.targets import CosmosTargets
from shared.bootstrap import Services
from shared.domain.batch import batch_size, sent_size
from shared.domain.ids import ChunkId, IncidentId, PlanId, TargetId
from shared.domain.target import MAX_CHUNK_TARGETS, Chunk, Hop, Mailbox, Target, Via
from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError, UnreadableError

pytestmark = pytest.mark.cloud


@dataclass(frozen=True)
class Cosmos:
    """The adapters, and the service's own administration."""

    services: Services
    cloud: LocalCloud

    def admin(self, path: str, body: Any = None) -> Any:
        """POST if there is a body, else GET."""
        request = urllib.request.Request(  # noqa: S310 - the local cloud's own address
            f"{self.cloud.state.cosmos_url}/_local/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-local-admin": self.cloud.state.admin_key, "content-type": "application/json"},
        )
        context = ssl.create_default_context(cafile=self.cloud.state.ca)
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310 - as above
            text = answer.read()
        return json.loads(text) if text else None

    async def counted(self, call: Awaitable[Any]) -> tuple[Any, dict[str, int]]:
        """The call's result and how often what was asked."""
        self.admin("stats/reset", {})
        result = await call
        return result, self.admin("stats")["byOperation"]


@pytest.fixture
async def cosmos(cloud_environment: LocalCloud) -> AsyncIterator[Cosmos]:
    made = Cosmos(Services.from_environment(), cloud_environment)
    # Opens the connection and looks at the container and its partitions, once per process.
    for _ in range(2):
        warm, targets = a_chunk(1)
        await made.services.targets.add_chunk(warm, targets)
        await made.services.targets.read_chunk(warm.id)
    yield made
    await made.services.close()


def a_chunk(targets: int = MAX_CHUNK_TARGETS) -> tuple[Chunk, list[Target]]:
    incident = IncidentId(f"inc-{uuid4().hex}")
    key, plan = ChunkId(f"{incident}.0000"), PlanId(incident)
    made = [
        Target(
            id=TargetId(f"target-{i}"),
            incident_id=incident,
            plan_id=plan,
            chunk_id=key,
            mailbox=Mailbox(address=f"{i}@contoso.example"),
            message_key="msg",
            internet_message_id="<1@evil.example>",
            hops=(Hop(via=Via.ALERT, name="test"),),
        )
        for i in range(targets)
    ]
    return Chunk(id=key, incident_id=incident, plan_id=plan, targets=targets), made


async def test_a_chunk_is_one_request_each_way(cosmos: Cosmos) -> None:
    targets = cosmos.services.targets
    chunk, made = a_chunk()

    added, asked_to_add = await cosmos.counted(targets.add_chunk(chunk, made))
    (header, _), asked_to_read = await cosmos.counted(targets.read_chunk(chunk.id))
    _, asked_to_commit = await cosmos.counted(targets.commit(chunk, header.etag, made))

    assert added is True
    assert (asked_to_add, asked_to_read, asked_to_commit) == ({"batch": 1}, {"query": 1}, {"batch": 1})


async def test_sizes_are_those_of_what_is_sent(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[str] = []
    send = AioHttpTransport.send

    async def seen(transport: Any, request: Any, **given: Any) -> Any:
        bodies.append(request.data)
        return await send(transport, request, **given)

    monkeypatch.setattr(AioHttpTransport, "send", seen)
    chunk, made = a_chunk(5)
    odd = [
        t.model_copy(update={"subject": text})
        for t, text in zip(made, ("a", "ü", "\U0001f41f", '"', "\x00"), strict=True)
    ]
    targets = cosmos.services.targets
    await targets.add_chunk(chunk, odd)
    header, _ = await targets.read_chunk(chunk.id)
    await targets.commit(chunk, header.etag, odd)

    for body in (bodies[0], bodies[-1]):
        operations = json.loads(body)
        documents = [operation["resourceBody"] for operation in operations]
        wrapped = sum(
            len(json.dumps({**operation, "resourceBody": 0}, separators=(",", ":"))) for operation in operations
        )
        # Brackets and commas around, and the 0 that stood for each document.
        assert len(body.encode()) == wrapped - len(operations) + sum(map(sent_size, documents)) + len(operations) + 1
        assert len(body.encode()) <= batch_size(documents)


async def test_one_unreadable_target_does_not_hide_the_others_of_a_list(cosmos: Cosmos) -> None:
    chunk, made = a_chunk(3)
    await cosmos.services.targets.add_chunk(chunk, made)
    await _overwrite(cosmos, {**document(made[1]), "state": "unheard of", "subject": "secret"})

    listed = await cosmos.services.targets.list_chunk(chunk.id)
    assert listed == {made[0].id: made[0], made[1].id: None, made[2].id: made[2]}
    # Whoever acts on a chunk needs all of it.
    with pytest.raises(UnreadableError, match="target-1") as error:
        await cosmos.services.targets.read_chunk(chunk.id)
    assert "secret" not in str(error.value)
    assert await cosmos.services.targets.known(chunk.incident_id, [made[1].id]) == {made[1].id}


async def test_one_unreadable_chunk_does_not_hide_other_abandoned_ones(cosmos: Cosmos) -> None:
    ended = datetime(2020, 1, 1, tzinfo=UTC)
    keys = []
    for _ in range(2):
        chunk, made = a_chunk(1)
        await cosmos.services.targets.add_chunk(chunk.model_copy(update={"sweep_at": ended}), made)
        keys.append(chunk.id)
    good, _ = await cosmos.services.targets.read_chunk(keys[1])
    await _overwrite(cosmos, {**document(good.value), "id": keys[0], "chunkId": keys[0], "targets": "many"})

    found = {one.value.id for one in await cosmos.services.targets.abandoned(ended + timedelta(days=1), 1000)}
    assert found & set(keys) == {keys[1]}
    assert len(await cosmos.services.targets.abandoned(ended + timedelta(days=1), 1)) == 1


async def test_what_a_newer_writer_added_is_read_and_written_back(cosmos: Cosmos) -> None:
    chunk, made = a_chunk(1)
    await cosmos.services.targets.add_chunk(chunk, made)
    await _overwrite(cosmos, {**document(made[0]), "schemaVersion": 2, "risk": {"score": 7}})

    header, (read,) = await cosmos.services.targets.read_chunk(chunk.id)
    await cosmos.services.targets.commit(chunk, header.etag, [read.model_copy(update={"attempts": 1})])

    _, (again,) = await cosmos.services.targets.read_chunk(chunk.id)
    assert again.to_document() == {**made[0].to_document(), "schemaVersion": 2, "risk": {"score": 7}, "attempts": 1}


async def _overwrite(cosmos: Cosmos, stored: dict[str, Any]) -> None:
    store = cosmos.services.targets
    assert isinstance(store, CosmosTargets)
    container = await store._database.container("targets")
    await container.upsert_item(stored)


@pytest.mark.parametrize("status", [408, 429, 449, 503])
async def test_what_passes_is_waited_for_by_the_queue(cosmos: Cosmos, status: int) -> None:
    chunk, made = a_chunk(1)
    # Once more than the SDK tries by itself.
    times = 2 if status in {429, 503} else 1
    cosmos.admin("faults", {"status": status, "times": times, "operation": "batch", "retry_after_ms": 1})

    with pytest.raises(UnavailableError):
        await cosmos.services.targets.add_chunk(chunk, made)

    assert await cosmos.services.targets.add_chunk(chunk, made) is True


async def test_a_write_whose_answer_was_lost_is_found_done(cosmos: Cosmos) -> None:
    targets = cosmos.services.targets
    chunk, made = a_chunk(1)
    await targets.add_chunk(chunk, made)
    header, _ = await targets.read_chunk(chunk.id)
    cosmos.admin("faults", {"status": 503, "operation": "batch", "done": True})

    with pytest.raises((UnavailableError, ConflictError)):
        await targets.commit(chunk.model_copy(update={"targets": 7}), header.etag, [])

    now, _ = await targets.read_chunk(chunk.id)
    assert now.value.targets == 7
    assert now.etag != header.etag


async def test_who_may_only_read_is_denied(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cosmos.cloud.environment("web").items():
        monkeypatch.setenv(name, value)
    web = Services.from_environment()
    chunk, made = a_chunk(1)

    with pytest.raises(NotFoundError):
        await web.targets.read_chunk(chunk.id)
    with pytest.raises(DeniedError):
        await web.targets.add_chunk(chunk, made)
    await web.close()


async def test_a_service_that_is_away_is_unavailable(
    cloud_environment: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWBACK_COSMOS_ENDPOINT", "https://127.0.0.1:1")
    services = Services.from_environment()

    with pytest.raises(UnavailableError):
        await services.incidents.read(IncidentId("inc-1"))
    await services.close()
