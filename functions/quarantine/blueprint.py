"""Triggers of the quarantine stage."""

import azure.functions as func
from pydantic import TypeAdapter

from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from functions.quarantine.sweep import SweepDeps, sweep
from shared.bootstrap import services
from shared.messages import QuarantineMessage
from shared.names import Stage
from shared.stage import StageOf
from shared.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.QUARANTINE, TypeAdapter(QuarantineMessage), handle, Deps))


@pipeline.function_name("quarantine_sweep")
@pipeline.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def quarantine_sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every minute: take up chunks whose worker died."""
    await sweep(services().provide(SweepDeps))
