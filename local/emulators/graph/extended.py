"""MAPI properties that Graph shows as singleValueExtendedProperties (reference/graph.md 2.5)."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from local.emulators.graph.errors import bad_request, invalid_filter, unsupported
from local.emulators.graph.model import Message
from local.emulators.graph.odata import And, AnyOf, Call, Compare, Expression, In, Literal, Not, Or, parse_filter

PROPERTY = "singleValueExtendedProperties"
_NUMBER = "Integer "

_ID = re.compile(r"(?P<type>[A-Za-z]+)\s+0x(?P<tag>[0-9A-Fa-f]{1,4})\Z")
_EXPAND = re.compile(rf"{PROPERTY}\s*\(\s*\$filter\s*=(?P<filter>.*)\)\Z", re.DOTALL | re.IGNORECASE)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


_READ: dict[str, Callable[[Message], str | None]] = {
    "String 0x1035": lambda message: message.internet_message_id,
    "String 0x1042": lambda message: message.in_reply_to,
    "String 0x1039": lambda message: " ".join(message.references) or None,
    "Integer 0x1081": lambda message: None if message.last_verb is None else str(message.last_verb),
    "SystemTime 0x1082": lambda message: _moment(message.last_verb_at),
}


@lru_cache(maxsize=256)
def canonical(key: str) -> str:
    """The property's id in one spelling (`String 0x1042`); 501 for one that is not served."""
    match = _ID.match(key.strip())
    if match is not None:
        spelled = f"{match['type'].lower()} 0x{int(match['tag'], 16):04x}"
        for known in _READ:
            if known.lower() == spelled:
                return known
    return unsupported(f"the extended property {key!r}")


def properties_of(message: Message, wanted: tuple[str, ...] = tuple(_READ)) -> list[dict[str, Any]]:
    """Those that the message has, as Graph writes them: values are strings whatever their type."""
    return [{"id": key, "value": value} for key in wanted if (value := _READ[key](message)) is not None]


def canonical_condition(condition: Expression, variable: str) -> Expression:
    """The condition of an `any` over extended properties, with the id in one spelling.

    "Get singleValueLegacyExtendedProperty" has `ep/id eq '…' and` a condition on `ep/value`; a number is compared
    with a cast. 400 for a condition that does not name the id of one property, or casts what is no number.
    """
    key, value = f"{variable}/id", f"{variable}/value"
    parts = condition.parts if isinstance(condition, And) else (condition,)
    names = [one for one in parts if isinstance(one, Compare) and one.left.lower() == key.lower() and one.op == "eq"]
    if len(names) != 1 or names[0].cast or not isinstance(names[0].right.value, str):
        raise invalid_filter(f"A filter on extended properties names the id of one: {key} eq '…' and {value} …")
    wanted = canonical(names[0].right.value)
    rest = tuple(one for one in parts if one is not names[0])
    for one in rest:
        _check_condition(one, value, number=wanted.startswith(_NUMBER))
    return And((Compare(key, "eq", Literal(wanted, quoted=True)), *rest))


def _check_condition(condition: Expression, value: str, *, number: bool) -> None:
    match condition:
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                _check_condition(part, value, number=number)
        case Not(part=part):
            _check_condition(part, value, number=number)
        case Compare(left=path, op=op, cast=cast) if path.lower() == value.lower():
            if cast is not None and not number:
                raise invalid_filter("The value of an extended property that is no number is compared without a cast.")
            if cast is None and op not in {"eq", "ne"}:
                raise invalid_filter(f"The operator '{op}' needs a cast of {value} to a number.")
        case In(left=path) | Call(path=path) if path.lower() == value.lower():
            return
        case AnyOf() | Compare() | In() | Call():
            unsupported(f"a filter on extended properties with another condition than those on {value}")


@lru_cache(maxsize=256)
def parse_expand(text: str) -> tuple[str, ...]:
    """The ids that `$expand=singleValueExtendedProperties($filter=id eq '…' or …)` names."""
    match = _EXPAND.match(text.strip())
    if match is None:
        if text.strip().lower() == PROPERTY.lower():
            raise bad_request("$expand of extended properties requires a filter on their id.")
        return unsupported(f"$expand={text}")
    return tuple(dict.fromkeys(_ids(parse_filter(match["filter"].strip()))))


def _ids(expression: Expression) -> list[str]:
    match expression:
        case Or(parts=parts):
            return [key for part in parts for key in _ids(part)]
        case Compare(left="id", op="eq", right=Literal(value=str(value))):
            return [canonical(value)]
        case In(left="id", values=values):
            return [canonical(str(literal.value)) for literal in values]
        case And():
            return unsupported("'and' in $expand of extended properties: no property has two ids")
    raise bad_request("$expand of extended properties requires a filter on their id.")
