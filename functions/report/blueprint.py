"""Triggers of the report stage."""

import azure.functions as func
from pydantic import TypeAdapter

from functions.report import reads
from functions.report.commands import close
from functions.report.handler import handle
from functions.report.models import CommandDeps, Deps, ReadDeps
from functions.report.watch import WatchDeps, watch
from shared.bootstrap import services
from shared.http import csv_response, json_response, with_problems
from shared.messages import ReportMessage
from shared.names import Stage
from shared.routes import incident_of
from shared.signin import AppRole, require
from shared.stage import StageOf
from shared.triggers import queue_triggers

pipeline = queue_triggers(StageOf(Stage.REPORT, TypeAdapter(ReportMessage), handle, Deps))
web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped

_KEY = func.AuthLevel.FUNCTION


@pipeline.function_name("queue_age")
@pipeline.timer_trigger(arg_name="timer", schedule="30 * * * * *")
async def queue_age(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host binds by this name
    """Every minute: tell how old each queue's oldest message is."""
    await watch(services().provide(WatchDeps))


@web.function_name("list_incidents")
@web.route(route="incidents", methods=["GET"], auth_level=_KEY)
@with_problems
async def list_incidents(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/incidents`: the newest ones."""
    require(req.headers, AppRole.READER)
    return json_response(await reads.incidents(req.params, services().provide(ReadDeps)))


@web.function_name("show_incident")
@web.route(route="incidents/{incident_id}", methods=["GET"], auth_level=_KEY)
@with_problems
async def show_incident(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/incidents/{incident_id}`: the incident, its counts and its targets."""
    require(req.headers, AppRole.READER)
    deps = services().provide(ReadDeps)
    return json_response(await reads.incident(incident_of(req.route_params), req.params, deps))


@web.function_name("export_activity")
@web.route(route="incidents/{incident_id}/activity.csv", methods=["GET"], auth_level=_KEY)
@with_problems
async def export_activity(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/incidents/{incident_id}/activity.csv`: one row for each target."""
    require(req.headers, AppRole.READER)
    deps = services().provide(ReadDeps)
    return csv_response(*await reads.activity_csv(incident_of(req.route_params), req.params, deps))


@web.function_name("verify_chain")
@web.route(route="incidents/{incident_id}/verify-chain", methods=["GET"], auth_level=_KEY)
@with_problems
async def verify_chain(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/incidents/{incident_id}/verify-chain`: whether the record is whole."""
    require(req.headers, AppRole.READER)
    return json_response(await reads.verification(incident_of(req.route_params), services().provide(ReadDeps)))


@web.function_name("close_incident")
@web.route(route="incidents/{incident_id}/close", methods=["POST"], auth_level=_KEY)
@with_problems
async def close_incident(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/close`: 202 when the wish is durable."""
    deps = services().provide(CommandDeps)
    return json_response(await close(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)
