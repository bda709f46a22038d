from functions.report.chain import batches, tell
from functions.report.models import Told
from shared.domain.activity import AuditEvent
from shared.domain.batch import MAX_BATCH
from shared.domain.ids import ChunkId, PlanId
from shared.domain.target import Target, TargetState
from tests.fakes.activity import FakeActivity
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, target


def told(number: int, counts: Target | None = None, **data: str) -> Told:
    return Told(AuditEvent(id=f"event-{number}", kind="test", at=START, actor="test", data=data), counts)


def ended(number: int, plan: int) -> Target:
    return target(f"p{number}", TargetState.NOT_FOUND, ChunkId(f"plan-{plan}.0000"))


async def test_every_batch_has_room_for_the_head_and_the_counts_of_plans() -> None:
    events = [told(number, ended(number, plan=number % 60)) for number in range(300)]

    for batch in batches(events):
        plans = {one.counts.plan_id for one in batch if one.counts}
        assert 1 + len(plans) + len(batch) <= MAX_BATCH

    store = FakeActivity()
    head = await tell(INCIDENT, events, store)
    assert (head.seq, head.counts.states) == (300, {"not_found": 300})
    assert [await store.plan_count(INCIDENT, PlanId(f"plan-{n}")) for n in (0, 59, 60)] == [5, 5, 0]


async def test_batches_are_cut_by_size_as_sent() -> None:
    # As sent, 120 KB each.
    events = [told(number, reason="\U0001f41f" * 10_000) for number in range(40)]

    assert [len(batch) for batch in batches(events)] == [15, 15, 10]
    assert (await tell(INCIDENT, events, FakeActivity())).seq == 40


async def test_nothing_to_tell_still_gives_the_head() -> None:
    assert list(batches([])) == [[]]
    assert (await tell(INCIDENT, [], FakeActivity())).seq == 0
