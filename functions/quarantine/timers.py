"""Timer triggers of the quarantine stage."""

import azure.functions as func

from functions.quarantine.sweep import SweepDeps, sweep, sweep_alerts, sweep_watches
from shared.bootstrap import services

timers = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped


@timers.function_name("quarantine_sweep")
@timers.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def quarantine_sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every minute: take up chunks whose worker died."""
    await sweep(services().provide(SweepDeps))


@timers.function_name("alert_sweep")
@timers.timer_trigger(arg_name="timer", schedule="0 */30 * * * *")
async def alert_sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every half hour: take up alerts that nobody works on."""
    await sweep_alerts(services().provide(SweepDeps))


@timers.function_name("watch_sweep")
@timers.timer_trigger(arg_name="timer", schedule="30 */5 * * * *")
async def watch_sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every five minutes: cases that are watched and due."""
    await sweep_watches(services().provide(SweepDeps))
