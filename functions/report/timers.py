"""Timer triggers of the report stage."""

import azure.functions as func

from functions.report.watch import WatchDeps, watch
from shared.bootstrap import services

timers = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped


@timers.function_name("queue_age")
@timers.timer_trigger(arg_name="timer", schedule="30 * * * * *")
async def queue_age(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every minute: log how old each queue's oldest message is."""
    await watch(services().provide(WatchDeps))
