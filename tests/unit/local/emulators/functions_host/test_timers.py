import asyncio

import pytest

from local.emulators.functions_host.config import Function, HostError
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.timers import TimerListener


def _function(**trigger: object) -> Function:
    return Function("tick", {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *", **trigger})


async def _run_until(listener: TimerListener, done: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        running = asyncio.create_task(listener.run())
        await done.wait()
        listener.stop()
        await running


async def test_it_fires_by_its_schedule_and_goes_on_after_a_failure() -> None:
    done, bodies = asyncio.Event(), []

    async def invoke(body: bytes) -> None:
        bodies.append(body)
        if len(bodies) == 2:
            done.set()
        raise InvocationError("as asked")

    await _run_until(TimerListener(_function(), invoke), done)
    assert len(bodies) == 2
    assert b'"IsPastDue": false' in bodies[0]


async def test_run_on_startup_does_not_wait_for_the_schedule() -> None:
    done = asyncio.Event()

    async def invoke(_: bytes) -> None:
        done.set()

    await _run_until(TimerListener(_function(schedule="0 0 0 1 1 *", runOnStartup=True), invoke), done)


def test_a_timer_that_wants_its_past_is_refused() -> None:
    async def invoke(_: bytes) -> None: ...

    with pytest.raises(HostError, match="useMonitor"):
        TimerListener(_function(useMonitor=True), invoke)
