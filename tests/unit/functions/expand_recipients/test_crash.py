"""The process dies at every await, in turn, while two alerts about one mail are planned.

Whatever the place: both plans are made, each mailbox is in exactly one of them, and what was frozen is what is there.
"""

import pytest

from functions.expand_recipients.manifest import Manifest
from shared.domain.ids import AlertId
from shared.domain.incident import PlanState
from shared.pipeline.payloads import ChunkChanged, PullChunk
from shared.pipeline.stage import Done, RetryLater
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.tenant import ALERT, CLAIM_SECONDS, MESSAGE_ID, Tenant

# The dry run says how many places there are; should the stage get more of them, this number is to follow.
PLACES = 36


async def two_alerts(checkpoints: Checkpoints) -> tuple[Tenant, AlertId]:
    tenant = Tenant(checkpoints)
    ann, bob = tenant.person("ann"), tenant.person("bob")
    tenant.person("eve")
    tenant.group("sales", ann, bob)
    tenant.sent("ann", MESSAGE_ID, "<1@contoso.example>", "out@partner.example")
    tenant.traced("ann@contoso.example")
    await tenant.alert("sales")
    other = await tenant.alert("ann", "eve", number=2)
    for alert in (ALERT, other):
        await tenant.enrich(alert)
    tenant.queue.sent.clear()
    checkpoints.passed = 0
    checkpoints.names.clear()
    return tenant, other


async def until_done(tenant: Tenant, alert: AlertId) -> None:
    for _ in range(CLAIM_SECONDS + 2):
        outcome = await tenant.expand(alert)
        if outcome == Done():
            return
        assert isinstance(outcome, RetryLater)
        tenant.now.advance(outcome.seconds or 1)
    raise AssertionError("never its turn")


def check(tenant: Tenant) -> None:
    targets = tenant.targets.all
    assert len({target.id for target in targets}) == len(targets) == 5
    assert {(t.mailbox.address.partition("@")[0], t.internet_message_id) for t in targets} == {
        ("ann", MESSAGE_ID),
        ("bob", MESSAGE_ID),
        ("eve", MESSAGE_ID),
        ("ann", "<1@contoso.example>"),
        ("out", "<1@contoso.example>"),
    }
    assert tenant.incident.planning is None
    assert {plan.state for plan in tenant.incident.plans} == {PlanState.RUNNING}
    frozen = [
        target
        for plan in tenant.incident.plans
        for target in Manifest.model_validate_json(tenant.evidence.blobs[plan.manifest]).targets
    ]
    assert sorted(frozen, key=lambda t: t.id) == sorted(targets, key=lambda t: t.id)
    pulled = {message.chunk_id for message in tenant.queue.sent if isinstance(message, PullChunk)}
    assert pulled == {target.chunk_id for target in targets if not target.terminal}
    settled = {message.chunk_id for message in tenant.queue.sent if isinstance(message, ChunkChanged)}
    assert settled == {target.chunk_id for target in targets if target.terminal}


async def test_every_place_is_tried() -> None:
    checkpoints = Checkpoints()
    tenant, _ = await two_alerts(checkpoints)
    await tenant.expand()
    assert len(checkpoints.names) == PLACES


@pytest.mark.parametrize("place", range(PLACES))
@pytest.mark.parametrize("other_first", [True, False])
async def test_a_crash_changes_nothing_about_who_is_planned(place: int, other_first: bool) -> None:
    checkpoints = Checkpoints()
    tenant, other = await two_alerts(checkpoints)
    checkpoints.die_at = place
    with pytest.raises(ProcessDied):
        await tenant.expand()
    checkpoints.revive()
    for alert in (other, ALERT) if other_first else (ALERT, other):
        await until_done(tenant, alert)
        await until_done(tenant, alert)
    check(tenant)
