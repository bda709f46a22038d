"""The HTTP routes for hidden mail."""

import azure.functions as func

from functions.hidden import handler
from functions.hidden.models import AskDeps, ReadDeps
from shared.bootstrap import services
from shared.web.problems import json_response, with_problems
from shared.web.sign_in import AppRole, require

web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped

_KEY = func.AuthLevel.FUNCTION


@web.function_name("list_hidden")
@web.route(route="hidden-lists", methods=["POST"], auth_level=_KEY)
@with_problems
async def list_hidden(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/hidden-lists`: 202 when the question is durable."""
    return json_response(await handler.ask_for_list(req.headers, req.get_body(), services().provide(AskDeps)), 202)


@web.function_name("restore_hidden")
@web.route(route="hidden-restores", methods=["POST"], auth_level=_KEY)
@with_problems
async def restore_hidden(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/hidden-restores`: 202 when the command is durable."""
    return json_response(await handler.ask_for_restore(req.headers, req.get_body(), services().provide(AskDeps)), 202)


@web.function_name("show_hidden")
@web.route(route="hidden/{asked_id}", methods=["GET"], auth_level=_KEY)
@with_problems
async def show_hidden(req: func.HttpRequest) -> func.HttpResponse:
    """`GET /api/hidden/{asked_id}`: what was asked, and what was found and done."""
    require(req.headers, AppRole.RESPONDER)
    return json_response(await handler.read(req.route_params["asked_id"], services().provide(ReadDeps)))
