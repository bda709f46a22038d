"""Triggers of the quarantine stage."""

import azure.functions as func
from pydantic import TypeAdapter

from functions.quarantine.commands import CommandDeps, approve, undo
from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from functions.quarantine.sweep import SweepDeps, sweep
from shared.bootstrap import services
from shared.http import json_response, with_problems
from shared.messages import QuarantineMessage
from shared.names import Stage
from shared.routes import incident_of
from shared.stage import StageOf
from shared.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.QUARANTINE, TypeAdapter(QuarantineMessage), handle, Deps))
web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped


@pipeline.function_name("quarantine_sweep")
@pipeline.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def quarantine_sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every minute: take up chunks whose worker died."""
    await sweep(services().provide(SweepDeps))


@web.function_name("approve_plan")
@web.route(route="incidents/{incident_id}/approve", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@with_problems
async def approve_plan(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/approve`: 202 when the wish is durable."""
    deps = services().provide(CommandDeps)
    return json_response(await approve(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)


@web.function_name("undo_pull")
@web.route(route="incidents/{incident_id}/undo", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@with_problems
async def undo_pull(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/undo`: 202 when the wish is durable."""
    deps = services().provide(CommandDeps)
    return json_response(await undo(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)
