"""Timer triggers: one invocation at a time, at the times of its schedule."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

from local.emulators.functions_host.clock import Clock, within
from local.emulators.functions_host.config import Function, HostError
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.schedule import parse

_log = logging.getLogger("host")

# What the host sends for a timer without a monitor: it keeps no record of past occurrences (useMonitor would).
BODY = json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}).encode()


class TimerListener:
    """Calls one function by its schedule.

    Args:
        function: a function with a timer trigger.
        invoke: calls it; `InvocationError` if it fails.
        clock: what the schedule goes by.
    """

    def __init__(self, function: Function, invoke: Callable[[bytes], Awaitable[object]], clock: Clock) -> None:
        self._schedule = parse(str(function.trigger["schedule"]))
        self._at_start = bool(function.trigger.get("runOnStartup"))
        if function.trigger.get("useMonitor") is True:
            raise HostError(f"{function.name}: the local host keeps no record of a timer's past runs (useMonitor)")
        self._name = function.name
        self._invoke = invoke
        self._clock = clock
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Keep the schedule until `stop`; returns when the function is not running."""
        if self._at_start:
            await self._fire()
        due = self._clock.now()
        while True:
            # From the last time that was due, if that is later: a sleep may end a moment early.
            now = self._clock.now()
            due = self._schedule.after(max(now, due))
            try:
                await within(self._clock, (due - now).total_seconds(), self._stop.wait())
            except TimeoutError:
                await self._fire()
            else:
                return

    def stop(self) -> None:
        """Do not fire again."""
        self._stop.set()

    async def _fire(self) -> None:
        try:
            await self._invoke(BODY)
        except InvocationError as error:
            _log.error("Timer '%s' failed: %s", self._name, error)
