"""Answers that are lists: page size, paging, `$count`."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.emulators.graph.errors import bad_request
from local.emulators.graph.http import Call, Response

_PREFERENCE = "odata.maxpagesize"
_MAX_DIGITS = 12
"""Of a count in a request: Python refuses to read numbers of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How a service pages.

    Args:
        default: items of a page without `$top`.
        maximum: the largest `$top`.
        option: the query option that its links have: Outlook counts items, the directory has opaque tokens.
        preference: whether it honours `Prefer: odata.maxpagesize`. A preference may be ignored, and nothing says
            that the directory and message trace honour this one.
    """

    default: int
    maximum: int
    option: str = "$skiptoken"
    preference: bool = False


OUTLOOK = Paging(10, 1000, "$skip", preference=True)
"""Messages and mail folders (documented at the list operations)."""
DIRECTORY = Paging(100, 999)
"""Users, groups, contacts, members (documented at the list operations)."""
TRACE = Paging(1000, 5000)
"""Message trace (reference/graph.md 2.7)."""


def answer(call: Call, items: Sequence[Any], paging: Paging, of: str, render: Callable[[Any], Any]) -> Response:
    """One page of the items, with `@odata.nextLink` if there are more and `@odata.count` if it is asked for.

    The directory counts with `ConsistencyLevel: eventual` only, and ignores `$count=true` without it ("Advanced
    query capabilities on Microsoft Entra ID objects").
    """
    start = _start(call, paging)
    size = _size(call, paging)
    body: dict[str, Any] = {"@odata.context": call.context(of)}
    if call.flag("$count") and (paging is not DIRECTORY or call.request.eventual):
        body["@odata.count"] = len(items)
    end = start + size
    if end < len(items):
        body["@odata.nextLink"] = _next_link(call, paging, end)
    body["value"] = [render(item) for item in items[start:end]]
    return Response(200, body)


def _size(call: Call, paging: Paging) -> int:
    top = call.options.get("$top")
    if top is not None and (not _is_number(top) or not 1 <= int(top) <= paging.maximum):
        raise bad_request(f"Invalid value '{top}' for $top query option: a number from 1 to {paging.maximum}.")
    size = paging.default if top is None else int(top)
    preferred = call.request.preferences.get(_PREFERENCE, "")
    # A preference that makes no sense is ignored (RFC 7240); `$top` says how many items there are at most.
    if not paging.preference or not _is_number(preferred) or int(preferred) == 0:
        return size
    call.applied.append(f"{_PREFERENCE}={preferred}")
    return min(int(preferred), paging.maximum if top is None else size)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


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
    if not _is_number(text):
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
