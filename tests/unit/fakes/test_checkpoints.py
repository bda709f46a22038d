import pytest

from shared.domain.ids import IncidentId
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents

KEY, OWNER = "msg-1", IncidentId("inc-1")


async def test_a_dry_run_counts_every_place() -> None:
    checkpoints = Checkpoints()

    await FakeIncidents(checkpoints).assign_message(KEY, OWNER)
    await FakeEvidence(checkpoints).keep("plans/1", b"x")

    assert checkpoints.names == [
        "before assign message",
        "after assign message",
        "before keep plans/1",
        "after keep plans/1",
    ]
    assert checkpoints.passed == 4


@pytest.mark.parametrize(("place", "done"), [(0, {}), (1, {KEY: OWNER})])
async def test_the_process_dies_before_or_after_the_effect(place: int, done: dict[str, str]) -> None:
    incidents = FakeIncidents(Checkpoints(die_at=place))

    with pytest.raises(ProcessDied):
        await incidents.assign_message(KEY, OWNER)

    assert incidents.owners == done


async def test_nothing_catches_a_death_on_the_way() -> None:
    assert not issubclass(ProcessDied, Exception)


async def test_the_next_process_lives() -> None:
    checkpoints = Checkpoints(die_at=0)
    incidents = FakeIncidents(checkpoints)
    with pytest.raises(ProcessDied):
        await incidents.assign_message(KEY, OWNER)

    checkpoints.revive()

    assert await incidents.assign_message(KEY, OWNER) == OWNER
