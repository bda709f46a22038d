"""A gateway reports one mail three hundred times: what is asked of the tenant does not grow with the alerts."""

from collections import Counter

import pytest

from shared.domain.incident import MAX_PLAN_ALERTS, AlertLink, AlertStep, IncidentState, Plan
from shared.domain.target import TargetState
from shared.ports.mailboxes import Item
from tests.pipeline.stages import Pipeline
from tests.unit.functions.tenant import DELIVERED, MESSAGE_ID, SENDER

ALERTS = 300
# One for the first alert, which does not wait, and those that the others fill.
BATCHES = 1 + -(-(ALERTS - 1) // MAX_PLAN_ALERTS)

ASKED = {
    "resolve",
    "members",
    "transitive members",
    "mailbox kinds",
    "mailbox count",
    "trace",
    "inboxes",
    "sent descendants",
    "forwarding rules",
}


def tenant() -> Pipeline:
    pipeline = Pipeline()
    for number in range(ALERTS):
        pipeline.person(f"p{number:03}")
        item = Item(f"p{number}/1", MESSAGE_ID, "", subject="Invoice", sender=SENDER, received_at=DELIVERED)
        pipeline.mailboxes.add_item(f"p{number:03}", "Inbox", item)
    return pipeline


def asked(pipeline: Pipeline) -> Counter[str]:
    return Counter(name for name in pipeline.checkpoints.names if name in ASKED)


async def post(pipeline: Pipeline, number: int) -> None:
    """Each alert names one new person, and one whom the alert before it has named."""
    await pipeline.post(f"p{number:03}", f"p{max(0, number - 1):03}", number=number)


async def settle_newest_first(pipeline: Pipeline) -> None:
    """Each message before those that were sent earlier."""
    for _ in range(10_000):
        ready = [message for message in pipeline.queue.waiting if message.visible_at <= pipeline.now()]
        if not ready:
            break
        await pipeline.deliver(ready[-1])
    await pipeline.settle()


def check(pipeline: Pipeline) -> None:
    incident = pipeline.incident
    assert pipeline.dead_letters.messages == {}
    assert incident.alerts == incident.decided == incident.planned == ALERTS
    assert incident.state is IncidentState.CONTAINED
    plans, links = pipeline.incidents.of(incident.id, Plan), pipeline.incidents.of(incident.id, AlertLink)
    assert {link.step for link in links} == {AlertStep.PLANNED}
    assert sorted(alert for plan in plans for alert in plan.alert_ids) == sorted(link.id for link in links)
    assert max(len(plan.alert_ids) for plan in plans) <= MAX_PLAN_ALERTS
    assert {target.state for target in pipeline.targets.all} == {TargetState.QUARANTINED}
    assert len(pipeline.targets.all) == len({target.id for target in pipeline.targets.all}) == ALERTS
    assert set(pipeline.mailboxes.moves.values()) == {1}
    assert incident.counts.states == {"quarantined": ALERTS}


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
async def test_a_burst_about_one_mail_is_few_plans_and_few_questions(order: str) -> None:
    alone = tenant()
    await post(alone, 0)
    await alone.settle()
    one = asked(alone)

    pipeline = tenant()
    for number in range(ALERTS):
        await post(pipeline, number)
    await (pipeline.settle() if order == "oldest first" else settle_newest_first(pipeline))

    check(pipeline)
    plans = pipeline.incidents.of(pipeline.incident.id, Plan)
    assert len(plans) <= BATCHES
    many = asked(pipeline)
    assert set(many) == set(one)
    assert {name for name, calls in many.items() if calls > one[name] * BATCHES} == set()
    assert (await pipeline.verified()).intact


async def test_alerts_that_keep_coming_are_planned_together_too() -> None:
    pipeline = tenant()
    seconds = 30
    for number in range(ALERTS):
        await post(pipeline, number)
        pipeline.now.advance(seconds / ALERTS)
        for message in [one for one in pipeline.queue.waiting if one.visible_at <= pipeline.now()]:
            await pipeline.deliver(message)
    await pipeline.settle()
    check(pipeline)
    # One at once, then one for each three seconds.
    assert len(pipeline.incidents.of(pipeline.incident.id, Plan)) <= 2 + seconds // 2
