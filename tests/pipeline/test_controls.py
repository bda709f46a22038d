"""All stages under a budget, a pause and a policy that only plans."""

from datetime import timedelta

import pytest

from shared.domain.incident import Incident, Plan, PlanState
from shared.domain.target import TargetState
from shared.domain.tenant import Budget, Pause
from shared.names import WEB_SENDS_TO
from shared.pipeline.envelope import MAX_AGE
from shared.pipeline.payloads import ChangePause, UndoPull
from tests.pipeline.stages import Pipeline

NAMES = [f"p{number:03}" for number in range(312)]
NO_LIMIT = {"targets": 100_000, "mailbox_share": 1.0}
NO_BUDGET = {"mailbox_share_per_hour": 100.0, "mailbox_share_per_day": 100.0}


def contoso(*names: str, **policy: object) -> Pipeline:
    pipeline = Pipeline()
    pipeline.policy.update(policy)
    for name in names:
        pipeline.person(name)
        pipeline.mail(name, "Inbox")
    return pipeline


def plans(pipeline: Pipeline, case: Incident) -> list[Plan]:
    return [plan for plan in pipeline.incidents.of(case.id, Plan) if plan.pending]


def pulled(pipeline: Pipeline) -> int:
    return sum(target.state is TargetState.QUARANTINED for target in pipeline.targets.all)


@pytest.mark.parametrize(
    ("limits", "budget", "reason"),
    [
        ({"mailbox_share": 0.5}, NO_BUDGET, "mailbox_share: 298 of 312"),
        (NO_LIMIT, {}, "budget_hour_mailboxes: 298 of 156"),
    ],
    ids=["the limits of the case count its predecessor", "the budget counts all cases"],
)
async def test_149_mailboxes_three_fillers_and_149_more_do_not_get_past_half(
    limits: dict[str, object], budget: dict[str, object], reason: str
) -> None:
    pipeline = contoso(*NAMES, limits=limits, budget=budget)
    # The fillers fill the case, so that the next alert opens a successor whose own numbers start at zero.
    pipeline.incidents.max_alerts = 4
    for number in range(1, 5):
        await pipeline.post(*(NAMES[:149] if number == 1 else NAMES[:1]), number=number)
        await pipeline.settle()
    assert pulled(pipeline) == 149

    await pipeline.post(*NAMES[149:298], number=5)
    await pipeline.settle()

    first, second = pipeline.incidents.all
    (plan,) = plans(pipeline, second)
    assert (second.unapproved_targets, second.earlier_targets) == (149, 149)
    assert first.unapproved_targets == 149
    assert (plan.state, plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, (reason,))
    assert pulled(pipeline) == 149


async def test_what_waited_for_the_budget_does_not_use_it_and_a_day_later_there_is_a_new_one() -> None:
    pipeline = contoso(*NAMES[:10], limits=NO_LIMIT, budget={"targets_per_hour": 6, **NO_BUDGET})
    await pipeline.post(*NAMES[:5], number=1)
    await pipeline.settle()
    await pipeline.post(*NAMES[:8], number=2)
    await pipeline.settle()
    (case,) = pipeline.incidents.all
    assert [plan.approval_reasons for plan in plans(pipeline, case)] == [(), ("budget_hour: 8 of 6",)]

    pipeline.now.advance(2 * 3600)
    await pipeline.post(*NAMES, number=3)
    await pipeline.settle()
    assert [plan.state for plan in plans(pipeline, case)][-1] is PlanState.FINISHED
    assert pipeline.tenant.now(Budget).used(timedelta(hours=1), pipeline.now()).targets == 2


async def change_pause(pipeline: Pipeline, *, paused: bool) -> None:
    """As the API does."""
    for stage in WEB_SENDS_TO:
        message = ChangePause(
            stage=stage, command_id=f"cmd-{paused}", paused=paused, by="dana", at=pipeline.now(), reason="wrong mail"
        )
        await pipeline.queue.send(message, correlation_id="cmd")


async def pass_time(pipeline: Pipeline, duration: timedelta, step: timedelta) -> None:
    """Time passes; what can be seen on the queues is delivered."""
    end = pipeline.now() + duration
    while pipeline.now() < end:
        for message in list(pipeline.queue.waiting):
            if message.visible_at <= pipeline.now():
                await pipeline.deliver(message)
        pipeline.now.advance(step.total_seconds())


async def test_an_administrator_stops_all_pulling_at_once_and_resumes_it_days_later() -> None:
    pipeline = contoso("ann", "bob", "eve")
    await pipeline.post("ann")
    await pipeline.settle()
    await change_pause(pipeline, paused=True)
    await pass_time(pipeline, timedelta(seconds=2), timedelta(seconds=1))
    before = pipeline.mailboxes.snapshot()

    await pipeline.post("bob", "eve", number=2)
    await pass_time(pipeline, timedelta(minutes=1), timedelta(seconds=1))
    # A plan is recorded as running, and its chunk waits.
    (case,) = pipeline.incidents.all
    assert case.plans.running == 1
    await pass_time(pipeline, 3 * MAX_AGE, timedelta(minutes=10))

    assert pipeline.mailboxes.snapshot() == before
    assert pipeline.dead_letters.messages == {}
    # Each queue message is still one: no sweep and no age made more of them.
    assert len(pipeline.queue.waiting) == 1
    assert pipeline.queue.waiting[0].envelope.attempt == 0
    paused = pipeline.tenant.now(Pause).changes
    assert [(one.paused, one.by, one.reason) for one in paused] == [(True, "dana", "wrong mail")]

    await change_pause(pipeline, paused=False)
    await pipeline.settle()
    assert pulled(pipeline) == 3
    assert {target.attempts for target in pipeline.targets.all} == {0}


async def test_undo_works_while_pulling_is_paused() -> None:
    pipeline = contoso("ann", "bob")
    before = pipeline.mailboxes.snapshot()
    await pipeline.post("ann", "bob")
    await pipeline.settle()
    assert pulled(pipeline) == 2
    await change_pause(pipeline, paused=True)
    await pipeline.settle()

    (case,) = pipeline.incidents.all
    targets = tuple(target.id for target in pipeline.targets.all)
    wish = UndoPull(incident_id=case.id, targets=targets, command_id="cmd-1", by="dana", at=pipeline.now())
    await pipeline.queue.send(wish, correlation_id=case.id)
    await pipeline.settle()

    assert {target.state for target in pipeline.targets.all} == {TargetState.RESTORED}
    now = pipeline.mailboxes.snapshot()
    assert {name: now[name] for name in before} == before


async def test_an_installation_that_observes_plans_everything_and_pulls_nothing() -> None:
    pipeline = contoso("ann", "bob", mode="observe")
    before = pipeline.mailboxes.snapshot()
    await pipeline.post("ann", "bob")
    await pipeline.settle()
    (case,) = pipeline.incidents.all
    (plan,) = plans(pipeline, case)
    assert (plan.state, plan.approval_reasons, plan.targets) == (PlanState.AWAITING_APPROVAL, ("observe",), 2)
    assert pipeline.mailboxes.snapshot() == before
