"""Triggers of the health check; its messages come through the stages' own."""

import azure.functions as func
from pydantic import ValidationError

from functions.health.handler import begin, read, settings_wrong
from functions.health.models import BeginDeps, ReadDeps
from shared.bootstrap import services
from shared.web.problems import json_response, with_problems
from shared.web.sign_in import AppRole, require

web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped

_KEY = func.AuthLevel.FUNCTION


@web.function_name("begin_health_check")
@web.route(route="health-checks", methods=["POST"], auth_level=_KEY)
@with_problems
async def begin_health_check(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/health-checks`: 202 with what web finds; the rest is reported at its stops."""
    require(req.headers, AppRole.ADMINISTRATOR)
    try:
        deps = services().provide(BeginDeps)
    except ValidationError as error:
        return json_response(settings_wrong(error), 202)
    return json_response(await begin(req.headers, req.get_body(), deps), 202)


@web.function_name("show_health_check")
@web.route(route="health-checks/{check_id}", methods=["GET"], auth_level=_KEY)
@with_problems
async def show_health_check(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/health-checks/{check_id}`: how far its messages have come, and what they found."""
    require(req.headers, AppRole.ADMINISTRATOR)
    return json_response(await read(req.route_params["check_id"], services().provide(ReadDeps)))
