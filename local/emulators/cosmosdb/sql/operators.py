"""What the operators do: each takes compiled operands and gives a compiled result.

An operand of the wrong type makes the result undefined, and so does an undefined one, unless the other side settles it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.values import UNDEFINED, equal, is_number, number, rank

Environment = list[Any]
Evaluator = Callable[[Environment], Any]

_ORDERINGS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BITS: Final[dict[str, Callable[[int, int], int]]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": lambda left, right: left << (right & 31),
    ">>": lambda left, right: left >> (right & 31),
}
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": lambda left, right: left - right * int(left / right),  # the sign of the dividend, as in C
}


def unary(symbol: str, operand: Evaluator) -> Evaluator:
    """`NOT`, `-`, `+` and `~`."""

    def negate(env: Environment) -> Any:
        value = operand(env)
        return (not value) if type(value) is bool else UNDEFINED

    def on_number(env: Environment) -> Any:
        value = operand(env)
        if not is_number(value):
            return UNDEFINED
        if symbol == "~":
            return ~_int32(value)
        return -value if symbol == "-" else value

    return negate if symbol == "NOT" else on_number


def _int32(value: float) -> int:
    """A number as JavaScript's bitwise operators see it."""
    wrapped = int(value) & 0xFFFFFFFF
    return wrapped - (1 << 32) if wrapped >= 1 << 31 else wrapped


def binary(symbol: str, left: Evaluator, right: Evaluator) -> Evaluator:  # noqa: C901, PLR0911 - one short branch per operator
    """Raises SqlError for an operator that is not built here."""

    def conjunction(env: Environment) -> Any:
        one = left(env)
        if one is False:
            return False
        two = right(env)
        if two is False:
            return False
        return True if one is True and two is True else UNDEFINED

    def disjunction(env: Environment) -> Any:
        one = left(env)
        if one is True:
            return True
        two = right(env)
        if two is True:
            return True
        return False if one is False and two is False else UNDEFINED

    def coalesce(env: Environment) -> Any:
        value = left(env)
        return right(env) if value is UNDEFINED else value

    def concatenate(env: Environment) -> Any:
        one, two = left(env), right(env)
        return one + two if type(one) is str and type(two) is str else UNDEFINED

    if symbol == "AND":
        return conjunction
    if symbol == "OR":
        return disjunction
    if symbol == "??":
        return coalesce
    if symbol == "||":
        return concatenate
    if symbol in ("=", "!="):
        return _equality(left, right, negated=symbol == "!=")
    if symbol in _ORDERINGS:
        return _ordering(left, right, _ORDERINGS[symbol])
    if symbol in _BITS:
        return _numeric(left, right, lambda one, two: _int32(_BITS[symbol](_int32(one), _int32(two))))
    if symbol in _ARITHMETIC:
        return _numeric(left, right, _ARITHMETIC[symbol])
    raise SqlError(f"The local Cosmos DB does not support the operator {symbol}.", code="SC2000")


def _equality(left: Evaluator, right: Evaluator, *, negated: bool) -> Evaluator:
    def compare(env: Environment) -> Any:
        one, two = left(env), right(env)
        if one is UNDEFINED or two is UNDEFINED:
            return UNDEFINED
        return equal(one, two) is not negated

    return compare


def _ordering(left: Evaluator, right: Evaluator, holds: Callable[[Any, Any], Any]) -> Evaluator:
    """Defined only between two values of one scalar type."""

    def compare(env: Environment) -> Any:
        return _ordered(left(env), right(env), holds)

    return compare


def _ordered(one: Any, two: Any, holds: Callable[[Any, Any], Any]) -> Any:
    if one is None and two is None:
        return holds(0, 0)
    if type(one) in (str, int, float, bool) and rank(one) == rank(two):
        return holds(one, two)
    return UNDEFINED


def _numeric(left: Evaluator, right: Evaluator, combine: Callable[[Any, Any], Any]) -> Evaluator:
    def calculate(env: Environment) -> Any:
        one, two = left(env), right(env)
        if not is_number(one) or not is_number(two):
            return UNDEFINED
        try:
            return number(combine(one, two))
        except (ZeroDivisionError, OverflowError):
            return UNDEFINED

    return calculate


def between(operand: Evaluator, low: Evaluator, high: Evaluator, *, negated: bool) -> Evaluator:
    """`BETWEEN`, both ends included."""

    def within(env: Environment) -> Any:
        value = operand(env)
        above, below = _ordered(value, low(env), operator.ge), _ordered(value, high(env), operator.le)
        if above is False or below is False:
            return negated
        return (not negated) if above is True and below is True else UNDEFINED

    return within


def like(operand: Evaluator, pattern: Evaluator, escape: str, *, negated: bool) -> Evaluator:
    """`LIKE` with `%`, `_` and sets in brackets."""
    compiled: dict[str, re.Pattern[str]] = {}

    def matches(env: Environment) -> Any:
        text, wanted = operand(env), pattern(env)
        if type(text) is not str or type(wanted) is not str:
            return UNDEFINED
        if wanted not in compiled:
            compiled[wanted] = _like_pattern(wanted, escape)
        return (compiled[wanted].fullmatch(text) is not None) is not negated

    return matches


def _like_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    """`%` any run, `_` one character, `[abc]`, `[a-c]` and `[^a]` one of a set."""
    parts, index = [], 0
    while index < len(pattern):
        character = pattern[index]
        end = pattern.find("]", index + 2) if character == "[" else -1
        if escape and character == escape and index + 1 < len(pattern):
            index += 1
            parts.append(re.escape(pattern[index]))
        elif character == "%":
            if not parts or parts[-1] != ".*":
                parts.append(".*")
        elif character == "_":
            parts.append(".")
        elif end > 0:
            content = pattern[index + 1 : end]
            if "--" in content:
                # Python warns of a future set operation; the service sees a range without an end.
                raise SqlError(f"The LIKE pattern {pattern!r} is invalid: a range needs two ends.", code="SC2056")
            negation = "^" if content.startswith("^") else ""
            ranges = "-".join(re.escape(part) for part in content[len(negation) :].split("-"))
            parts.append(f"[{negation}{ranges}]")
            index = end
        else:
            parts.append(re.escape(character))
        index += 1
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise SqlError(f"The LIKE pattern {pattern!r} is invalid: {error}.", code="SC2056") from None
