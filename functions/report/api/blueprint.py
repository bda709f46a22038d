"""The HTTP routes for cases: reads and commands."""

import azure.functions as func

from functions.report.api import commands, reads
from functions.report.api.lists import case_list
from functions.report.api.models import ApproveDeps, CommandDeps, ReadDeps
from shared.bootstrap import services
from shared.web.paths import incident_of
from shared.web.problems import csv_response, json_response, with_problems
from shared.web.sign_in import AppRole, require

web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped

_KEY = func.AuthLevel.FUNCTION


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


@web.function_name("list_of_incident")
@web.route(route="incidents/{incident_id}/lists/{name}", methods=["GET"], auth_level=_KEY)
@with_problems
async def list_of_incident(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/incidents/{incident_id}/lists/{name}`: one page of its alerts, messages, plans or commands."""
    require(req.headers, AppRole.READER)
    deps = services().provide(ReadDeps)
    return json_response(await case_list(incident_of(req.route_params), req.route_params["name"], req.params, deps))


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
    deps = services().provide(ReadDeps)
    return json_response(await reads.verification(incident_of(req.route_params), req.params, deps))


@web.function_name("approve_plan")
@web.route(route="incidents/{incident_id}/approve", methods=["POST"], auth_level=_KEY)
@with_problems
async def approve_plan(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/approve`: 202 when the command is durable."""
    deps = services().provide(ApproveDeps)
    return json_response(await commands.approve(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)


@web.function_name("undo_pull")
@web.route(route="incidents/{incident_id}/undo", methods=["POST"], auth_level=_KEY)
@with_problems
async def undo_pull(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/undo`: 202 when the command is durable."""
    deps = services().provide(CommandDeps)
    return json_response(await commands.undo(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)


@web.function_name("look_again")
@web.route(route="incidents/{incident_id}/look-again", methods=["POST"], auth_level=_KEY)
@with_problems
async def look_again(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/look-again`: 202 when the command is durable."""
    deps = services().provide(CommandDeps)
    found = await commands.look_again(incident_of(req.route_params), req.headers, req.get_body(), deps)
    return json_response(found, 202)


@web.function_name("close_incident")
@web.route(route="incidents/{incident_id}/close", methods=["POST"], auth_level=_KEY)
@with_problems
async def close_incident(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/incidents/{incident_id}/close`: 202 when the command is durable."""
    deps = services().provide(CommandDeps)
    return json_response(await commands.close(incident_of(req.route_params), req.headers, req.get_body(), deps), 202)
