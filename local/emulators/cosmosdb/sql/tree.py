"""The abstract syntax tree of a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `UNDEFINED` for the keyword undefined."""

    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """`@name`, with the at sign."""

    name: str
    position: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """An alias of the FROM clause."""

    name: str
    position: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """`target.name`, `target["name"]` or `target[expression]`."""

    target: Expression
    key: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """`-`, `+`, `~` or `NOT`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """Any operator with two sides, `AND`, `OR` and `??` included."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? then : otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Between:
    """`operand [NOT] BETWEEN low AND high`."""

    operand: Expression
    low: Expression
    high: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """`operand [NOT] IN (choices)`."""

    operand: Expression
    choices: tuple[Expression, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    """`operand [NOT] LIKE pattern [ESCAPE 'c']`."""

    operand: Expression
    pattern: Expression
    escape: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its name in upper case."""

    name: str
    arguments: tuple[Expression, ...]
    position: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class ObjectLiteral:
    """`{name: expression, ...}`."""

    items: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    """`[expression, ...]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Subquery:
    """A query inside an expression; `form` is `EXISTS`, `ARRAY` or empty for a scalar."""

    form: str
    query: Select


Expression = (
    Literal
    | Parameter
    | Name
    | Member
    | Unary
    | Binary
    | Conditional
    | Between
    | In
    | Like
    | Call
    | ObjectLiteral
    | ArrayLiteral
    | Subquery
)


@dataclass(frozen=True, slots=True)
class Column:
    """One item of the select list; `name` is the alias, or what the service derives for it."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Source:
    """One input of FROM: a path or a subquery, bound whole or, with IN, element by element to the alias.

    `collection` is None for the container itself.
    """

    alias: str
    collection: Expression | None
    each: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One item of ORDER BY."""

    expression: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class Select:
    """A query. Exactly one of `star`, `value` and `columns` says what comes out."""

    distinct: bool
    top: Expression | None
    star: bool
    value: Expression | None
    columns: tuple[Column, ...]
    sources: tuple[Source, ...]
    where: Expression | None
    group_by: tuple[Expression, ...]
    order_by: tuple[Order, ...]
    offset: Expression | None
    limit: Expression | None


def children(node: Any) -> list[Expression]:  # noqa: C901, PLR0911 - one branch per form
    """The expressions directly below an expression, subqueries left closed."""
    match node:
        case Member(target, key):
            return [target, key]
        case Unary(_, operand):
            return [operand]
        case Binary(_, left, right):
            return [left, right]
        case Conditional(condition, then, otherwise):
            return [condition, then, otherwise]
        case Between(operand, low, high):
            return [operand, low, high]
        case In(operand, choices):
            return [operand, *choices]
        case Like(operand, pattern):
            return [operand, pattern]
        case Call(_, arguments):
            return list(arguments)
        case ObjectLiteral(items):
            return [item for _, item in items]
        case ArrayLiteral(items):
            return list(items)
        case _:
            return []
