"""`$filter` and `$orderby` on what a `Kind` of object has: parsed expressions made into functions.

Compiled functions are cached by text: one incident asks thousands of mailboxes the same question.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from local.emulators.graph import extended
from local.emulators.graph.errors import bad_request, unsupported
from local.emulators.graph.kinds import Kind
from local.emulators.graph.odata import (
    And,
    AnyOf,
    Call,
    Compare,
    Expression,
    In,
    Literal,
    Not,
    Or,
    parse_filter,
    split_top_level,
)

Predicate = Callable[[Any], bool]
_Read = Callable[[Any], Any]
_Resolve = Callable[[str], _Read]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}
_IMMUTABLE = False
"""Filters see the changing id: nobody has a reason to filter by an id."""
_CASTS: dict[str, type] = {"edm.int32": int, "edm.int64": int, "edm.double": float}


@lru_cache(maxsize=4096)
def compile_filter(text: str, kind: Kind) -> Predicate:
    """Whether an object of the kind fits the filter. 400 for what the kind does not have, 501 for what we do not do.

    Texts are equal if they differ in case only: Entra compares so, Exchange's documentation says so of extended
    properties (graph.md 2.5), and whoever acts on what was found has to compare again anyway.
    """
    return _compile(parse_filter(text), lambda path: read(kind, path))


def read(kind: Kind, path: str) -> Callable[[Any], Any]:
    """How to read a property path such as `from/emailAddress/address` from an object of the kind."""
    name, *below = path.split("/")
    getter = kind.getter(name)
    if not below:
        return lambda item: getter(item, _IMMUTABLE)
    return lambda item: _descend(getter(item, _IMMUTABLE), below)


def _descend(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _compile(expression: Expression, resolve: _Resolve) -> Predicate:  # noqa: PLR0911 - one for each node
    match expression:
        case And(parts=parts):
            all_of = [_compile(part, resolve) for part in parts]
            return lambda item: all(part(item) for part in all_of)
        case Or(parts=parts):
            one_of = [_compile(part, resolve) for part in parts]
            return lambda item: any(part(item) for part in one_of)
        case Not(part=part):
            inner = _compile(part, resolve)
            return lambda item: not inner(item)
        case AnyOf():
            return _any(expression, resolve)
        case In(left=left, values=values):
            return _compile(Or(tuple(Compare(left, "eq", value) for value in values)), resolve)
        case Call(name=name, path=path, argument=argument):
            return _text(name, resolve(path), argument)
        case Compare(left=left, op=op, right=right, cast=cast):
            return _compare(resolve(left), op, right, cast)


def _any(expression: AnyOf, resolve: _Resolve) -> Predicate:
    collection, variable = resolve(expression.collection), expression.variable
    condition = expression.condition
    if expression.collection == extended.PROPERTY:
        condition = _canonical(condition, f"{variable}/id")

    def inside(path: str) -> _Read:
        first, *below = path.split("/")
        if first != variable:
            raise bad_request(f"Invalid filter clause: '{path}' is not a path of the range variable '{variable}'.")
        return (lambda element: _descend(element, below)) if below else lambda element: element

    inner = _compile(condition, inside)
    return lambda item: any(inner(element) for element in collection(item) or ())


def _canonical(expression: Expression, path: str) -> Expression:
    """The condition with ids of extended properties in the one spelling that items have them in."""
    match expression:
        case And(parts=parts):
            return And(tuple(_canonical(part, path) for part in parts))
        case Or(parts=parts):
            return Or(tuple(_canonical(part, path) for part in parts))
        case Compare(left=left, op="eq", right=Literal(value=str(value))) if left == path:
            return Compare(left, "eq", Literal(extended.canonical(value), quoted=True))
        case Compare(left=left) | Call(path=left) if left != path:
            return expression
    return unsupported("a filter on extended properties other than 'ep/id eq … and' a condition on ep/value")


def _text(name: str, get: _Read, argument: Literal) -> Predicate:
    if not isinstance(argument.value, str) or not argument.quoted:
        raise bad_request(f"Invalid filter clause: {name} needs a string.")
    wanted, fits = argument.value.lower(), _TEXT[name]

    def predicate(item: Any) -> bool:
        value = get(item)
        return isinstance(value, str) and fits(value.lower(), wanted)

    return predicate


def _compare(get: _Read, op: str, right: Literal, cast: str | None) -> Predicate:
    convert: type | None = None
    if cast is not None:
        convert = _CASTS.get(cast.lower())
        if convert is None:
            unsupported(f"a cast to {cast}")
    wanted = right.value.lower() if right.quoted and isinstance(right.value, str) else _bare(right.value)

    def value_of(item: Any) -> Any:
        value = get(item)
        if isinstance(value, str):
            return convert(value) if convert else value.lower()
        return value

    if op in {"eq", "ne"}:
        return lambda item: (_same(value_of(item), wanted)) is (op == "eq")
    ordered = _ORDERED[op]

    def predicate(item: Any) -> bool:
        value = value_of(item)
        if value is None or wanted is None:
            return False
        _check_types(value, wanted)
        return ordered(value, wanted)

    return predicate


def _bare(value: Any) -> Any:
    """A literal without quotes: a number, a truth value, null, a time, or the name of an enumeration's member."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return _reject(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reject(value: str) -> Any:
    raise bad_request(f"Invalid filter clause: Could not find a property named '{value}'.")


def _same(value: Any, wanted: Any) -> bool:
    if value is None or wanted is None:
        return value is wanted
    _check_types(value, wanted)
    return bool(value == wanted)


def _check_types(value: Any, wanted: Any) -> None:
    numbers = (int, float)
    if type(value) is not type(wanted) and not (isinstance(value, numbers) and isinstance(wanted, numbers)):
        raise bad_request(
            "A binary operator with incompatible types was detected: "
            f"{type(value).__name__} and {type(wanted).__name__}."
        )


@lru_cache(maxsize=1024)
def parse_orderby(text: str, kind: Kind) -> tuple[tuple[str, bool], ...]:
    """The paths to sort by and whether each is descending."""
    order: list[tuple[str, bool]] = []
    for part in split_top_level(text, ","):
        words = part.split()
        direction = words[1].lower() if len(words) == 2 else "asc"  # noqa: PLR2004 - a path and a direction
        if len(words) not in {1, 2} or direction not in {"asc", "desc"}:
            raise bad_request(f"Invalid $orderby: '{text}'.")
        read(kind, words[0])
        order.append((words[0], direction == "desc"))
    return tuple(order)


def sort(items: list[Any], order: tuple[tuple[str, bool], ...], kind: Kind) -> list[Any]:
    """The items sorted; absent values come first, as nulls do in OData."""
    for path, descending in reversed(order):
        get = read(kind, path)
        items = sorted(items, key=lambda item: _sortable(get(item)), reverse=descending)
    return items


def _sortable(value: Any) -> tuple[bool, Any]:
    if isinstance(value, str):
        return True, value.lower()
    return (False, 0) if value is None else (True, value)
