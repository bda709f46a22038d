"""The process dies at every await, in turn; then the message comes back.

Whatever the place: every target ends, none is moved twice in one direction, nothing else is touched, and undo is exact.
"""

from datetime import timedelta

import pytest

from functions.quarantine.handler import handle
from functions.quarantine.sweep import SweepDeps, sweep, sweep_alerts
from shared.domain.ids import IncidentId
from shared.domain.incident import AlertLink, AlertStep, Incident, Plan
from shared.domain.target import TargetState
from shared.names import Stage
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, IncidentChanged, PullChunk, RestoreChunk
from shared.pipeline.stage import Done, RetryLater
from shared.ports.mailboxes import Item, Where
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, LEASE_SECONDS, World, deliver

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, all=True, command_id="cmd-1")

ENDS = {
    "ann": TargetState.QUARANTINED,
    "bob": TargetState.QUARANTINED,
    "eve": TargetState.NOT_FOUND,
    "pam": TargetState.GONE_BY_USER,
}


async def world_with(checkpoints: Checkpoints) -> World:
    world = World(checkpoints)
    world.mail("ann", "Inbox/Invoices", 1)
    world.mail("ann", "Deleted Items", 2)
    world.mail("bob", "Inbox", 3)
    world.mail("bob", "Inbox", 4, internet_message_id="<benign@example.com>")
    world.mail("pam", str(Where.PURGES), 5)
    world.mailboxes.add_box("eve")
    await world.plan(*ENDS)
    world.before = world.mailboxes.snapshot()
    checkpoints.passed = 0
    checkpoints.names.clear()
    return world


async def places(*messages: PullChunk | RestoreChunk) -> list[str]:
    """The places that a run without a crash passes while the last message is handled."""
    checkpoints = Checkpoints()
    world = await world_with(checkpoints)
    for message in messages:
        checkpoints.names.clear()
        await deliver(message, world)
    return list(checkpoints.names)


# The dry runs say how many places there are; should the engine get more of them, these numbers are to follow.
PULL_PLACES = 27
RESTORE_PLACES = 20


async def test_a_crash_is_tried_at_every_await() -> None:
    assert len(await places(PULL)) == PULL_PLACES
    assert len(await places(PULL, RESTORE)) == RESTORE_PLACES


@pytest.mark.parametrize("place", range(PULL_PLACES))
async def test_a_crash_during_the_pull_changes_nothing_about_its_result(place: int) -> None:
    checkpoints = Checkpoints()
    world = await world_with(checkpoints)
    checkpoints.die_at = place
    with pytest.raises(ProcessDied):
        await handle(PULL, world.deps)
    checkpoints.revive()

    # The message comes back when the host's lease on it ends, after that on the chunk; and it comes twice.
    world.now.advance(LEASE_SECONDS + 1)
    for _ in range(2):
        await deliver(PULL, world)

    assert world.states == ENDS
    assert world.mailboxes.moves == {"ann/1": 1, "ann/2": 1, "bob/3": 1}
    untouched = {item.id: item for items in world.before.values() for item in items.values()}
    now = {item.id: item for items in world.mailboxes.snapshot().values() for item in items.values()}
    assert now["bob/4"] == untouched["bob/4"]
    assert now["pam/5"] == untouched["pam/5"]

    await deliver(RESTORE, world)
    assert world.mailboxes.snapshot() == world.before


@pytest.mark.parametrize("place", range(RESTORE_PLACES))
async def test_a_crash_during_the_undo_changes_nothing_about_its_result(place: int) -> None:
    checkpoints = Checkpoints()
    world = await world_with(checkpoints)
    await deliver(PULL, world)
    moved: dict[str, Item] = world.mailboxes.boxes["ann"].items
    assert all(item != world.before["ann"][key] for key, item in moved.items())
    checkpoints.die_at = checkpoints.passed + place
    with pytest.raises(ProcessDied):
        await handle(RESTORE, world.deps)
    checkpoints.revive()

    world.now.advance(LEASE_SECONDS + 1)
    for _ in range(2):
        await deliver(RESTORE, world)

    assert world.mailboxes.snapshot() == world.before
    assert world.states["ann"] is TargetState.RESTORED
    assert world.mailboxes.moves == {"ann/1": 2, "ann/2": 2, "bob/3": 2}


async def test_no_other_worker_moves_anything_until_the_lease_ends() -> None:
    checkpoints = Checkpoints()
    world = await world_with(checkpoints)
    checkpoints.die_at = (await places(PULL)).index("before move")
    with pytest.raises(ProcessDied):
        await handle(PULL, world.deps)
    checkpoints.revive()

    assert await handle(PULL, world.deps) == Done()
    assert await handle(RESTORE, world.deps) == RetryLater("leased", LEASE_SECONDS)
    assert not world.mailboxes.moves


async def test_the_sweep_finds_a_chunk_whose_worker_died_and_no_other() -> None:
    checkpoints = Checkpoints()
    world = await world_with(checkpoints)
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    assert await sweep(deps) == 0
    checkpoints.passed = 0
    checkpoints.die_at = (await places(PULL)).index("after move")
    with pytest.raises(ProcessDied):
        await handle(PULL, world.deps)
    checkpoints.revive()
    assert await sweep(deps) == 0

    world.now.advance(LEASE_SECONDS + 1)

    assert await sweep(deps) == 1
    assert world.queue.sent == [PULL]
    await deliver(PULL, world)
    assert await sweep(deps) == 0


async def test_the_sweep_takes_up_cases_whose_worker_died_and_knows_which_work_it_was() -> None:
    world = await world_with(Checkpoints())
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    until = world.now() + timedelta(seconds=LEASE_SECONDS)
    for stage in (Stage.ENRICH, Stage.EXPAND_RECIPIENTS, Stage.REPORT):
        assert await world.incidents.acquire_lease(INCIDENT, stage, world.now(), until)
    done = await world.incidents.acquire_lease(IncidentId("inc-2"), Stage.ENRICH, world.now(), until)
    assert done is not None
    await world.incidents.release_lease(done)
    assert await sweep(deps) == 0

    world.now.advance(LEASE_SECONDS + 1)

    assert await sweep(deps) == 3
    assert world.queue.sent == [
        EnrichAlerts(incident_id=INCIDENT),
        ExpandRecipients(incident_id=INCIDENT),
        IncidentChanged(incident_id=INCIDENT),
    ]


async def test_a_lease_of_a_newer_version_is_left_to_it() -> None:
    world = await world_with(Checkpoints())
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    assert await world.incidents.acquire_lease(INCIDENT, "triage", world.now(), world.now())
    world.now.advance(1)
    assert await sweep(deps) == 1
    assert world.queue.sent == []


async def test_alerts_that_wait_for_too_long_are_taken_up_and_no_others() -> None:
    world = await world_with(Checkpoints())
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    (link,) = world.incidents.of(INCIDENT, AlertLink)
    (plan,) = world.incidents.of(INCIDENT, Plan)
    world.incidents.put(INCIDENT, plan.model_copy(update={"dispatched": True}))
    steps = {IncidentId(f"inc-{step}"): step for step in AlertStep}
    for key, step in steps.items():
        changes = {"incident_id": key, "step": step}
        world.incidents.keep(Incident(id=key, opened_at=world.now()), link.model_copy(update=changes))
    world.now.advance(20 * 60)
    assert await sweep_alerts(deps) == 0

    world.now.advance(1)

    assert await sweep_alerts(deps) == 2
    assert world.queue.sent == [
        EnrichAlerts(incident_id=IncidentId("inc-decided")),
        EnrichAlerts(incident_id=IncidentId("inc-joined")),
    ]
