"""HTTP triggers: routes, keys, and the host's own `/admin` paths, as the real host answers them."""

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from local.emulators.functions_host.config import Function, HostError
from local.emulators.functions_host.pool import InvocationError
from local.emulators.functions_host.wire import Frame

BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
BODY_LIMIT = 104857600
"""Bytes; the host's default (100 MB)."""

_PARAMETER = re.compile(r"^\{(\*?)(\w+)\}$")
# Hop by hop (RFC 9110 7.6.1), or counted again by whoever sends the answer.
_NOT_PASSED_ON = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}

Invoke = Callable[[str, dict[str, Any], bytes], Awaitable[Frame]]


@dataclass(frozen=True, slots=True)
class Keys:
    """The host's keys: `function` opens FUNCTION level, `master` everything."""

    function: str
    master: str


class Route:
    """A route template of ASP.NET: literals in any case, `{name}`, and `{*name}` for all that is left."""

    def __init__(self, function: Function, prefix: str) -> None:
        template = str(function.trigger.get("route") or function.name)
        self.name = function.name
        self.level = str(function.trigger.get("authLevel", "FUNCTION")).upper()
        if self.level not in {"ANONYMOUS", "FUNCTION", "ADMIN"}:
            raise HostError(f"{function.name}: there is no authorization level {self.level}")
        self._methods = {str(method).upper() for method in function.trigger.get("methods") or ()}
        self._segments = [segment for segment in f"{prefix}/{template}".split("/") if segment]
        for segment in self._segments:
            if "{" in segment and not _PARAMETER.match(segment):
                raise HostError(f"{function.name}: the local host does not understand the route's {segment!r}")
        # ASP.NET asks literal segments before parameters, and those before a catch-all.
        self.precedence = [_rank(segment) for segment in self._segments]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route's parameters if this request is for it. `path` is as it came, percent-encoded."""
        if self._methods and method not in self._methods:
            return None
        parts = [part for part in path.split("/") if part]
        found: dict[str, str] = {}
        for index, segment in enumerate(self._segments):
            parameter = _PARAMETER.match(segment)
            if parameter and parameter[1]:
                found[parameter[2]] = unquote("/".join(parts[index:]))
                return found
            if index >= len(parts):
                return None
            if parameter:
                found[parameter[2]] = unquote(parts[index])
            elif segment.lower() != unquote(parts[index]).lower():
                return None
        return found if len(parts) == len(self._segments) else None


def _rank(segment: str) -> int:
    parameter = _PARAMETER.match(segment)
    return 0 if parameter is None else 2 if parameter[1] else 1


class HttpFrontend:
    """Answers requests from functions with an HTTP trigger.

    Args:
        functions: those with an HTTP trigger.
        prefix: host.json's routePrefix.
        keys: the host's keys.
        invoke: calls a function by name; `InvocationError` if it fails.
    """

    def __init__(self, functions: list[Function], prefix: str, keys: Keys, invoke: Invoke) -> None:
        self._routes = sorted((Route(function, prefix) for function in functions), key=lambda route: route.precedence)
        self._keys = keys
        self._invoke = invoke

    async def handle(self, request: web.Request) -> web.Response:
        """The answer of the function whose route this is; 404 if there is none, 401 without its key."""
        for route in self._routes:
            parameters = route.match(request.method, request.rel_url.raw_path)
            if parameters is not None:
                break
        else:
            # Also when only the method is another one: the host's routing knows no 405.
            return web.Response(status=404)
        if not self._allowed(request, route.level):
            return web.Response(status=401)
        data = {
            "method": request.method,
            "url": str(request.url),
            "headers": {name: ",".join(request.headers.getall(name)) for name in request.headers},
            "query": {name: ",".join(request.query.getall(name)) for name in request.query},
            "params": parameters,
        }
        body = await request.read()
        try:
            header, content = await self._invoke(route.name, data, body)
        except InvocationError:
            # The reason is in the host's log; it is nothing for the caller.
            return web.Response(status=500)
        answer = web.Response(status=header["status"], body=content)
        for name, value in header["headers"]:
            if name.lower() not in _NOT_PASSED_ON:
                answer.headers[name] = value
        for cookie in header["cookies"]:
            answer.headers.add("Set-Cookie", cookie)
        return answer

    def is_master(self, request: web.Request) -> bool:
        """Whether the request may use `/admin`."""
        return self._allowed(request, "ADMIN")

    def _allowed(self, request: web.Request, level: str) -> bool:
        if level == "ANONYMOUS":
            return True
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        good = (self._keys.master, self._keys.function) if level == "FUNCTION" else (self._keys.master,)
        return any(hmac.compare_digest(given.encode(), key.encode()) for key in good)
