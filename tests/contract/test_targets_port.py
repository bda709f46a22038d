"""The targets in their chunks: what every implementation must do."""

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId
from shared.domain.incident import plan_id
from shared.domain.target import (
    MAX_CHUNK_TARGETS,
    Chunk,
    Copy,
    Hop,
    Mailbox,
    Original,
    Target,
    TargetState,
    Via,
    chunk_id,
    target_id,
)
from shared.errors import ConflictError, NotFoundError
from shared.ports.targets import TargetStore
from shared.ports.versioned import Versioned
from tests.fakes.clock import START
from tests.fakes.targets import FakeTargets


@pytest.fixture
def store(services: Services | None) -> TargetStore:
    return FakeTargets() if services is None else services.targets


@pytest.fixture
def incident() -> IncidentId:
    """One that no other test uses."""
    return IncidentId(f"inc-{uuid4().hex}")


def a_chunk(incident: IncidentId, targets: int, number: int = 0) -> tuple[Chunk, list[Target]]:
    plan = plan_id(incident, (AlertId("alert-1"),))
    key = chunk_id(plan, number)
    made = [
        Target(
            id=target_id(incident, f"{number}-{i}", "msg-1"),
            incident_id=incident,
            plan_id=plan,
            chunk_id=key,
            mailbox=Mailbox(id=MailboxId(f"{number}-{i}"), address=f"user{i:03d}-{number}@contoso.example"),
            message_key="msg-1",
            internet_message_id="<it's-a-trap@evil.example>",
            subject="ünïcödé \" ' 🐟",
            hops=(Hop(via=Via.ALERT, name="test"),),
        )
        for i in range(targets)
    ]
    return Chunk(id=key, incident_id=incident, plan_id=plan, targets=targets), made


async def test_a_full_chunk_is_kept_once_and_read_whole(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, MAX_CHUNK_TARGETS)

    assert await store.add_chunk(chunk, targets) is True
    assert await store.add_chunk(chunk, targets[:1]) is False

    header, read = await store.read_chunk(chunk.id)
    assert header.value == chunk
    assert sorted(read, key=lambda t: t.id) == sorted(targets, key=lambda t: t.id)
    with pytest.raises(NotFoundError):
        await store.read_chunk(ChunkId("none"))


async def test_a_commit_is_all_or_nothing(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, 3)
    await store.add_chunk(chunk, targets)
    header, _ = await store.read_chunk(chunk.id)
    held = chunk.model_copy(update={"lease_until": START})
    ended = [target.to(TargetState.NOT_FOUND) for target in targets]

    written = await store.commit(held, header.etag, ended[:1])
    with pytest.raises(ConflictError):
        await store.commit(chunk, header.etag, ended)

    now, read = await store.read_chunk(chunk.id)
    assert (now.value, now.etag) == (held, written.etag)
    assert {t.id for t in read if t.state is TargetState.NOT_FOUND} == {ended[0].id}
    stranger = ended[1].model_copy(update={"id": target_id(incident, "stranger", "msg-1")})
    with pytest.raises(NotFoundError):
        await store.commit(chunk, written.etag, [ended[1], stranger])
    await store.commit(chunk, written.etag, ended[1:])
    _, read = await store.read_chunk(chunk.id)
    assert {t.state for t in read} == {TargetState.NOT_FOUND}


async def test_targets_are_found_across_chunks(store: TargetStore, incident: IncidentId) -> None:
    (one, first), (two, second) = a_chunk(incident, 3), a_chunk(incident, 2, number=1)
    await store.add_chunk(one, first)
    await store.add_chunk(two, second)
    elsewhere, others = a_chunk(IncidentId(f"{incident}-other"), 1)
    await store.add_chunk(elsewhere, others)

    wanted = [first[0].id, second[1].id, others[0].id]
    assert await store.known(incident, wanted) == {first[0].id, second[1].id}
    assert await store.known(incident, []) == set()
    assert await store.places(incident, wanted) == {first[0].id: one.id, second[1].id: two.id}
    assert await store.places(incident, []) == {}
    assert sorted([key async for key in store.chunks_of(incident)]) == [one.id, two.id]
    assert await store.chunks_with(incident, [second[0].id]) == [two.id]
    assert await store.chunks_with(incident, [others[0].id]) == []
    assert await store.chunks_with(incident, []) == []


async def test_targets_are_found_by_the_copies_that_they_have(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, 3)
    original = Original(folder_id="inbox", folder_path="Inbox")
    items = [f"{incident}=/+{number}" for number in range(3)]
    one = targets[0].model_copy(update={"copies": tuple(Copy(id=key, original=original) for key in items[:2])})
    two = targets[1].model_copy(update={"copies": tuple(Copy(id=key, original=original) for key in items[1:])})
    await store.add_chunk(chunk, [one, two, targets[2]])

    assert await store.holding([items[0]]) == [one]
    assert sorted(await store.holding(items), key=str) == sorted([one, two], key=str)
    assert await store.holding([f"{incident}-none"]) == await store.holding([]) == []


async def test_a_chunk_is_listed_in_the_order_of_ids(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, 5)
    await store.add_chunk(chunk, targets)

    listed = await store.list_chunk(chunk.id)
    assert list(listed) == sorted(target.id for target in targets)
    assert sorted(listed.values(), key=str) == sorted(targets, key=str)
    assert await store.list_chunk(ChunkId(f"{chunk.id}9")) == {}


async def test_a_chunk_that_nobody_commits_in_time_is_abandoned(store: TargetStore, incident: IncidentId) -> None:
    until = START + timedelta(days=365 * 50)
    for number, end in enumerate((until, until + timedelta(hours=1), None)):
        chunk, targets = a_chunk(incident, 1, number)
        await store.add_chunk(chunk.model_copy(update={"sweep_at": end}), targets)

    def ours(chunks: list[Versioned[Chunk]]) -> list[Versioned[Chunk]]:
        return [chunk for chunk in chunks if chunk.value.incident_id == incident]

    assert ours(await store.abandoned(until - timedelta(minutes=1), 1000)) == []
    (found,) = ours(await store.abandoned(until + timedelta(minutes=1), 1000))
    assert found == (await store.read_chunk(found.value.id))[0]
    await store.commit(found.value.model_copy(update={"sweep_at": None}), found.etag, [])
    assert ours(await store.abandoned(until + timedelta(minutes=1), 1000)) == []
    assert len(await store.abandoned(until + timedelta(hours=2), 1)) == 1


async def test_more_targets_than_a_batch_holds(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, MAX_CHUNK_TARGETS + 1)

    with pytest.raises(ValueError, match="at most 100 operations"):
        await store.add_chunk(chunk, targets)
    with pytest.raises(ValueError, match="at most 100 operations"):
        await store.commit(chunk, "etag", targets)


# aiohttp says so of every body above 1 MB; ours are at most 2 MB, which takes milliseconds to send.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_more_bytes_than_a_batch_holds(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, 20)
    # As sent, each of these characters takes twelve bytes.
    large = [target.model_copy(update={"subject": "\U0001f41f" * 10_000}) for target in targets]

    with pytest.raises(ValueError, match="at most 2 MB"):
        await store.add_chunk(chunk, large)
    assert await store.add_chunk(chunk, large[:16]) is True
    header, _ = await store.read_chunk(chunk.id)
    with pytest.raises(ValueError, match="at most 2 MB"):
        await store.commit(chunk, header.etag, large)


async def test_more_targets_are_asked_for_than_one_query_takes(store: TargetStore, incident: IncidentId) -> None:
    chunk, targets = a_chunk(incident, 3)
    await store.add_chunk(chunk, targets)
    others = [target_id(incident, f"nobody-{i}", "msg-1") for i in range(2500)]
    wanted = [targets[0].id, *others[:1200], targets[1].id, *others[1200:], targets[2].id]

    assert await store.known(incident, wanted) == {target.id for target in targets}
    assert await store.chunks_with(incident, wanted) == [chunk.id]
