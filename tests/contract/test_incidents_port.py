"""The cases: what every implementation must do. The service behind is the local Cosmos DB or a real one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.cosmos import incidents as adapter
from shared.bootstrap import Services
from shared.domain.alert import Severity, ThreatType
from shared.domain.ids import AlertId, IncidentId, PlanId
from shared.domain.incident import (
    MAX_PLAN_ALERTS,
    AlertLink,
    AlertStep,
    CaseMessage,
    Command,
    Incident,
    IncidentState,
    Intake,
    Plan,
    PlanState,
    Watch,
)
from shared.domain.message import Message
from shared.errors import ConflictError, NotFoundError
from shared.ports.incidents import Change, IncidentStore, Joined
from shared.ports.versioned import Versioned
from tests.fakes.clock import START
from tests.fakes.incidents import FakeIncidents

LATE = START + timedelta(days=365 * 50)
"""Leases of this moment are no other test's."""


@pytest.fixture
def store(services: Services | None) -> IncidentStore:
    return FakeIncidents() if services is None else services.incidents


@pytest.fixture
def key() -> IncidentId:
    """A case that no other test uses."""
    return IncidentId(f"inc-{uuid4().hex}")


def a_case(key: IncidentId, minutes: int = 0) -> Incident:
    message = Message(internet_message_id="<1@evil.example>", subject="ünïcödé \" ' 🐟")
    return Incident(id=key, opened_at=START + timedelta(minutes=minutes), message=message)


def a_link(key: IncidentId, number: int = 0, **changes: Any) -> AlertLink:
    link = AlertLink(
        id=AlertId(f"alert-{number:05}"),
        incident_id=key,
        source="test",
        received_at=START + timedelta(seconds=number),
        severity=Severity.HIGH,
        threat_type=ThreatType.PHISH,
    )
    return link.model_copy(update=changes)


def a_message(number: int) -> Message:
    return Message(internet_message_id=f"<{number}@evil.example>", subject="🐟")


def a_plan(key: IncidentId, number: int = 0, **changes: Any) -> Plan:
    plan = Plan(
        id=PlanId(f"plan-{number:03}"),
        incident_id=key,
        alert_ids=(AlertId("alert-00000"),),
        created_at=START + timedelta(seconds=number),
        state=PlanState.DRAFT,
    )
    return plan.model_copy(update=changes)


async def joined(store: IncidentStore, key: IncidentId, number: int = 1, messages: Sequence[Message] = ()) -> None:
    await store.open(a_case(key))
    for alert in range(number):
        assert (await store.join(a_link(key, alert), messages, []))[0] is Joined.JOINED


def once(change: Change) -> Callable[[Incident], Any]:
    async def make(_: Incident) -> Change:
        return change

    return make


# Who a message belongs to.


async def test_a_message_belongs_to_the_case_that_asks_first(store: IncidentStore, key: IncidentId) -> None:
    name, other = f"msg-{key}", IncidentId(f"{key}-2")

    assert await store.assign_message(name, key) == key
    assert await store.assign_message(name, other) == key
    assert await store.reassign_message(name, other, IncidentId("inc-none")) == key
    assert await store.reassign_message(name, key, other) == other
    assert await store.assign_message(name, key) == other
    with pytest.raises(NotFoundError):
        await store.reassign_message(f"{name}-none", key, other)


async def test_of_many_who_take_a_message_over_one_does(store: IncidentStore, key: IncidentId) -> None:
    name = f"msg-{key}"
    heirs = [IncidentId(f"{key}-{i}") for i in range(5)]
    await store.assign_message(name, key)

    told = await asyncio.gather(*(store.reassign_message(name, key, heir) for heir in heirs))

    (owner,) = set(told)
    assert owner in heirs
    assert await store.assign_message(name, key) == owner


# Opening and joining.


async def test_a_case_is_opened_once(store: IncidentStore, key: IncidentId) -> None:
    assert await store.open(a_case(key)) is True
    assert await store.open(a_case(key, minutes=5)) is False
    assert await store.read(key) == a_case(key)
    assert (await store.intake(key)).value == Intake(incident_id=key)
    for read in (store.read, store.intake):
        with pytest.raises(NotFoundError):
            await read(IncidentId("inc-none"))


async def test_an_alert_joins_once_with_its_messages_and_is_counted(store: IncidentStore, key: IncidentId) -> None:
    other = IncidentId(f"{key}-other")
    assert await store.join(a_link(key), [a_message(1)], [other]) == (Joined.NO_CASE, None)
    await store.open(a_case(key))

    outcome, intake = await store.join(a_link(key), [a_message(1)], [other])
    assert (outcome, intake) == (Joined.JOINED, Intake(incident_id=key, alerts=1))
    assert await store.join(a_link(key), [a_message(2)], []) == (Joined.ALREADY, None)
    # A message that another alert has named already.
    outcome, intake = await store.join(a_link(key, 1), [a_message(1), a_message(3)], [other])
    assert (outcome, intake and intake.alerts) == (Joined.JOINED, 2)

    # The header was not written, and tells the number all the same.
    assert await store.read(key) == a_case(key).model_copy(update={"alerts": 2})
    named = (await store.page(key, CaseMessage, 10, None)).items
    assert {one.message.internet_message_id for one in named if isinstance(one, CaseMessage)} == {
        "<1@evil.example>",
        "<3@evil.example>",
    }
    assert await store.related(key) == [other]
    found = await store.alert(key, AlertId("alert-00000"))
    assert found is not None
    assert found.value == a_link(key)
    assert await store.alert(key, AlertId("alert-none")) is None


async def test_many_alerts_that_join_at_once_are_all_counted(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    told = await asyncio.gather(*(store.join(a_link(key, number % 10), [a_message(1)], []) for number in range(20)))
    assert sorted(outcome for outcome, _ in told) == [Joined.ALREADY] * 10 + [Joined.JOINED] * 10
    assert (await store.intake(key)).value.alerts == 10
    counts = [intake.alerts for _, intake in told if intake is not None]
    assert max(counts) == 10


async def test_an_alert_with_more_messages_than_a_transaction_takes(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key, messages=[a_message(number) for number in range(210)])
    found = await store.page(key, CaseMessage, 500, None)
    assert len(found.items) == 210
    assert (await store.intake(key)).value.alerts == 1


async def test_a_closed_case_refuses_alerts(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key)
    intake = await store.intake(key)
    shut = Versioned(intake.value.model_copy(update={"open": False}), intake.etag)
    await store.update(key, once(Change(intake=shut)))
    assert await store.join(a_link(key, 1), [a_message(1)], []) == (Joined.CLOSED, None)
    assert await store.join(a_link(key, 0), [], []) == (Joined.ALREADY, None)
    assert await store.alert(key, AlertId("alert-00001")) is None
    assert (await store.read(key)).alerts == 1


async def test_a_full_case_refuses_alerts(
    store: IncidentStore, key: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "MAX_ALERTS", 2)
    if isinstance(store, FakeIncidents):
        store.max_alerts = 2
    await joined(store, key, 2)
    assert await store.join(a_link(key, 2), [], []) == (Joined.FULL, None)
    assert await store.join(a_link(key, 1), [], []) == (Joined.ALREADY, None)
    assert (await store.read(key)).alerts == 2


async def test_no_alert_joins_unseen_between_reading_the_counter_and_closing(
    store: IncidentStore, key: IncidentId
) -> None:
    await joined(store, key)
    seen: list[int] = []

    async def close(now: Incident) -> Change:
        intake = await store.intake(key)
        seen.append(intake.value.alerts)
        if len(seen) == 1:
            await store.join(a_link(key, 1), [], [])
        shut = Versioned(intake.value.model_copy(update={"open": False}), intake.etag)
        return Change(now.changed(closed_at=START), intake=shut)

    await store.update(key, close)
    assert seen == [1, 2]
    assert ((await store.read(key)).alerts, (await store.intake(key)).value.open) == (2, False)


async def test_when_a_case_is_looked_at_next_is_kept_beside_the_count(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key)
    assert await store.announce_wake(key, START, LATE)
    outcome, intake = await store.join(a_link(key, 1), [], [])
    assert (outcome, intake) == (Joined.JOINED, Intake(incident_id=key, alerts=2, wake_until=LATE))


async def test_of_many_who_would_wake_a_case_one_does(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key)
    announced = [store.announce_wake(key, START + timedelta(seconds=1), START + timedelta(seconds=3)) for _ in range(8)]
    assert sorted(await asyncio.gather(*announced)) == [False] * 7 + [True]
    assert not await store.announce_wake(key, START + timedelta(seconds=3), START + timedelta(seconds=5))
    assert await store.announce_wake(key, START + timedelta(seconds=4), START + timedelta(seconds=6))


# Changing.


async def test_a_change_is_written_whole(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key, 2)
    links = await store.alerts_at(key, AlertStep.JOINED, 10)
    decided = [Versioned(one.value.model_copy(update={"step": AlertStep.DECIDED}), one.etag) for one in links]
    header = (await store.read(key)).changed(decided=2)

    assert await store.update(key, once(Change(header, create=[a_plan(key)], replace=decided))) == header

    assert await store.read(key) == header
    assert [one.value for one in await store.alerts_at(key, AlertStep.DECIDED, 10)] == [one.value for one in decided]
    assert await store.alerts_at(key, AlertStep.JOINED, 10) == []
    found = await store.plan(key, PlanId("plan-000"))
    assert found is not None
    assert found.value == a_plan(key)
    assert await store.plan(key, PlanId("plan-none")) is None


async def test_a_change_that_cannot_be_written_whole_is_not_written(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key)
    await store.update(key, once(Change(create=[a_plan(key)])))
    (link,) = await store.alerts_at(key, AlertStep.JOINED, 10)
    planned = Versioned(link.value.model_copy(update={"step": AlertStep.PLANNED}), link.etag)
    before = await store.read(key)
    stale = Versioned(planned.value, '"stale"')
    for change in (
        Change(before.changed(title="new"), create=[a_plan(key)], replace=[planned]),
        Change(before.changed(title="new"), create=[a_plan(key, 1)], replace=[stale]),
    ):
        with pytest.raises(ConflictError):
            await store.update(key, once(change))
    assert await store.read(key) == before
    assert [one.value.step for one in await store.alerts_at(key, AlertStep.JOINED, 10)] == [AlertStep.JOINED]
    assert await store.plan(key, PlanId("plan-001")) is None


async def test_a_change_is_made_again_after_others_were_first(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key)

    async def add_one(now: Incident) -> Change:
        return Change(now.changed(unapproved_targets=now.unapproved_targets + 1))

    tried = 0

    async def late(now: Incident) -> Change:
        nonlocal tried
        tried += 1
        if tried < 3:
            await store.update(key, add_one)
        return await add_one(now)

    assert (await store.update(key, late)).unapproved_targets == tried == 3
    await asyncio.gather(*(store.update(key, add_one) for _ in range(4)))
    assert (await store.read(key)).unapproved_targets == 7


async def test_nothing_to_change_and_no_case(store: IncidentStore, key: IncidentId) -> None:
    async def nothing(_: Incident) -> None:
        return None

    with pytest.raises(NotFoundError):
        await store.update(key, nothing)
    await joined(store, key)
    assert await store.update(key, nothing) == await store.read(key)


async def test_as_many_alerts_as_a_plan_has_are_one_transaction(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key, MAX_PLAN_ALERTS + 1)
    found = await store.alerts_at(key, AlertStep.JOINED, MAX_PLAN_ALERTS)
    # The first that were received.
    assert [one.value.id for one in found] == [AlertId(f"alert-{n:05}") for n in range(MAX_PLAN_ALERTS)]
    planned = [Versioned(one.value.model_copy(update={"step": AlertStep.PLANNED}), one.etag) for one in found]
    header = await store.read(key)
    await store.update(key, once(Change(header, create=[a_plan(key)], replace=planned)))
    assert len(await store.alerts_at(key, AlertStep.PLANNED, 200)) == MAX_PLAN_ALERTS
    with pytest.raises(ValueError, match="at most 100 operations"):
        await store.update(key, once(Change(create=[a_plan(key, n) for n in range(1, 101)])))


# Finding.


async def test_a_plan_that_is_not_dispatched(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    assert await store.undispatched_plan(key) is None
    await store.update(key, once(Change(create=[a_plan(key), a_plan(key, 1, dispatched=True)])))
    assert await store.undispatched_plan(key) == a_plan(key)
    assert [plan.id async for plan in store.plans(key)] == ["plan-000", "plan-001"]
    assert [plan.id async for plan in store.plans(key, START + timedelta(seconds=1))] == ["plan-001"]


async def test_the_watch_of_a_case_and_which_are_due(store: IncidentStore, key: IncidentId) -> None:
    # Earlier than what any other test keeps, so that the first ones found are these.
    early = START - timedelta(days=365 * 300, seconds=int(time.time()))
    due = {"late": early + timedelta(hours=2), "first": early, "ended": None}
    for name, at in due.items():
        one = IncidentId(f"{key}-{name}")
        await store.open(a_case(one))
        assert await store.watch(one) is None
        watch = Watch(incident_id=one, until=START, next_at=at)
        await store.update(one, once(Change(create=[watch])))
        found = await store.watch(one)
        assert found is not None
        assert found.value == watch

    async def ours(before: timedelta, limit: int = 1000) -> list[str]:
        return [one for one in await store.due_watches(early + before, limit) if one.startswith(key)]

    assert await ours(timedelta()) == []
    assert await ours(timedelta(hours=3)) == [f"{key}-first", f"{key}-late"]
    assert len(await store.due_watches(early + timedelta(hours=3), 1)) == 1


async def test_what_is_not_recorded_yet(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key, 2, messages=[a_message(1)])
    command = Command(id="cmd-1", incident_id=key, command="undo_pull", by="ann", at=START)
    await store.update(key, once(Change(create=[a_plan(key), a_plan(key, 1, unrecorded=True), command])))
    found = {one.value.id: one for one in await store.unrecorded(key, 100)}
    assert set(found) == {key, "alert-00000", "alert-00001", "plan-001", "cmd-1"}
    assert (found["cmd-1"].value, await store.command(key, "cmd-1")) == (command, command)
    assert await store.command(key, "cmd-none") is None
    assert len(await store.unrecorded(key, 2)) == 2

    rest = [one for name, one in found.items() if name not in {key, "cmd-1"}]
    recorded = [Versioned(one.value.model_copy(update={"unrecorded": False}), one.etag) for one in rest]
    header = (await store.read(key)).changed(unrecorded=False)
    await store.update(key, once(Change(header, replace=recorded)))
    assert [one.value.id for one in await store.unrecorded(key, 100)] == ["cmd-1"]


async def test_a_list_comes_page_by_page(store: IncidentStore, key: IncidentId) -> None:
    await joined(store, key, 7)
    found: list[str] = []
    continuation: str | None = None
    for _ in range(10):
        page = await store.page(key, AlertLink, 3, continuation)
        assert len(page.items) <= 3
        found += [one.id for one in page.items]
        continuation = page.continuation
        if continuation is None:
            break
    assert found == [f"alert-{n:05}" for n in range(7)]
    assert (await store.page(key, Plan, 3, None)).items == ()
    for wrong in (
        "<script>",
        "x\r\nx-ms-max-item-count: 1",
        "\U0001f41f",
        "x" * 5000,
        "\x00",
        "[]",
        "{}",
        "null",
        "-1",
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - that of the HTTP client has a text of its own
            await store.page(key, AlertLink, 3, wrong)


async def test_newest_cases_first(store: IncidentStore, key: IncidentId) -> None:
    # Later than everything that other tests keep, and than what this one kept before.
    late = 2_000_000 + int(uuid4().int % 1_000_000) * 10
    keys = [IncidentId(f"{key}-{i}") for i in range(3)]
    for one, minutes in zip(keys, (late, late + 2, late + 1), strict=True):
        await store.open(a_case(one, minutes))

    newest = [incident async for incident in store.newest(1000)]

    assert [incident.id for incident in newest if incident.id in keys] == [keys[1], keys[2], keys[0]]
    assert [incident.id async for incident in store.newest(2)] == [incident.id for incident in newest[:2]]


async def test_cases_with_alerts_that_wait(store: IncidentStore, key: IncidentId) -> None:
    early = START - timedelta(days=365 * 20)
    waiting = {AlertStep.JOINED, AlertStep.DECIDED}
    for step in AlertStep:
        one = IncidentId(f"{key}-{step}")
        await store.open(a_case(one))
        await store.join(a_link(one, step=step, received_at=early), [], [])

    def ours(found: set[IncidentId]) -> set[IncidentId]:
        return {one for one in found if one.startswith(key)}

    assert ours(await store.waiting_since(early, 1000)) == set()
    found = ours(await store.waiting_since(early + timedelta(hours=1), 1000))
    assert found == {IncidentId(f"{key}-{step}") for step in waiting}


async def test_cases_with_a_plan_that_nobody_finished_wait_too(store: IncidentStore, key: IncidentId) -> None:
    # Its alerts are planned already: only the draft says that something is left to do.
    early = START - timedelta(days=365 * 20)
    for state in (False, True):
        one = IncidentId(f"{key}-{state}")
        await joined(store, one)
        await store.update(one, once(Change(create=[a_plan(one, created_at=early, dispatched=state)])))
    found = await store.waiting_since(early + timedelta(hours=1), 1000)
    assert {one for one in found if one.startswith(key)} == {IncidentId(f"{key}-False")}
    assert not {one for one in await store.waiting_since(early, 1000) if one.startswith(key)}


async def test_a_case_with_many_waiting_alerts_hides_no_other_case(store: IncidentStore, key: IncidentId) -> None:
    # Earlier than what any other test keeps, and than what this one kept before.
    early = START - timedelta(days=365 * 200, seconds=int(time.time()))
    cases = [IncidentId(f"{key}-{number}") for number in range(2)]
    for one, alerts in zip(cases, (5, 1), strict=True):
        await store.open(a_case(one))
        for number in range(alerts):
            await store.join(a_link(one, number, received_at=early), [], [])
    assert await store.waiting_since(early + timedelta(seconds=1), 2) == set(cases)
    assert len(await store.waiting_since(early + timedelta(seconds=1), 1)) == 1


# Leases.


async def test_one_has_the_lease_and_is_told_that_others_asked(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    until = START + timedelta(minutes=6)
    lease = await store.acquire_lease(key, "enrich", START, until)
    assert lease is not None
    assert (lease.value.id, lease.value.incident_id, lease.value.until) == ("lease:enrich", key, until)
    assert await store.acquire_lease(key, "enrich", START, until) is None
    # Another kind of work is another lease.
    assert await store.acquire_lease(key, "report", START, until) is not None

    again = await store.release_lease(lease)
    assert again is not None
    assert again.value.again == 1
    assert await store.release_lease(again) is None
    assert await store.acquire_lease(key, "enrich", START, until) is not None


async def test_a_renewed_lease_lasts_longer_and_loses_no_question(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    until = START + timedelta(minutes=1)
    lease = await store.acquire_lease(key, "enrich", START, until)
    assert lease is not None
    assert await store.renew_lease(lease, until + timedelta(minutes=1))
    assert await store.acquire_lease(key, "enrich", until, until + timedelta(minutes=1)) is None
    assert await store.renew_lease(lease, until + timedelta(minutes=2))

    again = await store.release_lease(lease)
    assert again is not None
    assert (again.value.again, again.value.until) == (1, until + timedelta(minutes=2))
    assert await store.renew_lease(again, until + timedelta(minutes=3))
    assert await store.release_lease(again) is None
    assert not await store.renew_lease(again, until + timedelta(minutes=4))
    other = await store.acquire_lease(key, "enrich", until, until + timedelta(minutes=1))
    assert other is not None
    assert not await store.renew_lease(again, until + timedelta(minutes=4))


async def test_of_many_takers_one_gets_the_lease(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    until = START + timedelta(minutes=6)
    for _ in range(2):
        taken = await asyncio.gather(*(store.acquire_lease(key, "enrich", START, until) for _ in range(8)))
        (lease,) = [one for one in taken if one is not None]
        held = await store.release_lease(lease)
        # Whoever asked after it was taken is seen; all of them count once.
        while held is not None:
            held = await store.release_lease(held)


async def test_a_lease_that_has_ended_is_anothers(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    until = START + timedelta(minutes=6)
    dead = await store.acquire_lease(key, "enrich", START, until)
    assert dead is not None
    other = await store.acquire_lease(key, "enrich", until, until + timedelta(minutes=6))
    assert other is not None
    assert other.value.holder != dead.value.holder
    # Who was only slow gives nothing back.
    assert await store.release_lease(dead) is None
    assert await store.acquire_lease(key, "enrich", until, until + timedelta(minutes=6)) is None


async def test_leases_of_holders_that_died(store: IncidentStore, key: IncidentId) -> None:
    await store.open(a_case(key))
    await store.acquire_lease(key, "enrich", LATE, LATE + timedelta(minutes=1))
    await store.acquire_lease(key, "expand_recipients", LATE, LATE + timedelta(minutes=10))
    back = await store.acquire_lease(key, "report", LATE, LATE + timedelta(minutes=1))
    assert back is not None
    assert await store.release_lease(back) is None

    async def ended(minutes: int) -> list[str]:
        found = await store.expired_leases(LATE + timedelta(minutes=minutes), 1000)
        return sorted(lease.id for lease in found if lease.incident_id == key)

    assert await ended(0) == []
    assert await ended(5) == ["lease:enrich"]
    assert await ended(15) == ["lease:enrich", "lease:expand_recipients"]
    assert len(await store.expired_leases(LATE + timedelta(minutes=15), 1)) == 1


# What another version wrote.


async def test_a_document_that_cannot_be_read_is_left_out_of_lists_and_stops_nothing(
    services: Services | None, key: IncidentId
) -> None:
    if services is None:
        pytest.skip("the fake keeps only what can be read")
    store = services.incidents
    await joined(store, key, 3)
    await store.update(key, once(Change(create=[a_plan(key), a_plan(key, 1)])))
    container = await services._database.container("incidents")
    for broken in ("alert-00001", "plan-000"):
        operation = {"op": "set", "path": "/schemaVersion", "value": "broken"}
        await container.patch_item(broken, partition_key=key, patch_operations=[operation])

    left = ["alert-00000", "alert-00002"]
    assert [one.value.id for one in await store.alerts_at(key, AlertStep.JOINED, 10)] == left
    page = await store.page(key, AlertLink, 10, None)
    assert [one.id for one in page.items] == left
    assert [plan.id async for plan in store.plans(key)] == ["plan-001"]
    assert {one.value.id for one in await store.unrecorded(key, 10)} == {key, *left}
    assert (await store.join(a_link(key, 4), [], []))[0] is Joined.JOINED


async def test_a_case_whose_only_alert_was_ignored_is_open_again_when_another_one_joins(
    store: IncidentStore, key: IncidentId
) -> None:
    await joined(store, key)

    async def ignore(now: Incident) -> Change:
        return Change(now.changed(decided=1, ignored=1))

    await store.update(key, ignore)
    assert (await store.read(key)).state is IncidentState.IGNORED
    assert (await store.join(a_link(key, 1), [], []))[0] is Joined.JOINED
    assert (await store.read(key)).state is IncidentState.OPEN


async def test_documents_of_a_kind_that_only_a_newer_version_knows_stop_nothing(
    services: Services | None, key: IncidentId
) -> None:
    if services is None:
        pytest.skip("the fake keeps only what can be read")
    store = services.incidents
    container = await services._database.container("incidents")
    for number in range(3):
        newer = {"id": f"newer-{number}", "incidentId": key, "type": "newer", "unrecorded": True}
        await container.create_item(newer)
    await joined(store, key, 1)
    # They come first, and take nobody's place.
    assert {one.value.id for one in await store.unrecorded(key, 2)} == {key, "alert-00000"}


async def test_the_holder_of_a_lease_is_no_part_of_a_condition(services: Services | None, key: IncidentId) -> None:
    if services is None:
        pytest.skip("the fake asks no database")
    store = services.incidents
    await joined(store, key)
    assert await store.acquire_lease(key, "enrich", START, LATE) is not None
    container = await services._database.container("incidents")
    for holder in ("it's", 'a" \\ b', "x' OR true OR '"):
        operation = {"op": "set", "path": "/holder", "value": holder}
        await container.patch_item("lease:enrich", partition_key=key, patch_operations=[operation])
        assert await store.acquire_lease(key, "enrich", START, LATE) is None
    assert (await container.read_item("lease:enrich", key))["again"] == 3
