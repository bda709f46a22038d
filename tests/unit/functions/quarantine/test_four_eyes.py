"""Where policy wants it, two different people approve a plan before anything is moved."""

from dataclasses import replace

import pytest

from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from shared.domain.incident import Command, Incident, Plan, PlanState
from shared.pipeline.payloads import ApprovePlan, ExpandRecipients, IncidentChanged, PullChunk
from shared.pipeline.stage import Done, Reject
from shared.policy import FourEyes
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, PLAN, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
CHANGED = IncidentChanged(incident_id=INCIDENT)


async def waiting(reasons: tuple[str, ...] = (), checkpoints: Checkpoints | None = None, targets: int = 2) -> World:
    world = World(checkpoints or Checkpoints())
    await world.plan("ann", "bob", state=PlanState.AWAITING_APPROVAL)
    plan = the_plan(world).model_copy(update={"approval_reasons": reasons})
    (case,) = world.incidents.all
    world.incidents.put(INCIDENT, plan, case.changed(targets=targets))
    return world


def the_plan(world: World) -> Plan:
    (plan,) = world.incidents.of(INCIDENT, Plan)
    return plan


def with_policy(world: World, **four_eyes: object) -> Deps:
    return replace(
        world.deps, policy=world.deps.policy.model_copy(update={"four_eyes": FourEyes.model_validate(four_eyes)})
    )


def approval(by: str, number: int, world: World) -> ApprovePlan:
    return ApprovePlan(
        incident_id=INCIDENT, plan_id=PLAN, plan_hash="f" * 64, command_id=f"cmd-{number}", by=by, at=world.now()
    )


@pytest.mark.parametrize("again", ["ann@contoso.example", "Ann@Contoso.example", " ANN@CONTOSO.EXAMPLE"])
async def test_above_a_number_of_targets_a_second_person_releases_the_plan_and_the_first_cannot(again: str) -> None:
    world = await waiting()
    deps = with_policy(world, targets_above=1)

    assert await handle(approval("ann@contoso.example", 1, world), deps) == Done()
    assert (the_plan(world).state, the_plan(world).first_approved_by) == (
        PlanState.AWAITING_APPROVAL,
        "ann@contoso.example",
    )
    assert world.queue.sent == [CHANGED]

    outcome = await handle(approval(again, 2, world), deps)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "same_person"
    assert the_plan(world).state is PlanState.AWAITING_APPROVAL

    assert await handle(approval("bob@contoso.example", 3, world), deps) == Done()
    plan = the_plan(world)
    assert (plan.state, plan.first_approved_by, plan.approved_by) == (
        PlanState.RUNNING,
        "ann@contoso.example",
        "bob@contoso.example",
    )
    assert [command.by for command in world.incidents.of(INCIDENT, Command)] == [
        "ann@contoso.example",
        "bob@contoso.example",
    ]
    # Looks and watch of the plan are left to the stage that has its manifest.
    assert world.queue.sent == [CHANGED, CHANGED, PULL, ExpandRecipients(incident_id=INCIDENT)]


@pytest.mark.parametrize(
    ("four_eyes", "reasons", "targets", "people"),
    [
        ({}, (), 2, 1),
        ({"targets_above": 2}, (), 2, 1),
        # All plans of the case together: nobody gets past it with many small ones.
        ({"targets_above": 2}, (), 3, 2),
        ({"targets_above": 0}, (), 2, 2),
        ({"protected": True}, ("protected_people: 1",), 2, 2),
        ({"protected": True}, ("rule: ask",), 2, 1),
        ({"protected": False}, ("protected_people: 1",), 2, 1),
        # It was so when the plan was made, and the plan says so.
        ({}, ("four_eyes: 800 of 500",), 2, 2),
    ],
)
async def test_when_two_people_are_needed(
    four_eyes: dict[str, object], reasons: tuple[str, ...], targets: int, people: int
) -> None:
    world = await waiting(reasons, targets=targets)
    deps = with_policy(world, **four_eyes)
    states = []
    for number, by in enumerate(("ann", "bob"), start=1):
        await handle(approval(by, number, world), deps)
        states.append(the_plan(world).state)
    assert states.index(PlanState.RUNNING) + 1 == people


async def test_an_approval_that_is_delivered_twice_is_one() -> None:
    world = await waiting()
    deps = with_policy(world, targets_above=1)
    for _ in range(3):
        assert await handle(approval("ann", 1, world), deps) == Done()
    assert the_plan(world).state is PlanState.AWAITING_APPROVAL
    assert PULL not in world.queue.sent
    for _ in range(2):
        assert await handle(approval("bob", 2, world), deps) == Done()
        # The first one again, after the plan runs: what it sends, chunks that are done say so.
        assert await handle(approval("ann", 1, world), deps) == Done()
    assert [command.id for command in world.incidents.of(INCIDENT, Command)] == ["cmd-1", "cmd-2"]
    (case,) = world.incidents.all
    assert (case.plans.running, case.plans.awaiting_approval) == (1, 0)


@pytest.mark.parametrize(("other", "released"), [("bob", True), ("Ann", False)])
async def test_of_two_approvals_at_the_same_time_the_second_is_decided_on_the_first(
    other: str, *, released: bool
) -> None:
    world = await waiting()
    deps = with_policy(world, targets_above=1)
    once = iter([1])

    def first() -> None:
        for _ in once:
            plan = the_plan(world).model_copy(update={"first_approved_by": "ann", "first_approved_at": world.now()})
            (case,) = world.incidents.all
            world.incidents.put(INCIDENT, plan, case)

    world.incidents.before_write = first
    outcome = await handle(approval(other, 2, world), deps)
    assert (outcome == Done()) is released
    assert (the_plan(world).state is PlanState.RUNNING) is released
    assert the_plan(world).first_approved_by == "ann"


async def test_a_crash_anywhere_neither_loses_an_approval_nor_makes_two_of_one() -> None:
    counted = Checkpoints()
    world = await waiting(checkpoints=counted)
    counted.passed = 0
    deps = with_policy(world, targets_above=1)
    await handle(approval("ann", 1, world), deps)
    places = counted.passed
    for place in range(places):
        checkpoints = Checkpoints()
        world = await waiting(checkpoints=checkpoints)
        deps = with_policy(world, targets_above=1)
        checkpoints.passed, checkpoints.die_at = 0, place
        with pytest.raises(ProcessDied):
            await handle(approval("ann", 1, world), deps)
        checkpoints.revive()
        assert await handle(approval("ann", 1, world), deps) == Done()
        assert (the_plan(world).first_approved_by, the_plan(world).state) == ("ann", PlanState.AWAITING_APPROVAL)
        assert await handle(approval("bob", 2, world), deps) == Done()
        assert the_plan(world).state is PlanState.RUNNING
        assert len(world.incidents.of(INCIDENT, Command)) == 2


async def test_what_the_first_person_approved_still_counts_as_unapproved() -> None:
    world = await waiting()
    (case,) = world.incidents.all
    world.incidents.put(INCIDENT, case.changed(unapproved_targets=5, unapproved_mailboxes=5))
    deps = with_policy(world, targets_above=1)
    left = []
    for number, by in enumerate(("ann", "bob"), start=1):
        await handle(approval(by, number, world), deps)
        now: Incident = world.incidents.all[0]
        left.append(now.unapproved_targets)
    assert left == [5, 3]
