"""A case is watched after its plans: late deliveries, later forwards and the same Message-ID again are found."""

from datetime import timedelta

import pytest

from functions.expand_recipients.trace import WATCH_REQUESTS
from shared.domain.incident import Plan, PlanState, Watch
from shared.domain.target import TargetState
from shared.errors import UnavailableError
from shared.pipeline.payloads import ExpandRecipients, LookAtChunk, PullChunk
from shared.pipeline.stage import Done
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.tenant import AUTOMATIC, INCIDENT, LEASE_SECONDS, MESSAGE_ID, Tenant

HOUR = timedelta(hours=1)


async def watched(checkpoints: Checkpoints | None = None, **policy: object) -> Tenant:
    """Ann's and Bob's mail is planned; transport says that Ann got it."""
    tenant = Tenant(checkpoints or Checkpoints(), policy={**AUTOMATIC, **policy})
    for name in ("ann", "bob", "eve"):
        tenant.person(name)
    tenant.traced("ann@contoso.example")
    await tenant.alert("ann", "bob")
    await tenant.enrich()
    assert await tenant.expand() == Done()
    tenant.queue.sent.clear()
    return tenant


async def run(tenant: Tenant, after: timedelta = HOUR) -> list[object]:
    """One run of the watch; what it sent."""
    tenant.now.advance(after.total_seconds())
    tenant.queue.sent.clear()
    assert await tenant.expand() == Done()
    return list(tenant.queue.sent)


def watch_of(tenant: Tenant) -> Watch:
    (watch,) = tenant.incidents.of(INCIDENT, Watch)
    return watch


def looks(sent: list[object]) -> list[LookAtChunk]:
    return [message for message in sent if isinstance(message, LookAtChunk)]


async def test_a_case_is_watched_for_72_hours_after_its_plan() -> None:
    tenant = await watched()
    watch = watch_of(tenant)
    assert (watch.until, watch.next_at) == (tenant.now() + 72 * HOUR, tenant.now() + HOUR)
    assert watch.last_look_at is None


async def test_policy_can_turn_the_watch_off() -> None:
    tenant = await watched(watch={"hours": 0})
    assert tenant.incidents.of(INCIDENT, Watch) == []


async def test_a_plan_that_waits_for_approval_starts_no_watch_before_it_is_approved() -> None:
    tenant = await watched(rules=[{"name": "ask", "then": "needs_approval"}])
    assert tenant.incidents.of(INCIDENT, Watch) == []
    (plan,) = tenant.plans
    header = tenant.incident.with_plan(plan.state, PlanState.RUNNING)
    tenant.incidents.put(INCIDENT, header, plan.model_copy(update={"state": PlanState.RUNNING, "dispatched": False}))
    assert await tenant.expand() == Done()
    assert watch_of(tenant).next_at is not None


async def test_a_late_delivery_to_somebody_new_is_planned_and_pulled() -> None:
    tenant = await watched()
    tenant.now.advance(1800)
    tenant.traced("eve@contoso.example")
    sent = await run(tenant)
    assert {t.mailbox.id for t in tenant.targets.all} == {"ann", "bob", "eve"}
    (eve,) = [t for t in tenant.targets.all if t.mailbox.id == "eve"]
    assert PullChunk(incident_id=INCIDENT, chunk_id=eve.chunk_id) in sent
    (plan,) = [one for one in tenant.plans if one.watch]
    assert (plan.state, plan.targets) == (PlanState.RUNNING, 1)
    case = tenant.incident
    assert (case.alerts, case.planned, case.targets) == (1, 1, 3)


async def test_what_the_watch_finds_waits_for_a_person_where_policy_wants_one() -> None:
    tenant = await watched(limits={"targets": 2, "mailbox_share": 1})
    tenant.traced("eve@contoso.example")
    sent = await run(tenant)
    (plan,) = [one for one in tenant.plans if one.watch]
    assert (plan.state, plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, ("targets: 3 of 2",))
    assert not [message for message in sent if isinstance(message, PullChunk)]


async def test_a_later_forward_is_found() -> None:
    tenant = await watched()
    tenant.sent("ann", MESSAGE_ID, "<later@contoso.example>", "eve@contoso.example")
    await run(tenant)
    found = {(t.mailbox.id, t.internet_message_id) for t in tenant.targets.all if t.plan_id != tenant.plans[0].id}
    assert found == {("ann", "<later@contoso.example>"), ("eve", "<later@contoso.example>")}


async def test_a_further_delivery_to_a_known_mailbox_asks_for_a_look_there() -> None:
    tenant = await watched()
    await run(tenant)
    again = tenant.now() + timedelta(minutes=10)
    tenant.traced("ann@contoso.example", received_at=again)
    asked = [one for one in looks(await run(tenant)) if one.delivered]
    (ann,) = [t for t in tenant.targets.all if t.mailbox.id == "ann"]
    assert [one.delivered for one in asked] == [{ann.id: again}]


async def test_without_message_trace_all_mailboxes_are_looked_at_every_twelve_hours() -> None:
    tenant = await watched()
    tenant.directory.trace_error = UnavailableError("trace", 300.0)
    full = [one for _ in range(14) for one in looks(await run(tenant)) if not one.delivered]
    assert [(one.opener, one.targets, one.pulled_too) for one in full] == [
        ("watch:full:0", None, True),
        ("watch:full:1", None, True),
    ]


async def test_with_message_trace_only_mailboxes_are_looked_at_where_something_can_be_new() -> None:
    tenant = await watched()
    full = [one for one in looks(await run(tenant)) if not one.delivered]
    assert [one.pulled_too for one in full] == [False]
    assert [one for one in looks(await run(tenant)) if not one.delivered] == []


async def test_a_run_asks_message_trace_few_times() -> None:
    checkpoints = Checkpoints()
    tenant = await watched(checkpoints)
    for number in range(2, 12):
        await tenant.alert("ann", number=number, internet_message_id=f"<{number}@evil.example>")
    await tenant.enrich()
    await tenant.expand()
    tenant.now.advance(7200)
    checkpoints.names.clear()
    await run(tenant)
    assert checkpoints.names.count("trace") == WATCH_REQUESTS


async def test_the_watch_ends_by_itself() -> None:
    tenant = await watched()
    runs = 0
    while watch_of(tenant).next_at is not None:
        await run(tenant)
        runs += 1
    watch = watch_of(tenant)
    assert (runs, watch.last_look_at) == (72, watch.until)
    assert looks(await run(tenant)) == []
    assert await tenant.incidents.due_watches(tenant.now() + 1000 * HOUR, 10) == []


async def test_the_watch_ends_when_the_case_is_closed() -> None:
    tenant = await watched()
    tenant.incidents.put(INCIDENT, tenant.incident.changed(closed_at=tenant.now()))
    assert looks(await run(tenant)) == []
    assert watch_of(tenant).next_at is None


async def test_a_new_alert_opens_the_next_look_at_known_mailboxes_and_makes_the_watch_longer() -> None:
    tenant = await watched()
    until = watch_of(tenant).until
    tenant.now.advance(1800)
    await tenant.alert("ann", "eve", number=2)
    await tenant.enrich()
    tenant.queue.sent.clear()
    assert await tenant.expand() == Done()
    (asked,) = looks(list(tenant.queue.sent))
    (second,) = [plan for plan in tenant.plans if len(tenant.plans) == 2 and plan.id == asked.opener]
    known = {t.id for t in tenant.targets.all if t.mailbox.id == "ann"}
    assert (set(asked.targets or ()), asked.automatic) == (known, True)
    assert second.notes == ("looked_at_before: 1",)
    assert watch_of(tenant).until == until + timedelta(minutes=30)


async def test_looks_that_an_alert_opens_wait_with_its_plan_for_approval() -> None:
    tenant = await watched(limits={"targets": 2, "mailbox_share": 1})
    await tenant.alert("ann", "eve", number=2)
    await tenant.enrich()
    tenant.queue.sent.clear()
    assert await tenant.expand() == Done()
    (waiting,) = [plan for plan in tenant.plans if plan.state is PlanState.AWAITING_APPROVAL]
    assert (waiting.dispatched, looks(list(tenant.queue.sent))) == (True, [])
    approved = waiting.model_copy(update={"state": PlanState.RUNNING, "dispatched": False})
    tenant.incidents.put(INCIDENT, tenant.incident.with_plan(waiting.state, approved.state), approved)
    assert await tenant.expand() == Done()
    assert [one.opener for one in looks(list(tenant.queue.sent))] == [waiting.id]


async def prepared(checkpoints: Checkpoints) -> Tenant:
    tenant = await watched(checkpoints)
    tenant.traced("eve@contoso.example")
    tenant.now.advance(3600)
    checkpoints.passed = 0
    checkpoints.names.clear()
    return tenant


# The dry run says how many places there are; should a run get more of them, this number is to follow.
RUN_PLACES = 75


async def test_a_crash_is_tried_at_every_await_of_a_run() -> None:
    checkpoints = Checkpoints()
    tenant = await prepared(checkpoints)
    await tenant.expand()
    assert len(checkpoints.names) == RUN_PLACES


@pytest.mark.parametrize("place", range(RUN_PLACES))
async def test_a_crash_during_a_run_makes_one_plan_of_what_is_new(place: int) -> None:
    checkpoints = Checkpoints()
    tenant = await prepared(checkpoints)
    checkpoints.die_at = place
    with pytest.raises(ProcessDied):
        await tenant.expand()
    checkpoints.revive()
    tenant.now.advance(LEASE_SECONDS + 1)
    for _ in range(2):
        assert await tenant.expand() == Done()
    (plan,) = [one for one in tenant.incidents.of(INCIDENT, Plan) if one.watch]
    assert (plan.state, plan.dispatched, plan.targets) == (PlanState.RUNNING, True, 1)
    eve = [t for t in tenant.targets.all if t.mailbox.id == "eve"]
    assert [t.state for t in eve] == [TargetState.PLANNED]
    watch = watch_of(tenant)
    assert (watch.runs, watch.full_looks) == (1, 1)
    assert ExpandRecipients(incident_id=INCIDENT) not in tenant.queue.sent
