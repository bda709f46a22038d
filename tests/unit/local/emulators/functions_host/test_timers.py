import asyncio
from datetime import datetime, timedelta

import pytest

from local.emulators.functions_host.config import Function, HostError
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.timers import TimerListener
from tests.unit.local.emulators.functions_host.virtual import START, VirtualClock, settle


def _function(**trigger: object) -> Function:
    return Function("tick", {"type": "timerTrigger", "name": "timer", "schedule": "*/10 * * * * *", **trigger})


class _EarlyClock(VirtualClock):
    """Its sleeps end a millisecond early, as a machine's may."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds - 0.001)


@pytest.mark.parametrize("clock_type", [VirtualClock, _EarlyClock])
async def test_it_fires_once_for_each_time_of_its_schedule_and_goes_on_after_a_failure(
    clock_type: type[VirtualClock],
) -> None:
    clock = clock_type()
    fired: list[datetime] = []

    async def invoke(body: bytes) -> None:
        assert b'"IsPastDue": false' in body
        fired.append(clock.now())
        raise InvocationError("as asked")

    listener = TimerListener(_function(), invoke, clock)
    running = asyncio.create_task(listener.run())
    await clock.advance(35)
    listener.stop()
    await running
    late = [START + timedelta(seconds=due) - moment for due, moment in zip((10, 20, 30), fired, strict=True)]
    assert all(timedelta(0) <= one <= timedelta(milliseconds=2) for one in late)


async def test_what_is_due_while_the_function_runs_is_left_out() -> None:
    clock = VirtualClock()
    fired: list[datetime] = []

    async def invoke(_: bytes) -> None:
        fired.append(clock.now())
        await clock.sleep(25)

    listener = TimerListener(_function(), invoke, clock)
    running = asyncio.create_task(listener.run())
    await clock.advance(60)
    listener.stop()
    await clock.advance(60)
    await running
    assert [(moment - START).seconds for moment in fired] == [10, 40]


async def test_run_on_startup_does_not_wait_for_the_schedule() -> None:
    clock = VirtualClock()
    fired: list[datetime] = []

    async def invoke(_: bytes) -> None:
        fired.append(clock.now())

    listener = TimerListener(_function(schedule="0 0 0 1 1 *", runOnStartup=True), invoke, clock)
    running = asyncio.create_task(listener.run())
    await settle()
    assert fired == [START]
    listener.stop()
    await running


def test_a_timer_that_wants_its_past_is_refused() -> None:
    async def invoke(_: bytes) -> None: ...

    with pytest.raises(HostError, match="useMonitor"):
        TimerListener(_function(useMonitor=True), invoke, VirtualClock())
