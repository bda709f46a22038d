"""The local Microsoft Graph over HTTP."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from local.emulators.graph import batch
from local.emulators.graph.admin import Admin
from local.emulators.graph.errors import DroppedConnectionError, GraphError, bad_request
from local.emulators.graph.http import Caller, Request, Response, error_response, new_request_id, to_bytes
from local.emulators.graph.permissions import may as may_by_table
from local.emulators.graph.service import Graph, May
from local.emulators.graph.state import TenantState

VERSION = "/v1.0"
AUDIENCES = ("https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000")
"""Accepted audiences of a token: Graph's URL as clients spell it, or its application id."""
_MAX_BODY = 64 * 1024 * 1024
"""Bytes. The tenant of the largest benchmark is sent in one PUT. Graph's own limit is far lower."""


def create_app(
    state: TenantState,
    *,
    authorize: Callable[[str], Caller],
    admin_key: str,
    may: May = may_by_table,
    latency: float = 0.0,
) -> web.Application:
    """The server.

    Args:
        state: the tenant.
        authorize: the caller of a bearer token; ValueError if the token is not valid.
        admin_key: the value that the header `x-local-admin` must have.
        may: (caller, method, path template) → whether the request is allowed.
        latency: the least time that a request takes, in seconds.
    """
    graph = Graph(state, may=may, latency=latency)
    app = web.Application(client_max_size=_MAX_BODY)
    app[GRAPH] = graph
    Admin(graph, admin_key).add_to(app.router)
    app.router.add_route("*", "/{tail:.*}", _Front(graph, authorize).handle)

    async def stop(_: web.Application) -> None:
        graph.closing.set()

    app.on_shutdown.append(stop)
    return app


GRAPH = web.AppKey("graph", Graph)
"""The service of an application, for tests."""


class _Front:
    """Converts between HTTP and the requests and answers of the service."""

    def __init__(self, graph: Graph, authorize: Callable[[str], Caller]) -> None:
        self._graph = graph
        self._authorize = authorize

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self._graph.statistics.requests += 1
        try:
            answer = await self._answer(request)
        except GraphError as error:
            request_id = new_request_id()
            answer = error_response(error, request_id, request.headers.get("client-request-id"))
            answer.headers["request-id"] = request_id
        except DroppedConnectionError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _write(answer)

    async def _answer(self, request: web.Request) -> Response:
        caller = self._caller(request.headers.get("Authorization", ""))
        path, _, query = request.raw_path.partition("?")
        if not path.startswith(f"{VERSION}/"):
            raise GraphError(400, "BadRequest", f"Invalid version: only {VERSION} is served here, not '{path}'.")
        inner = Request(
            method=request.method,
            path=path[len(VERSION) :],
            query=query,
            # A header may be sent more than once, as `Prefer` often is.
            headers={name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers},
            body=_parse(await request.read()),
            base=f"{request.scheme}://{request.host}{VERSION}",
            caller=caller,
        )
        if inner.path.strip("/").lower() != "$batch":
            return await self._graph.answer(inner)
        if inner.method != "POST":
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for $batch.")
        fault = await self._graph.apply_fault(inner, None) if self._graph.faults.rules else None
        response = await batch.answer(self._graph, inner)
        if fault is not None and fault.done:
            fault.fail()
        return response

    def _caller(self, header: str) -> Caller:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            return self._authorize(token.strip())
        except ValueError as error:
            raise GraphError(401, "InvalidAuthenticationToken", f"Access token validation failure. {error}") from None


def _parse(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("Unable to read JSON request payload.") from None


def _write(answer: Response) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    kind = answer.headers.pop("Content-Type", "application/json")
    body = answer.body.encode() if kind == "text/plain" else to_bytes(answer.body)
    return web.Response(status=answer.status, headers=answer.headers, body=body, content_type=kind)
