"""JSON values as Cosmos DB sees them: `undefined` beside null, one kind of number, one order across all types."""

from __future__ import annotations

import json
from typing import Any, Final

from local.emulators.cosmosdb.errors import bad_request

# Cosmos DB's limit on the nesting of an item ("Maximum level of nesting for embedded objects or arrays").
MAX_NESTING: Final = 128
# Numbers are IEEE 754 doubles: beyond this, integers are rounded to what a double can hold.
MAX_EXACT_INTEGER: Final = 2**53


class Undefined:
    """The type of the one value `UNDEFINED`: what a missing property evaluates to."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()

_RANK_UNDEFINED, _RANK_NULL, _RANK_BOOL, _RANK_NUMBER, _RANK_STRING, _RANK_ARRAY, _RANK_OBJECT = range(7)


def is_number(value: Any) -> bool:
    """Whether SQL calls it a number; a boolean is none."""
    kind = type(value)
    return kind is int or kind is float


def number(value: float) -> int | float | Undefined:
    """A computed number as JSON can say it: whole doubles without a fraction; NaN and infinities are undefined."""
    if type(value) is int:
        if -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
            return value
        try:
            value = float(value)
        except OverflowError:
            return UNDEFINED
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN differs from itself
        return UNDEFINED
    return _whole(value)


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _parse_int(text: str) -> int:
    value = int(text)
    return value if -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER else int(float(text))


def _parse_float(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:32]} is beyond the range of numbers")
    return _whole(value)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
dumps = _ENCODER.encode
loads = json.loads
"""For text that this server wrote itself: already checked and normalised."""


def parse_json(body: bytes, what: str = "request body") -> Any:
    """What a client sent, with numbers rounded as the service rounds them.

    `what` names it in the message of an error.

    Raises:
        CosmosError: 400 for anything but strict JSON in UTF-8 without lone surrogates and up to 128 levels deep.
    """
    try:
        text = body.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            dumps(value).encode("utf-8")
    except (ValueError, OverflowError, RecursionError) as error:
        raise bad_request(f"The {what} is not valid JSON: {error}") from None
    if body.count(b"{") + body.count(b"[") > MAX_NESTING:
        check_nesting(value)
    return value


def check_nesting(value: Any) -> None:
    """Raises CosmosError 400 if the value is nested deeper than an item may be."""
    if _depth(value) > MAX_NESTING:
        raise bad_request(f"The input document exceeds the maximum nesting depth of {MAX_NESTING}.")


def _depth(value: Any) -> int:
    depth, layer = 0, [value]
    while layer := [item for item in layer if isinstance(item, (dict, list))]:
        depth += 1
        layer = [child for item in layer for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def rank(value: Any) -> int:
    """The place of the value's type in the order undefined < null < boolean < number < string < array < object."""
    kind = type(value)
    if kind is str:
        return _RANK_STRING
    if kind is int or kind is float:
        return _RANK_NUMBER
    if kind is bool:
        return _RANK_BOOL
    if value is None:
        return _RANK_NULL
    if kind is list:
        return _RANK_ARRAY
    return _RANK_OBJECT if kind is dict else _RANK_UNDEFINED


def canonical(value: Any) -> Any:
    """A hashable stand-in that is equal exactly when Cosmos DB calls the values equal.

    Property order does not matter, `1` and `1.0` are one number, `true` and `1` are not.
    """
    kind = type(value)
    if kind is str or value is None or value is UNDEFINED:
        return value
    if kind is list:
        return (_RANK_ARRAY, *(canonical(item) for item in value))
    if kind is dict:
        return (_RANK_OBJECT, frozenset((key, canonical(item)) for key, item in value.items()))
    return (rank(value), value)


def equal(left: Any, right: Any) -> bool:
    """Whether two defined values are the same; values of different types never are."""
    left_kind, right_kind = type(left), type(right)
    if left_kind is str or right_kind is str or left is None or right is None:
        return left_kind is right_kind and bool(left == right)
    return rank(left) == rank(right) and canonical(left) == canonical(right)


def order_key(value: Any) -> tuple[int, Any]:
    """The sort key of ORDER BY, MIN and MAX. Arrays and objects have no order of their own: their text decides."""
    place = rank(value)
    if place in (_RANK_NUMBER, _RANK_STRING, _RANK_BOOL):
        return (place, value)
    if place in (_RANK_ARRAY, _RANK_OBJECT):
        return (place, json.dumps(value, sort_keys=True))
    return (place, 0)
