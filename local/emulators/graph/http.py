"""Requests and answers as handlers see them, the same for a single request and for one in a batch."""

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from local.emulators.graph.errors import GraphError, bad_request
from local.emulators.graph.odata import parse_options

if TYPE_CHECKING:
    from local.emulators.graph.state import TenantState


class Caller(Protocol):
    """The application that calls, from its token (local.emulators.identity.tokens.Caller is one)."""

    @property
    def app_id(self) -> str:
        """The application; throttling counts by it."""
        ...

    @property
    def roles(self) -> Collection[str]:
        """Names of the application permissions granted."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Args:
        method: in upper case.
        path: below the version, percent-encoded as received, such as `/users/a%40b.example/messages`.
        query: the part after `?`, as received.
        headers: names in lower case.
        body: parsed JSON; None if there is none.
        base: URL that links in answers begin with, such as `https://127.0.0.1:8443/v1.0`.
        caller: the application that asks.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    base: str
    caller: Caller

    @property
    def preferences(self) -> Mapping[str, str]:
        """The header `Prefer`: names in lower case, values without quotes."""
        return _preferences(self.headers.get("prefer", ""))

    @property
    def immutable_ids(self) -> bool:
        """Whether the request prefers immutable ids (`Prefer: IdType="ImmutableId"`)."""
        return self.preferences.get("idtype", "").lower() == "immutableid"

    @property
    def eventual(self) -> bool:
        """Whether advanced queries of the directory are allowed (`ConsistencyLevel: eventual`)."""
        return self.headers.get("consistencylevel", "").strip().lower() == "eventual"


@dataclass(slots=True)
class Response:
    """An answer. `body` None: no content."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """What a handler is given: the parts of a request.

    Args:
        keys: the variable segments of the path, decoded.
        options: the query options, by name in lower case.
        applied: preferences that the handler honours, for the header `Preference-Applied`.
    """

    tenant: "TenantState"
    request: Request
    keys: tuple[str, ...]
    options: Mapping[str, str]
    applied: list[str] = field(default_factory=list)

    def context(self, of: str, *, single: bool = False) -> str:
        """`@odata.context` of an answer: of one object (`single`) or of a list, with what was selected."""
        select = self.options.get("$select")
        selected = "" if select is None else f"({','.join(part.strip() for part in select.split(','))})"
        return f"{self.request.base}/$metadata#{of}{selected}{'/$entity' if single else ''}"

    def flag(self, option: str) -> bool:
        """A Boolean query option; False if it is not given."""
        value = self.options.get(option, "false").lower()
        if value not in {"true", "false"}:
            raise bad_request(f"Invalid value '{value}' for the query option '{option}'.")
        return value == "true"

    def body(self) -> dict[str, Any]:
        """The request's JSON object."""
        if not isinstance(self.request.body, dict):
            raise bad_request("Empty Payload. JSON content expected.")
        return self.request.body

    def parameter(self, name: str) -> Any:
        """A parameter of an action, whatever the case of its name: clients differ (graph.md 10.2)."""
        for key, value in self.body().items():
            if key.lower() == name.lower():
                return value
        raise bad_request(f"The parameter '{name}' is missing.")


@lru_cache(maxsize=256)
def _preferences(header: str) -> Mapping[str, str]:
    """RFC 7240: `name=value` pairs with commas between them; parameters after `;` are not looked at."""
    found: dict[str, str] = {}
    for part in header.split(","):
        name, _, value = part.partition(";")[0].partition("=")
        if name.strip():
            # The first of two values counts.
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def options_of(request: Request, allowed: frozenset[str]) -> Mapping[str, str]:
    """The query options; 501 for one that is not supported at this path."""
    if not request.query:
        return {}
    options = parse_options(request.query)
    for name in options:
        if name not in allowed:
            raise GraphError(
                501,
                "LocalGraphNotSupported",
                f"The local Graph does not support the query option {name!r} at {request.path}.",
            )
    return options


def error_response(error: GraphError, request_id: str, client_request_id: str | None) -> Response:
    """Graph's error body."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id or request_id,
    }
    return Response(
        error.status, {"error": {"code": error.code, "message": error.message, "innerError": inner}}, headers
    )


def new_request_id() -> str:
    """A GUID for `request-id`."""
    return str(uuid.uuid4())


def to_bytes(body: Any) -> bytes:
    """JSON as it is sent. ASCII, so that a lone surrogate in a hostile subject is sent unchanged."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")
