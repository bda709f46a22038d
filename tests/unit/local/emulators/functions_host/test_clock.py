import asyncio

import pytest

from local.emulators.functions_host.clock import SystemClock, within
from tests.unit.local.emulators.functions_host.virtual import VirtualClock


async def test_what_is_done_in_time_is_returned() -> None:
    async def work() -> int:
        return 7

    assert await within(VirtualClock(), 1, work()) == 7


async def test_what_takes_too_long_is_cancelled() -> None:
    clock = VirtualClock()
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.create_task(within(clock, 10, work()))
    await clock.advance(9)
    assert not waiting.done()
    await clock.advance(1)
    with pytest.raises(TimeoutError):
        await waiting
    assert cancelled.is_set()


async def test_what_fails_fails() -> None:
    async def work() -> None:
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        await within(VirtualClock(), 1, work())


async def test_the_clock_of_the_machine_goes_on() -> None:
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() >= before
