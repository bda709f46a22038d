"""Answers that are lists: `$top`, paging, `$count`, `$orderby`."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.emulators.graph.errors import bad_request
from local.emulators.graph.http import Call, Response


@dataclass(frozen=True, slots=True)
class Paging:
    """How a service pages. `option` is what its links carry: Outlook counts, the directory has opaque tokens."""

    default: int
    maximum: int
    option: str = "$skiptoken"


OUTLOOK = Paging(10, 1000, "$skip")
"""Messages and mail folders (documented at the list operations)."""
DIRECTORY = Paging(100, 999)
"""Users, groups, contacts, members (documented at the list operations)."""
TRACE = Paging(1000, 5000)
"""Message trace (reference/graph.md 2.7)."""


def answer(call: Call, items: Sequence[Any], paging: Paging, of: str, render: Callable[[Any], Any]) -> Response:
    """One page of the items, with `@odata.nextLink` if there are more and `@odata.count` if it is asked for."""
    start = _start(call, paging)
    size = _size(call.options.get("$top"), paging)
    body: dict[str, Any] = {"@odata.context": call.context(of)}
    if call.flag("$count"):
        body["@odata.count"] = len(items)
    end = start + size
    if end < len(items):
        body["@odata.nextLink"] = _next_link(call, paging, end)
    body["value"] = [render(item) for item in items[start:end]]
    return Response(200, body)


def _size(top: str | None, paging: Paging) -> int:
    if top is None:
        return paging.default
    if not (top.isascii() and top.isdigit()) or not 1 <= int(top) <= paging.maximum:
        raise bad_request(f"Invalid value '{top}' for $top query option: a number from 1 to {paging.maximum}.")
    return int(top)


def _start(call: Call, paging: Paging) -> int:
    given = call.options.get(paging.option)
    if given is None:
        return 0
    text = given
    if paging.option == "$skiptoken":
        try:
            text = base64.urlsafe_b64decode(given.encode("ascii")).decode("ascii")
        except (ValueError, binascii.Error):
            text = ""
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f"Invalid value '{given}' for {paging.option} query option found.")
    return int(text)


def _next_link(call: Call, paging: Paging, start: int) -> str:
    value = str(start)
    if paging.option == "$skiptoken":
        value = base64.urlsafe_b64encode(value.encode("ascii")).decode("ascii")
    request = call.request
    names = (paging.option, paging.option.replace("$", "%24"))
    kept = [part for part in request.query.split("&") if part and part.partition("=")[0].lower() not in names]
    return f"{request.base}{request.path}?{'&'.join([*kept, f'{paging.option}={value}'])}"
