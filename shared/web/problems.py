"""HTTP answers: JSON, CSV, and RFC 9457 problem details for every error."""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import azure.functions as func

from shared.domain.ids import fresh
from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError
from shared.pipeline.events import Event, emit

_log = logging.getLogger("clawback.http")

# Seconds. A right that was just granted takes minutes to be known everywhere (Azure RBAC).
_MEND = 300

# What a part of a path names.
_KINDS = {"incident_id": "incident", "name": "list", "check_id": "health check"}

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
"""Named as its function is: that is how an event says which one answered."""


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An error that is answered to the caller as RFC 9457 problem details.

    Args:
        status: HTTP status.
        slug: last part of the problem type, documented in docs/problems.md.
        title: the same for every occurrence.
        detail: what is wrong with this request, without anything secret or personal.
        extra: extension members, such as `errors`.
    """

    def __init__(self, status: int, slug: str, title: str, detail: str = "", **extra: Any) -> None:
        super().__init__(title)
        self.status = status
        self.body = {
            "type": f"urn:clawback:problem:{slug}",
            "title": title,
            "status": status,
            **({"detail": detail} if detail else {}),
            **extra,
        }


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """`body` as JSON, not to be cached or sniffed."""
    return _response(json.dumps(body, separators=(",", ":")), status, "application/json", headers)


def csv_response(text: str, next_page: str | None = None) -> func.HttpResponse:
    """`text` as CSV with a header row (RFC 4180), to be saved; `next_page` is where the rest is (RFC 8288)."""
    headers = {"Content-Disposition": 'attachment; filename="activity.csv"'}
    if next_page:
        headers["Link"] = f'<{next_page}>; rel="next"'
    return _response(text, 200, "text/csv; charset=utf-8; header=present", headers)


def problem_response(problem: Problem, instance: str) -> func.HttpResponse:
    """`problem` as `application/problem+json`; `instance` is what support asks for."""
    body = json.dumps({**problem.body, "instance": instance})
    headers = {"Retry-After": str(problem.body["retryAfter"])} if "retryAfter" in problem.body else None
    return _response(body, problem.status, "application/problem+json", headers)


def _response(body: str, status: int, mimetype: str, headers: dict[str, str] | None) -> func.HttpResponse:
    return func.HttpResponse(
        body,
        status_code=status,
        mimetype=mimetype,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


def _looked_for(req: func.HttpRequest) -> str:
    """What the path was to name, such as `No such incident or list.`: never what the sender wrote there."""
    kinds = [_KINDS.get(name, name) for name in req.route_params]
    return f"No such {' or '.join(kinds)}." if kinds else ""


def _unavailable(seconds: int) -> Problem:
    return Problem(503, "unavailable", "A service that this needs is not available", retryAfter=seconds)


def with_problems(handler: Handler) -> Handler:
    """Turn every exception of a handler into a problem. An unexpected one is logged and answered with 500."""

    @wraps(handler)
    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        instance = f"urn:clawback:request:{fresh('r')}"
        try:
            return await handler(req)
        except Problem as raised:
            problem = raised
        except NotFoundError:
            problem = Problem(404, "not-found", "There is no such record", _looked_for(req))
        except ConflictError:
            problem = Problem(409, "conflict", "The record has just changed; read it again")
        except UnavailableError as error:
            problem = _unavailable(int(error.retry_after or 5) + 1)
        except DeniedError as error:
            # An administrator has to restore the grant; senders of alerts try again meanwhile.
            emit(Event.DENIED, reason=str(error), instance=instance)
            problem = _unavailable(_MEND)
        except Exception:  # noqa: BLE001 - the last line before the caller; it is logged with its trace
            _log.exception("unexpected", extra={"instance": instance})
            problem = Problem(500, "internal", "Something went wrong on our side")
        kind = str(problem.body["type"])
        emit(Event.PROBLEM, type=kind, status=problem.status, instance=instance, function=handler.__name__)
        return problem_response(problem, instance)

    return answer
