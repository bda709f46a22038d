"""The built-in scalar functions. An argument of the wrong type gives undefined, as in the service."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.values import MAX_EXACT_INTEGER, UNDEFINED, dumps, equal, is_number, number, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

# The service limits computed strings to 10,000 bytes; here the limit protects memory.
MAX_REPLICATED_CHARS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Function:
    """How to call it: between `least` and `most` arguments."""

    call: Callable[..., Any]
    least: int
    most: int


FUNCTIONS: dict[str, Function] = {}
# Never exceeded by a real query; stands for "any number".
_MANY: Final = 10_000


def _function(
    name: str, least: int, most: int | None = None, *, sees_undefined: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function. Unless it wants to see undefined itself, any undefined argument makes it undefined."""

    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        def strict(*arguments: Any) -> Any:
            return UNDEFINED if UNDEFINED in arguments else call(*arguments)

        FUNCTIONS[name] = Function(call if sees_undefined else strict, least, least if most is None else most)
        return call

    return register


# Types


def _type_test(name: str, test: Callable[[Any], bool]) -> None:
    FUNCTIONS[name] = Function(test, 1, 1)


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_EXACT_INTEGER


_type_test("IS_DEFINED", lambda value: value is not UNDEFINED)
_type_test("IS_NULL", lambda value: value is None)
_type_test("IS_BOOL", lambda value: type(value) is bool)
_type_test("IS_NUMBER", is_number)
_type_test("IS_FINITE_NUMBER", is_number)
_type_test("IS_INTEGER", _is_integer)
_type_test("IS_STRING", lambda value: type(value) is str)
_type_test("IS_ARRAY", lambda value: type(value) is list)
_type_test("IS_OBJECT", lambda value: type(value) is dict)
_type_test("IS_PRIMITIVE", lambda value: value is None or type(value) in (bool, int, float, str))


@_function("IIF", 3, sees_undefined=True)
def _iif(condition: Any, then: Any, otherwise: Any) -> Any:
    return then if condition is True else otherwise


@_function("CHOOSE", 2, _MANY, sees_undefined=True)
def _choose(index: Any, *choices: Any) -> Any:
    return choices[index - 1] if type(index) is int and 1 <= index <= len(choices) else UNDEFINED


# Strings


def _text_test(name: str, test: Callable[[str, str], bool]) -> None:
    @_function(name, 2, 3)
    def call(text: Any, other: Any, ignore_case: Any = False) -> Any:  # noqa: FBT002 - SQL's own third argument
        if type(text) is not str or type(other) is not str or type(ignore_case) is not bool:
            return UNDEFINED
        return test(text.lower(), other.lower()) if ignore_case else test(text, other)


_text_test("CONTAINS", lambda text, other: other in text)
_text_test("STARTSWITH", str.startswith)
_text_test("ENDSWITH", str.endswith)
_text_test("STRINGEQUALS", str.__eq__)


def _text_map(name: str, change: Callable[[str], Any]) -> None:
    @_function(name, 1)
    def call(text: Any) -> Any:
        return change(text) if type(text) is str else UNDEFINED


_text_map("LOWER", str.lower)
_text_map("UPPER", str.upper)
_text_map("LENGTH", len)
_text_map("TRIM", str.strip)
_text_map("LTRIM", str.lstrip)
_text_map("RTRIM", str.rstrip)
_text_map("REVERSE", lambda text: text[::-1])


@_function("CONCAT", 2, _MANY)
def _concat(*parts: Any) -> Any:
    return "".join(parts) if all(type(part) is str for part in parts) else UNDEFINED


@_function("INDEX_OF", 2, 3)
def _index_of(text: Any, other: Any, start: Any = 0) -> Any:
    if type(text) is not str or type(other) is not str or type(start) is not int:
        return UNDEFINED
    return text.find(other, max(start, 0))


@_function("SUBSTRING", 3)
def _substring(text: Any, start: Any, length: Any) -> Any:
    if type(text) is not str or type(start) is not int or type(length) is not int:
        return UNDEFINED
    start = max(start, 0)
    return text[start : start + max(length, 0)]


@_function("LEFT", 2)
def _left(text: Any, length: Any) -> Any:
    return text[: max(length, 0)] if type(text) is str and type(length) is int else UNDEFINED


@_function("RIGHT", 2)
def _right(text: Any, length: Any) -> Any:
    if type(text) is not str or type(length) is not int:
        return UNDEFINED
    return text[-length:] if length > 0 else ""


@_function("REPLACE", 3)
def _replace(text: Any, old: Any, new: Any) -> Any:
    if not all(type(part) is str for part in (text, old, new)):
        return UNDEFINED
    return text.replace(old, new) if old else text


@_function("REPLICATE", 2)
def _replicate(text: Any, times: Any) -> Any:
    if type(text) is not str or type(times) is not int or not 0 <= len(text) * times <= MAX_REPLICATED_CHARS:
        return UNDEFINED
    return text * times


@_function("TOSTRING", 1)
def _to_string(value: Any) -> Any:
    return value if type(value) is str else dumps(value)


def _string_to(name: str, *kinds: type) -> None:
    @_function(name, 1)
    def call(text: Any) -> Any:
        if type(text) is not str:
            return UNDEFINED
        try:
            value = parse_json(text.encode())
        except Exception:  # noqa: BLE001 - whatever is wrong with the text, the answer is undefined
            return UNDEFINED
        return value if type(value) in kinds else UNDEFINED


_string_to("STRINGTONUMBER", int, float)
_string_to("STRINGTOBOOLEAN", bool)
_string_to("STRINGTONULL", type(None))
_string_to("STRINGTOARRAY", list)
_string_to("STRINGTOOBJECT", dict)


# Arrays


def _partly(candidate: Any, wanted: Any) -> bool:
    """Whether the array element has at least the wanted properties, for objects; else plain equality."""
    if type(candidate) is dict and type(wanted) is dict:
        return all(name in candidate and _partly(candidate[name], value) for name, value in wanted.items())
    return equal(candidate, wanted)


@_function("ARRAY_CONTAINS", 2, 3)
def _array_contains(array: Any, wanted: Any, partial: Any = False) -> Any:  # noqa: FBT002 - SQL's own argument
    if type(array) is not list or type(partial) is not bool:
        return UNDEFINED
    matches = _partly if partial else equal
    return any(matches(item, wanted) for item in array)


@_function("ARRAY_CONTAINS_ANY", 2, _MANY)
def _array_contains_any(array: Any, *wanted: Any) -> Any:
    return any(_array_contains(array, item) for item in wanted) if type(array) is list else UNDEFINED


@_function("ARRAY_CONTAINS_ALL", 2, _MANY)
def _array_contains_all(array: Any, *wanted: Any) -> Any:
    return all(_array_contains(array, item) for item in wanted) if type(array) is list else UNDEFINED


@_function("ARRAY_LENGTH", 1)
def _array_length(array: Any) -> Any:
    return len(array) if type(array) is list else UNDEFINED


@_function("ARRAY_CONCAT", 2, _MANY)
def _array_concat(*arrays: Any) -> Any:
    return [item for array in arrays for item in array] if all(type(a) is list for a in arrays) else UNDEFINED


@_function("ARRAY_SLICE", 2, 3)
def _array_slice(array: Any, start: Any, length: Any = MAX_EXACT_INTEGER) -> Any:
    if type(array) is not list or type(start) is not int or type(length) is not int:
        return UNDEFINED
    first = max(start + len(array), 0) if start < 0 else start
    return array[first : first + max(length, 0)]


def _distinct(items: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in kept):
            kept.append(item)
    return kept


@_function("SETUNION", 2)
def _set_union(left: Any, right: Any) -> Any:
    return _distinct(left + right) if type(left) is list and type(right) is list else UNDEFINED


@_function("SETINTERSECT", 2)
def _set_intersect(left: Any, right: Any) -> Any:
    if type(left) is not list or type(right) is not list:
        return UNDEFINED
    return _distinct([item for item in left if any(equal(item, other) for other in right)])


# Numbers


def _number_map(name: str, change: Callable[[float], float]) -> None:
    @_function(name, 1)
    def call(value: Any) -> Any:
        if not is_number(value):
            return UNDEFINED
        try:
            return number(change(value))
        except (ValueError, OverflowError):
            return UNDEFINED


def _round(value: float) -> float:
    # Halves are rounded away from zero; Python's round() takes the even neighbour.
    return math.copysign(math.floor(abs(value) + 0.5), value) if type(value) is float else value


_number_map("ABS", abs)
_number_map("CEILING", math.ceil)
_number_map("FLOOR", math.floor)
_number_map("ROUND", _round)
_number_map("TRUNC", math.trunc)
_number_map("SQRT", math.sqrt)
_number_map("SQUARE", lambda value: float(value) * value)
_number_map("EXP", math.exp)
_number_map("LOG10", math.log10)
_number_map("SIGN", lambda value: (value > 0) - (value < 0))


@_function("LOG", 1, 2)
def _log(value: Any, base: Any = math.e) -> Any:
    try:
        return number(math.log(value, base)) if is_number(value) and is_number(base) else UNDEFINED
    except (ValueError, ZeroDivisionError):
        return UNDEFINED


@_function("POWER", 2)
def _power(value: Any, exponent: Any) -> Any:
    try:
        return number(math.pow(value, exponent)) if is_number(value) and is_number(exponent) else UNDEFINED
    except (ValueError, OverflowError):
        return UNDEFINED


@_function("PI", 0)
def _pi() -> Any:
    return math.pi


# Dates: strings in ISO 8601 with seven digits of a second, as GetCurrentDateTime gives them


def _iso(moment: datetime) -> str:
    # Not strftime, which writes the year 68 in two digits.
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "0Z"


@_function("GETCURRENTDATETIME", 0)
def _now() -> Any:
    return _iso(datetime.now(UTC))


@_function("GETCURRENTTIMESTAMP", 0)
def _now_ms() -> Any:
    return time.time_ns() // 1_000_000


@_function("TIMESTAMPTODATETIME", 1)
def _timestamp_to_datetime(milliseconds: Any) -> Any:
    if not is_number(milliseconds):
        return UNDEFINED
    try:
        return _iso(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return UNDEFINED


@_function("DATETIMETOTIMESTAMP", 1)
def _datetime_to_timestamp(text: Any) -> Any:
    if type(text) is not str:
        return UNDEFINED
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return UNDEFINED
    return number(math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


def known_functions() -> str:
    """The names of all functions, for error messages."""
    return json.dumps(sorted(FUNCTIONS))
