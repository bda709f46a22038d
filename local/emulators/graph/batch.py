"""`POST /$batch` (reference/graph.md 7.1 and 7.3).

Sub-requests are answered by direct call, each with its own status, headers and body. Of those for Outlook at
most four of one batch are under way at a time, whichever mailboxes they are for; a batch with `dependsOn` runs
one after the other.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from local.emulators.graph.errors import GraphError, bad_request, unsupported
from local.emulators.graph.http import Request, Response, error_response, new_request_id
from local.emulators.graph.service import Graph
from local.emulators.graph.throttle import MAILBOX_CONCURRENCY

MAX_REQUESTS = 20
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_FAILED = 400
_MEMBERS = frozenset({"id", "method", "url", "headers", "body", "dependsOn"})


@dataclass(frozen=True, slots=True)
class _Part:
    id: str
    request: Request
    after: tuple[str, ...]


async def answer(graph: Graph, envelope: Request) -> Response:
    """200 with one response for each sub-request; 400 for all if the envelope is malformed."""
    parts = _read(envelope)
    graph.statistics.batches += 1
    graph.statistics.subrequests += len(parts)
    if any(part.after for part in parts):
        responses = await _one_by_one(graph, parts)
    elif graph.latency or graph.faults.rules:
        responses = await _together(graph, parts)
    else:
        # No request waits here, so running them together would change nothing.
        responses = [_write(part, await graph.answer(part.request)) for part in parts]
    return Response(200, {"responses": responses})


async def _together(graph: Graph, parts: list[_Part]) -> list[dict[str, Any]]:
    outlook = asyncio.Semaphore(MAILBOX_CONCURRENCY)

    async def one(part: _Part) -> dict[str, Any]:
        if not part.request.path.lstrip("/").lower().startswith("users/"):
            return _write(part, await graph.answer(part.request))
        async with outlook:
            return _write(part, await graph.answer(part.request))

    # If one ends in a dropped connection the others are still carried out.
    return await asyncio.gather(*(one(part) for part in parts))


async def _one_by_one(graph: Graph, parts: list[_Part]) -> list[dict[str, Any]]:
    failed: set[str] = set()
    responses: list[dict[str, Any]] = []
    for part in parts:
        if failed.intersection(part.after):
            error = GraphError(424, "FailedDependency", "A request that this one depends on has failed.")
            response = error_response(error, new_request_id(), None)
        else:
            response = await graph.answer(part.request)
        if response.status >= _FAILED:
            failed.add(part.id.lower())
        responses.append(_write(part, response))
    return responses


def _write(part: _Part, response: Response) -> dict[str, Any]:
    if response.headers.get("Content-Type") == "text/plain":
        # How Graph puts text into a batch's JSON is not documented.
        refusal = GraphError(501, "LocalGraphNotSupported", "The local Graph does not support $count in a batch.")
        response = error_response(refusal, new_request_id(), None)
    document: dict[str, Any] = {"id": part.id, "status": response.status, "headers": response.headers}
    if response.body is not None:
        response.headers.setdefault("Content-Type", "application/json")
        document["body"] = response.body
    return document


def _read(envelope: Request) -> list[_Part]:
    body = envelope.body
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise bad_request("Invalid batch payload format.")
    if len(requests) > MAX_REQUESTS:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}.", "BadRequest")
    parts: list[_Part] = []
    seen: set[str] = set()
    for number, document in enumerate(requests):
        part = _read_part(document, number, envelope)
        if part.id.lower() in seen:
            raise bad_request(f"The request id '{part.id}' is not unique in the batch.")
        if missing := [key for key in part.after if key not in seen]:
            raise bad_request(f"Invalid dependency for request Id {part.id}: {missing}.")
        seen.add(part.id.lower())
        parts.append(part)
    return parts


def _read_part(document: Any, number: int, envelope: Request) -> _Part:
    if not isinstance(document, dict):
        raise bad_request(f"Batch request {number} is not an object.")
    if unknown := document.keys() - _MEMBERS:
        # msgraph-core writes `depends_on`, which Graph ignores: the order would be lost (graph.md 1).
        unsupported(f"the members {sorted(unknown)} of a batch request")
    key, method, url = document.get("id"), document.get("method"), document.get("url")
    if not isinstance(key, str) or not key:
        raise bad_request(f"Batch request {number} has no id.")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise bad_request(f"Invalid method for the request Id {key}.")
    if not isinstance(url, str) or not url or url.startswith("//") or "://" in url.partition("?")[0]:
        raise bad_request(f"Invalid url for the request Id {key}: relative to the version, as /users.")
    after = document.get("dependsOn") or []
    if not isinstance(after, list) or not all(isinstance(one, str) for one in after):
        raise bad_request(f"Invalid dependency for request Id {key}.")
    path, _, query = url.partition("#")[0].partition("?")
    if path.strip("/").lower() == "$batch":
        raise bad_request(f"Batches cannot be nested: request Id {key}.")
    headers = _headers(document.get("headers"), key)
    content = document.get("body")
    if content is not None and "content-type" not in headers:
        raise bad_request(f"Write request id : {key} does not contain Content-Type header or body.")
    if isinstance(content, str):
        unsupported("a batch request whose body is not JSON")
    request = Request(
        method.upper(), path if path.startswith("/") else f"/{path}", query, headers, content, envelope.base,
        envelope.caller,
    )  # fmt: skip
    return _Part(key, request, tuple(one.lower() for one in after))


def _headers(given: Any, key: str) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise bad_request(f"Invalid headers for the request Id {key}.")
    return {name.lower(): value for name, value in given.items()}
