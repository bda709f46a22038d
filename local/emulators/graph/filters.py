"""`$filter` and `$orderby` on objects of a `Kind`.

Parsed expressions are checked against the entity model and compiled into functions. These are cached by text: one
incident asks thousands of mailboxes the same question.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from local.emulators.graph import entities, extended
from local.emulators.graph.entities import Property
from local.emulators.graph.errors import bad_request, no_such_property, unsupported
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


@dataclass(frozen=True, slots=True)
class _Value:
    """What a path leads to: how it is read from an object, and what it is in the entity model.

    `castable`: whether it is the value of an extended property, which is a string that may hold a number.
    """

    read: Callable[[Any], Any]
    is_a: Property
    castable: bool = False


_Resolve = Callable[[str], _Value]

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
"""Filters read the changing id. Messages cannot be filtered by their id at all."""

COUNT = "$count"
_STRING, _BOOLEAN, _TIME = "Edm.String", "Edm.Boolean", "Edm.DateTimeOffset"
_CASTS: dict[str, tuple[str, Callable[[str], int | float]]] = {
    "edm.int32": ("Edm.Int32", int),
    "edm.int64": ("Edm.Int64", int),
    "edm.double": ("Edm.Double", float),
}


@lru_cache(maxsize=4096)
def compile_filter(text: str, kind: Kind) -> Predicate:
    """Whether an object of the kind fits the filter.

    Texts are equal if they differ in case only: Entra compares so, Exchange's documentation says so of extended
    properties (graph.md 2.5), and a caller that acts on what was found has to compare again anyway.

    Raises:
        GraphError: 400 for a path that the entity model does not have and for types that do not match, 501 for
            what is not supported here.
    """
    return _compile(parse_filter(text), lambda path: _resolve(kind, path))


def _resolve(kind: Kind, path: str) -> _Value:
    """A property path such as `from/emailAddress/address`, from an object of the kind."""
    name, *below = path.split("/")
    first = kind.served(name)
    getter = kind.getters[first.name]
    return _below(_Value(lambda item: getter(item, _IMMUTABLE), first), below)


def _below(value: _Value, names: list[str]) -> _Value:
    for name in names:
        value = _step(value, name)
    return value


def _step(value: _Value, name: str) -> _Value:
    read, of = value.read, value.is_a
    if name == COUNT:
        if not of.collection:
            raise bad_request(f"The segment '$count' after '{of.name}' is not valid: it is not a collection.")
        return _Value(lambda item: len(read(item) or ()), Property(COUNT, "Edm.Int32", nullable=False))
    if of.collection:
        raise bad_request(f"The property '{of.name}' is a collection: its elements need 'any', not '{of.name}/{name}'.")
    owner = entities.types().get(of.type)
    if owner is None:
        raise no_such_property(name, of.type)
    found = owner.find(name)
    if found is None:
        raise no_such_property(name, of.type)
    key = found.name

    def inner(item: Any) -> Any:
        outer = read(item)
        return outer.get(key) if isinstance(outer, dict) else None

    return _Value(inner, found)


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
            if not right.quoted and isinstance(right.value, str) and _moment(right.value) is None:
                # A word without quotes is a property, and has to exist.
                resolve(right.value)
                unsupported("a comparison of two properties")
            value = resolve(left)
            return _compare(value if cast is None else _cast(value, cast), op, right)


def _any(expression: AnyOf, resolve: _Resolve) -> Predicate:
    collection, variable = resolve(expression.collection), expression.variable
    of = collection.is_a
    if not of.collection:
        raise bad_request(f"Any/All may only be used following a collection, and '{of.name}' is not one.")
    condition = expression.condition
    if of.name == extended.PROPERTY:
        condition = extended.canonical_condition(condition, variable)
    element = _Value(lambda item: item, Property(variable, of.type))

    def inside(path: str) -> _Value:
        first, *below = path.split("/")
        if first == variable:
            return replace(_below(element, below), castable=of.name == extended.PROPERTY)
        resolve(path)
        return unsupported(f"'{path}' inside 'any', which is not a path of its variable '{variable}'")

    inner = _compile(condition, inside)
    read = collection.read
    return lambda item: any(inner(one) for one in read(item) or ())


def _single(value: _Value) -> Property:
    """What the value is, if it is one primitive or enumeration value; 400 otherwise."""
    of = value.is_a
    if of.collection:
        raise bad_request(f"The property '{of.name}' is a collection: its elements need 'any'.")
    if of.type in entities.types():
        raise bad_request(f"The property '{of.name}' is of the complex type '{of.type}': it cannot be compared.")
    return of


def _text(name: str, value: _Value, argument: Literal) -> Predicate:
    of = _single(value)
    if of.type != _STRING or not argument.quoted or not isinstance(argument.value, str):
        raise bad_request(
            f"No function signature for the function with name '{name}' matches the specified arguments: "
            f"'{of.name}' is of type '{of.type}'."
        )
    wanted, fits, read = argument.value.lower(), _TEXT[name], value.read

    def predicate(item: Any) -> bool:
        found = read(item)
        return isinstance(found, str) and fits(found.lower(), wanted)

    return predicate


def _cast(value: _Value, name: str) -> _Value:
    """The value of an extended property as a number."""
    of = _single(value)
    if name.lower() not in _CASTS or not value.castable:
        unsupported(f"a cast of '{of.name}' to {name}")
    kind, convert = _CASTS[name.lower()]
    read = value.read

    def converted(item: Any) -> int | float | None:
        found = read(item)
        return None if found is None else convert(found)

    return _Value(converted, Property(of.name, kind))


def _compare(value: _Value, op: str, right: Literal) -> Predicate:
    of = _single(value)
    wanted = _literal(right, of)
    raw = value.read

    def read(item: Any) -> Any:
        found = raw(item)
        return found.lower() if isinstance(found, str) else found

    if op in {"eq", "ne"}:
        return lambda item: (read(item) == wanted) is (op == "eq")
    if of.type == _BOOLEAN or of.type in entities.enumerations():
        raise bad_request(f"The operator '{op}' is not defined for '{of.name}', which is of type '{of.type}'.")
    ordered = _ORDERED[op]

    def predicate(item: Any) -> bool:
        found = read(item)
        return found is not None and wanted is not None and ordered(found, wanted)

    return predicate


def _literal(literal: Literal, of: Property) -> Any:
    """The literal as values of the property are compared; 400 if the property cannot have such a value."""
    if literal.value is None:
        return None
    members = entities.enumerations().get(of.type)
    convert = _LITERALS.get(of.type) if members is None else _string
    if convert is None:
        unsupported(f"a comparison with '{of.name}', which is of type {of.type}")
    value = convert(literal)
    if value is None:
        raise bad_request(
            "A binary operator with incompatible types was detected: "
            f"'{of.name}' is of type '{of.type}', and {literal.value!r} is not."
        )
    if members is not None and value not in {member.lower() for member in members}:
        raise bad_request(f"The string '{literal.value}' is not a valid value of the enumeration type '{of.type}'.")
    return value


def _string(literal: Literal) -> str | None:
    return literal.value.lower() if literal.quoted and isinstance(literal.value, str) else None


def _boolean(literal: Literal) -> bool | None:
    return literal.value if isinstance(literal.value, bool) else None


def _integer(literal: Literal) -> int | None:
    return literal.value if isinstance(literal.value, int) and not isinstance(literal.value, bool) else None


def _number(literal: Literal) -> int | float | None:
    return literal.value if isinstance(literal.value, float) else _integer(literal)


def _time(literal: Literal) -> datetime | None:
    return None if literal.quoted or not isinstance(literal.value, str) else _moment(literal.value)


_LITERALS: dict[str, Callable[[Literal], Any]] = {
    _STRING: _string,
    _BOOLEAN: _boolean,
    _TIME: _time,
    "Edm.Int16": _integer,
    "Edm.Int32": _integer,
    "Edm.Int64": _integer,
    "Edm.Single": _number,
    "Edm.Double": _number,
}
"""How a literal is read for each primitive type; None is returned for a literal of another type."""


def _moment(text: str) -> datetime | None:
    """A time without quotes; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@lru_cache(maxsize=1024)
def parse_orderby(text: str, kind: Kind) -> tuple[tuple[str, bool], ...]:
    """The paths to sort by and whether each is descending. 400 for what has no order, such as a collection."""
    order: list[tuple[str, bool]] = []
    for part in split_top_level(text, ","):
        words = part.split()
        direction = words[1].lower() if len(words) == 2 else "asc"  # noqa: PLR2004 - a path and a direction
        if len(words) not in {1, 2} or direction not in {"asc", "desc"}:
            raise bad_request(f"Invalid $orderby: '{text}'.")
        of = _resolve(kind, words[0]).is_a
        if of.collection or of.type in entities.types():
            raise bad_request("The $orderby expression must evaluate to a single value of primitive type.")
        order.append((words[0], direction == "desc"))
    return tuple(order)


def sort(items: list[Any], order: tuple[tuple[str, bool], ...], kind: Kind) -> list[Any]:
    """The items sorted; absent values come first, as nulls do in OData."""
    for path, descending in reversed(order):
        read = _resolve(kind, path).read
        items = sorted(items, key=lambda item: _sortable(read(item)), reverse=descending)
    return items


def _sortable(value: Any) -> tuple[bool, Any]:
    if isinstance(value, str):
        return True, value.lower()
    return (False, 0) if value is None else (True, value)
