"""JSON as RFC 8259 means it; what other parsers would each read differently is refused."""

import json
import math
from typing import Any, Never


class MalformedError(Exception):
    """These bytes are not the JSON that we take. `kind` says how, and never shows any of them."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def parse(body: bytes) -> Any:
    """The value that `body` holds.

    Raises:
        MalformedError: `encoding` (not UTF-8), `syntax`, `too_deep`, `not_a_number` (NaN, Infinity, a number that no
            float holds) or `duplicate_key`.
    """
    try:
        # RFC 8259 8.1: UTF-8. A byte order mark may be ignored, and Windows tools write one.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedError("encoding") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)
    except RecursionError:
        raise MalformedError("too_deep") from None
    except ValueError:
        # JSONDecodeError, and integers of more digits than Python converts.
        raise MalformedError("syntax") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Parsers differ in which of the two they take, so the sender's check may have seen the other one.
        raise MalformedError("duplicate_key")
    return found


def _constant(_: str) -> Never:
    raise MalformedError("not_a_number")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedError("not_a_number")
    return number
