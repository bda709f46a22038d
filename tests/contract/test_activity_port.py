"""The activity chain: what every implementation must do."""

import asyncio
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.activity import AuditEvent, Head, link, verify
from shared.domain.exposure import Counts
from shared.domain.ids import IncidentId, PlanId
from shared.errors import ConflictError
from shared.ports.activity import ActivityStore
from tests.fakes.activity import FakeActivity
from tests.fakes.clock import START

ONE, TWO = PlanId("plan-1"), PlanId("plan-2")


@pytest.fixture
def store(services: Services | None) -> ActivityStore:
    return FakeActivity() if services is None else services.activity


@pytest.fixture
def incident() -> IncidentId:
    """One that no other test uses."""
    return IncidentId(f"inc-{uuid4().hex}")


def an_event(number: int) -> AuditEvent:
    return AuditEvent(id=f"event-{number}", kind="test", at=START, actor="test")


async def test_a_chain_grows_only_at_its_end(store: ActivityStore, incident: IncidentId) -> None:
    facts = [AuditEvent(id=f"fact-{i}", kind="test", at=START, actor="test", data={"i": i}) for i in range(99)]
    assert await store.head(incident) is None
    head, entries = link(Head(incident_id=incident), facts)
    await store.append(head, None, entries, {})
    with pytest.raises(ConflictError):
        await store.append(head, None, entries, {})
    kept = await store.head(incident)
    assert kept is not None
    assert kept.value == head

    longer, more = link(head, [AuditEvent(id="fact-99", kind="test", at=START, actor="test")])
    await store.append(longer, kept.etag, more, {})
    with pytest.raises(ConflictError):
        await store.append(longer, kept.etag, more, {})

    assert await store.known(incident, []) == set()
    assert await store.known(incident, ["fact-1", "fact-99", "none"]) == {"fact-1", "fact-99"}
    chain = [entry async for entry in store.entries(incident)]
    assert [entry["seq"] for entry in chain] == list(range(1, 101))
    assert chain == [entry.to_document() for entry in (*entries, *more)]
    assert (await verify(longer, store.entries(incident))).intact


@pytest.mark.parametrize(
    ("after", "to", "found"),
    [(0, 2, [1, 2]), (2, 4, [3, 4]), (4, None, [5]), (4, 99, [5]), (5, None, []), (9, None, []), (3, 3, [])],
)
async def test_a_part_of_a_chain(
    store: ActivityStore, incident: IncidentId, after: int, to: int | None, found: list[int]
) -> None:
    head, entries = link(Head(incident_id=incident), [an_event(number) for number in range(5)])
    await store.append(head, None, entries, {ONE: 5})

    assert [entry["seq"] async for entry in store.entries(incident, after, to)] == found


async def test_a_chain_that_is_longer_than_one_query_reads(store: ActivityStore, incident: IncidentId) -> None:
    head, etag = Head(incident_id=incident), None
    for start in range(0, 2100, 98):
        head, entries = link(head, [an_event(number) for number in range(start, min(start + 98, 2100))])
        await store.append(head, etag, entries, {})
        kept = await store.head(incident)
        etag = kept.etag if kept else None

    assert [entry["seq"] async for entry in store.entries(incident, 5, 2050)] == list(range(6, 2051))
    assert [entry["seq"] async for entry in store.entries(incident, 998, 1000)] == [999, 1000]
    assert (await verify(head, store.entries(incident, 0, head.seq))).intact


async def test_an_entry_is_never_there_twice(store: ActivityStore, incident: IncidentId) -> None:
    fact = AuditEvent(id="fact-1", kind="test", at=START, actor="test")
    head, entries = link(Head(incident_id=incident), [fact])
    await store.append(head, None, entries, {})
    kept = await store.head(incident)
    assert kept is not None
    longer, again = link(head, [fact])

    with pytest.raises(ConflictError):
        await store.append(longer, kept.etag, again, {})

    assert len([entry async for entry in store.entries(incident)]) == 1


async def test_the_counts_of_plans_change_with_the_chain_or_not_at_all(
    store: ActivityStore, incident: IncidentId
) -> None:
    head, entries = link(Head(incident_id=incident), [an_event(1)])
    await store.append(head, None, entries, {ONE: 3, TWO: 1})
    kept = await store.head(incident)
    assert kept is not None
    assert [await store.plan_count(incident, plan) for plan in (ONE, TWO, PlanId("plan-3"))] == [3, 1, 0]
    assert await store.plan_count(IncidentId(f"{incident}-other"), ONE) == 0

    longer, more = link(head, [an_event(2)])
    _, again = link(head, [an_event(1)])
    with pytest.raises(ConflictError):
        await store.append(longer, '"an older etag"', more, {ONE: 9})
    with pytest.raises(ConflictError):
        await store.append(longer, kept.etag, again, {ONE: 9})
    assert await store.plan_count(incident, ONE) == 3

    await store.append(longer, kept.etag, more, {ONE: 4})
    assert [await store.plan_count(incident, plan) for plan in (ONE, TWO)] == [4, 1]
    assert await store.known(incident, ["event-1", "event-2", "plan:plan-1"]) == {"event-1", "event-2"}
    assert [entry["id"] async for entry in store.entries(incident)] == ["event-1", "event-2"]


async def test_of_many_who_append_at_once_one_does(store: ActivityStore, incident: IncidentId) -> None:
    async def append(number: int) -> bool:
        head, entries = link(Head(incident_id=incident), [an_event(number)])
        try:
            await store.append(head, None, entries, {ONE: number})
        except ConflictError:
            return False
        return True

    won = await asyncio.gather(*(append(number) for number in range(1, 6)))

    assert won.count(True) == 1
    assert await store.plan_count(incident, ONE) == won.index(True) + 1
    assert [entry["id"] async for entry in store.entries(incident)] == [f"event-{won.index(True) + 1}"]


async def test_more_entries_and_counts_than_a_batch_holds(store: ActivityStore, incident: IncidentId) -> None:
    head, entries = link(Head(incident_id=incident, counts=Counts()), [an_event(number) for number in range(98)])

    with pytest.raises(ValueError, match="at most 100 operations"):
        await store.append(head, None, entries, {ONE: 1, TWO: 1})
    await store.append(head, None, entries, {ONE: 1})


async def test_more_bytes_than_a_batch_holds(store: ActivityStore, incident: IncidentId) -> None:
    large = AuditEvent(id="large", kind="test", at=START, actor="test", data={"reason": "\U0001f41f" * 170_000})
    head, entries = link(Head(incident_id=incident), [large])

    with pytest.raises(ValueError, match="at most 2 MB"):
        await store.append(head, None, entries, {})
    assert await store.head(incident) is None
