"""Workers side by side, deaths, duplicates, lost answers, conflicts, people who act: what holds when all is at rest."""

import random
from collections import Counter

import pytest

from functions.report.audit_events import of_document, of_targets
from functions.report.chain import check
from shared.domain.incident import (
    AlertLink,
    AlertStep,
    CaseDocument,
    Command,
    Incident,
    IncidentState,
    Lease,
    Plan,
    PlanCounts,
    PlanState,
)
from shared.domain.target import Target, TargetState
from tests.simulation.world import Simulation

SEEDS = 100


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_every_case_is_as_it_should_be(seed: int) -> None:
    random.seed(seed)
    world = Simulation(seed)
    try:
        await world.run()
        every_alert_is_in_one_case(world)
        no_lease_is_left(world)
        nothing_is_pulled_twice(world)
        for case in world.incidents.all:
            every_alert_is_decided_and_in_one_plan(world, case)
            the_header_says_what_the_documents_say(world, case)
            every_target_is_in_one_chunk_of_one_plan(world, case)
            await the_chain_tells_everything_once(world, case)
    except BaseException:
        print("\n".join(world.story))  # noqa: T201 - pytest shows it if the test fails
        raise


def every_alert_is_in_one_case(world: Simulation) -> None:
    links = [link.id for case in world.incidents.all for link in world.incidents.of(case.id, AlertLink)]
    assert Counter(links) == Counter(alert.id for alert in world.alerts.all)


def no_lease_is_left(world: Simulation) -> None:
    leases = [lease.value for case in world.incidents.leases.values() for lease in case.all(Lease)]
    assert [lease for lease in leases if lease.until is not None] == []
    assert world.targets.leased == []


def nothing_is_pulled_twice(world: Simulation) -> None:
    """A copy is moved once by each case that pulled it, and once more by each that put it back.

    Two cases that find a copy at the same time may share one move. A worker that goes on after its lease on a chunk has
    ended repeats a move, which changes nothing.
    """
    allowed = {TargetState.QUARANTINED: 1, TargetState.RESTORED: 2}
    expected: Counter[str] = Counter()
    for target in world.targets.all:
        expected.update({copy.id: allowed.get(target.state, 0) for copy in target.copies})
    if not world.slow:
        assert world.mailboxes.moves <= expected


def every_alert_is_decided_and_in_one_plan(world: Simulation, case: Incident) -> None:
    links, plans = world.incidents.of(case.id, AlertLink), world.incidents.of(case.id, Plan)
    assert {link.step for link in links} <= {AlertStep.PLANNED, AlertStep.IGNORED}
    planned = [link.id for link in links if link.step is AlertStep.PLANNED]
    assert Counter(planned) == Counter(alert for plan in plans for alert in plan.alert_ids)
    assert all(plan.dispatched and plan.state is not PlanState.DRAFT for plan in plans)


def the_header_says_what_the_documents_say(world: Simulation, case: Incident) -> None:
    links, plans = world.incidents.of(case.id, AlertLink), world.incidents.of(case.id, Plan)
    steps, states = Counter(link.step for link in links), Counter(plan.state for plan in plans)
    unapproved = [plan for plan in plans if plan.approved_by is None]
    assert (case.alerts, case.decided) == (len(links), len(links))
    assert (case.ignored, case.planned) == (steps[AlertStep.IGNORED], steps[AlertStep.PLANNED])
    assert case.plans == PlanCounts(
        awaiting_approval=states[PlanState.AWAITING_APPROVAL],
        running=states[PlanState.RUNNING],
        finished=states[PlanState.FINISHED],
    )
    assert case.targets == sum(plan.targets for plan in plans)
    assert case.unapproved_targets == sum(plan.pending for plan in unapproved)
    assert case.unapproved_mailboxes == sum(plan.pending_mailboxes for plan in unapproved)
    assert (case.state is IncidentState.CLOSED) == (case.closed_at is not None) == case.close_anchored
    assert case == case.with_state()


def every_target_is_in_one_chunk_of_one_plan(world: Simulation, case: Incident) -> None:
    targets = targets_of(world, case)
    assert len({target.id for target in targets}) == len(targets)
    of_plan = Counter(target.plan_id for target in targets)
    for plan in world.incidents.of(case.id, Plan):
        assert of_plan[plan.id] == plan.targets
        left = [target for target in targets if target.plan_id == plan.id and not target.terminal]
        assert (plan.state is PlanState.FINISHED) == (not left)
        assert not left or plan.state is PlanState.AWAITING_APPROVAL


async def the_chain_tells_everything_once(world: Simulation, case: Incident) -> None:
    of = world.incidents.of
    documents: list[CaseDocument] = [case, *of(case.id, AlertLink), *of(case.id, Plan), *of(case.id, Command)]
    assert [one for one in documents if one.unrecorded] == []
    targets = targets_of(world, case)
    events = [one for document in documents for one in of_document(document)]
    expected = Counter(one.event.id for one in (*events, *of_targets(targets, world.now())))
    assert Counter([str(entry["id"]) async for entry in world.activity.entries(case.id)]) == expected
    assert (await check(case, world.incidents, world.activity, world.evidence)).intact
    assert Counter(case.counts.states) == Counter(str(target.state) for target in targets if target.terminal)


def targets_of(world: Simulation, case: Incident) -> list[Target]:
    return [target for target in world.targets.all if target.incident_id == case.id]
