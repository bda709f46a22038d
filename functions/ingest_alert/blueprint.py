"""Triggers of the ingest stage."""

import azure.functions as func
from pydantic import TypeAdapter

from functions.ingest_alert.handler import handle
from functions.ingest_alert.models import Deps, ReceiveDeps
from functions.ingest_alert.receive import receive
from shared.bootstrap import services
from shared.names import Stage
from shared.pipeline.payloads import IngestAlert
from shared.pipeline.stage import StageOf
from shared.pipeline.triggers import queue_triggers
from shared.web.problems import json_response, with_problems

pipeline = queue_triggers(StageOf(Stage.INGEST_ALERT, TypeAdapter(IngestAlert), handle, Deps))
web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped


# Anonymous for the host: every source authenticates itself, in a way that its product can do.
@web.function_name("receive_alert")
@web.route(route="alerts/{source}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@with_problems
async def receive_alert(req: func.HttpRequest) -> func.HttpResponse:
    """`POST /api/alerts/{source}`: 202 when the body is durable."""
    deps = services().provide(ReceiveDeps)
    answer = await receive(req.route_params["source"], req.headers, req.get_body(), deps)
    return json_response(answer, 202)
