"""The HTTP routes of pause and resume."""

import azure.functions as func

from functions.pause.handler import change, show
from functions.pause.models import PauseDeps
from shared.bootstrap import services
from shared.web.problems import json_response, with_problems
from shared.web.sign_in import AppRole, require

web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped

_KEY = func.AuthLevel.FUNCTION


@web.function_name("show_pause")
@web.route(route="pause", methods=["GET"], auth_level=_KEY)
@with_problems
async def show_pause(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/pause`: whether pulling is paused, by whom and why, and what was before."""
    require(req.headers, AppRole.READER)
    return json_response(await show(services().provide(PauseDeps)))


@web.function_name("pause")
@web.route(route="pause", methods=["POST"], auth_level=_KEY)
@with_problems
async def pause(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/pause`: 202 when the command is durable."""
    deps = services().provide(PauseDeps)
    return json_response(await change(req.headers, req.get_body(), deps, paused=True), 202)


@web.function_name("resume")
@web.route(route="resume", methods=["POST"], auth_level=_KEY)
@with_problems
async def resume(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/resume`: 202 when the command is durable."""
    deps = services().provide(PauseDeps)
    return json_response(await change(req.headers, req.get_body(), deps, paused=False), 202)
