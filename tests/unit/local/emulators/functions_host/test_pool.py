"""The pool of workers, with the toy app in real processes and time that only the test moves."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.emulators.functions_host.pool import InvocationError, WorkerPool
from tests.unit.local.emulators.functions_host.running import Told
from tests.unit.local.emulators.functions_host.virtual import VirtualClock

APP = Path(__file__).parent / "app"
TIMEOUT = 3.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def pool(clock: VirtualClock, told: Told, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerPool]:
    monkeypatch.setenv("TELL_URL", told.url)
    pool = WorkerPool(str(APP), 1, TIMEOUT, clock)
    await pool.start()
    yield pool
    await pool.stop()


async def test_a_function_that_takes_longer_than_its_time_out_costs_its_worker(
    pool: WorkerPool, clock: VirtualClock, told: Told
) -> None:
    running = asyncio.create_task(pool.invoke("work", {"Id": "1"}, b"block"))
    [before] = await told.next(1)
    await clock.advance(TIMEOUT - 0.001)
    assert not running.done()
    await clock.advance(0.001)
    with pytest.raises(InvocationError, match="3 s"):
        await running

    # Waits for the new worker.
    await pool.invoke("work", {"Id": "2"}, b"next")
    [after] = await told.next(1)
    assert after["pid"] != before["pid"]


async def test_the_usage_of_each_worker_is_measured(pool: WorkerPool) -> None:
    [worker] = pool.usage()
    assert worker["pid"] != os.getpid()
    assert worker["cpuSeconds"] > 0
    assert worker["rssBytes"] > 0
