from datetime import timedelta

import pytest

from shared.domain.tenant import Pause
from shared.names import Stage
from shared.pipeline.pause import change_pause
from shared.pipeline.payloads import ChangePause
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import START
from tests.fakes.tenant import FakeTenant

WISH = ChangePause(stage=Stage.REPORT, command_id="cmd-1", paused=True, by="ann", at=START, reason="wrong mail")


async def test_the_first_queue_that_brings_it_pauses_and_the_others_change_nothing() -> None:
    tenant = FakeTenant()
    for stage in (Stage.QUARANTINE, Stage.INGEST_ALERT, Stage.REPORT):
        await change_pause(WISH.model_copy(update={"stage": stage}), tenant, START)
        pause = tenant.now(Pause)
        assert pause.paused
        assert [(one.by, one.at, one.reason) for one in pause.changes] == [("ann", START, "wrong mail")]


async def test_a_pause_that_comes_after_its_resume_does_not_pause_again() -> None:
    tenant = FakeTenant()
    later = START + timedelta(seconds=9)
    await change_pause(WISH.model_copy(update={"command_id": "cmd-2", "paused": False, "at": later}), tenant, later)
    await change_pause(WISH, tenant, later)
    assert not tenant.now(Pause).paused


@pytest.mark.parametrize("paused", [True, False])
async def test_a_forged_change_from_the_future_does_not_stand_against_later_ones(*, paused: bool) -> None:
    tenant = FakeTenant()
    forged = WISH.model_copy(update={"paused": paused, "at": START + timedelta(days=9000)})
    await change_pause(forged, tenant, START)
    now = START + timedelta(seconds=1)
    await change_pause(WISH.model_copy(update={"command_id": "cmd-2", "paused": not paused, "at": now}), tenant, now)
    assert tenant.now(Pause).paused is not paused


async def test_a_crash_and_others_that_are_first_change_nothing() -> None:
    counted = Checkpoints()
    await change_pause(WISH, FakeTenant(counted), START)
    for place in range(counted.passed):
        checkpoints = Checkpoints(die_at=place)
        tenant = FakeTenant(checkpoints)
        with pytest.raises(ProcessDied):
            await change_pause(WISH, tenant, START)
        checkpoints.revive()
        await change_pause(WISH, tenant, START)
        assert len(tenant.now(Pause).changes) == 1
