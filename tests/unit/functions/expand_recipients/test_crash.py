"""The process dies at every await, in turn, while two alerts about one mail are planned.

Whatever the place: every alert is planned, each mailbox is in exactly one plan, and what was frozen is what is there.
"""

from datetime import timedelta

import pytest

from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain.incident import AlertStep, Plan, PlanState, plan_id
from shared.domain.target import Target
from shared.domain.tenant import DAY, Budget
from shared.pipeline.payloads import ChunkChanged, ExpandRecipients, IncidentChanged, PullChunk
from shared.pipeline.stage import Done
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.tenant import INCIDENT, LEASE_SECONDS, MESSAGE_ID, Tenant

# The dry run says how many places there are; should the stage get more of them, this number is to follow.
PLACES = 58


async def first_alert(checkpoints: Checkpoints) -> Tenant:
    tenant = Tenant(checkpoints)
    ann, bob = tenant.person("ann"), tenant.person("bob")
    tenant.person("eve")
    tenant.group("sales", ann, bob)
    tenant.sent("ann", MESSAGE_ID, "<1@contoso.example>", "out@partner.example")
    tenant.traced("ann@contoso.example")
    await tenant.alert("sales")
    return tenant


async def second_alert(tenant: Tenant) -> None:
    await tenant.alert("ann", "eve", number=2)


async def begun(checkpoints: Checkpoints, *, together: bool) -> Tenant:
    """One alert, or both of them, are decided and wait for a plan."""
    tenant = await first_alert(checkpoints)
    if together:
        await second_alert(tenant)
    await tenant.enrich()
    tenant.queue.sent.clear()
    checkpoints.passed = 0
    checkpoints.names.clear()
    return tenant


async def swept(tenant: Tenant) -> int:
    """The sweep; deliver what it sends."""
    tenant.queue.sent.clear()
    deps = SweepDeps(
        targets=tenant.targets, incidents=tenant.incidents, tenant=tenant.tenant, queue=tenant.queue, now=tenant.now
    )
    found = await sweep(deps)
    assert tenant.queue.sent == [ExpandRecipients(incident_id=INCIDENT)] * found
    for _ in range(found):
        assert await tenant.expand() == Done()
    return found


async def check(tenant: Tenant, sent: list[object]) -> None:
    targets = tenant.targets.all
    assert len({target.id for target in targets}) == len(targets) == 5
    assert {(t.mailbox.address.partition("@")[0], t.internet_message_id) for t in targets} == {
        ("ann", MESSAGE_ID),
        ("bob", MESSAGE_ID),
        ("eve", MESSAGE_ID),
        ("ann", "<1@contoso.example>"),
        ("out", "<1@contoso.example>"),
    }
    plans = tenant.plans
    assert {(plan.state, plan.dispatched) for plan in plans} == {(PlanState.RUNNING, True)}
    assert {link.step for link in tenant.links} == {AlertStep.PLANNED}
    assert sorted(alert for plan in plans for alert in plan.alert_ids) == sorted(link.id for link in tenant.links)
    incident = tenant.incident
    assert (incident.alerts, incident.decided, incident.planned, incident.plans.running) == (2, 2, 2, len(plans))
    # One of the five is nobody's mailbox.
    assert incident.unapproved_targets == sum(plan.pending for plan in plans) == 4
    assert incident.unapproved_mailboxes == sum(plan.pending_mailboxes for plan in plans)
    # Each plan has taken its share of the tenant's budget once, wherever its worker died.
    taken = tenant.tenant.now(Budget)
    assert sorted(one.plan_id for one in taken.reservations) == sorted(plan.id for plan in plans)
    assert taken.used(DAY, tenant.now()).targets == 4
    frozen = [
        Target.model_validate_json(line)
        for plan in plans
        for line in tenant.evidence.blobs[plan.manifest].splitlines()[1:]
        if b"lookAgain" not in line
    ]
    assert sorted(frozen, key=lambda t: t.id) == sorted(targets, key=lambda t: t.id)
    pulled = {message.chunk_id for message in sent if isinstance(message, PullChunk)}
    assert pulled == {target.chunk_id for target in targets if not target.terminal}
    over = {message.chunk_id for message in sent if isinstance(message, ChunkChanged)}
    assert over == {target.chunk_id for target in targets if target.terminal}
    assert IncidentChanged(incident_id=INCIDENT) in sent
    assert await tenant.incidents.expired_leases(tenant.now() + timedelta(days=1), 10) == []


async def test_every_place_is_tried() -> None:
    checkpoints = Checkpoints()
    tenant = await begun(checkpoints, together=True)
    await tenant.expand()
    assert len(checkpoints.names) == PLACES


@pytest.mark.parametrize("place", range(PLACES))
@pytest.mark.parametrize("resumed", ["redelivery", "sweep", "redelivery too early"])
@pytest.mark.parametrize("together", [True, False])
async def test_a_crash_changes_nothing_about_who_is_planned(place: int, resumed: str, *, together: bool) -> None:
    checkpoints = Checkpoints()
    tenant = await begun(checkpoints, together=together)
    sent: list[object] = []
    checkpoints.die_at = place
    try:
        await tenant.expand()
    except ProcessDied:
        checkpoints.revive()
    else:
        # One alert alone passes fewer places.
        assert not together
        checkpoints.revive()
    sent += tenant.queue.sent
    tenant.queue.sent.clear()

    if not together:
        # It joins while nobody works on the case, or while the dead worker still seems to.
        await second_alert(tenant)
        await tenant.enrich()
    if resumed == "redelivery too early":
        # Finds the lease taken and is done; if there is none, it does all of the work.
        assert await tenant.expand() == Done()
        sent += tenant.queue.sent
    tenant.now.advance(LEASE_SECONDS + 1)
    if resumed != "redelivery":
        await swept(tenant)
        sent += tenant.queue.sent
    if resumed == "redelivery" or any(link.step is AlertStep.DECIDED for link in tenant.links):
        # The sweep finds nothing if it died without a lease: then it is the message that comes again.
        assert await tenant.expand() == Done()
        sent += tenant.queue.sent
    await check(tenant, sent)

    # Once more, after everything is done.
    plans, case = tenant.plans, tenant.incident
    assert await tenant.expand() == Done()
    assert (tenant.plans, tenant.incident) == (plans, case)
    assert await swept(tenant) == 0


async def test_a_worker_whose_lease_has_ended_makes_no_second_draft() -> None:
    """Two drafts at once would choose the same targets."""
    tenant = Tenant()
    tenant.person("ann")
    first, _ = await tenant.alert("ann"), await tenant.alert("ann", number=2)
    await tenant.enrich()
    drafts: list[int] = []

    def others_are_first() -> None:
        if not drafts:
            # The new holder of the lease drafts a plan of one alert; the other was decided later.
            draft = Plan(
                id=plan_id(INCIDENT, (first,)),
                incident_id=INCIDENT,
                alert_ids=(first,),
                enrichments=(tenant.links[0].enrichment or "",),
                created_at=tenant.now(),
                state=PlanState.DRAFT,
            )
            planned = tenant.links[0].model_copy(update={"step": AlertStep.PLANNED, "plan_id": draft.id})
            tenant.incidents.put(INCIDENT, tenant.incident, draft, planned)
        drafts.append(sum(plan.state is PlanState.DRAFT for plan in tenant.plans))

    tenant.incidents.before_write = others_are_first
    assert await tenant.expand() == Done()
    assert max(drafts) == 1
    assert [len(plan.alert_ids) for plan in tenant.plans] == [1, 1]
    assert len(tenant.targets.all) == 1
