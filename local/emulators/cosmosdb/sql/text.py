"""A tree back to query text, for the queries that clients send to each partition key range."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.emulators.cosmosdb.sql import tree
from local.emulators.cosmosdb.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterable

# What needs no parentheses, wherever it stands.
_CLOSED = (
    tree.Literal, tree.Parameter, tree.Name, tree.Member, tree.Call, tree.ObjectLiteral, tree.ArrayLiteral,
    tree.Subquery,
)  # fmt: skip


def expression(node: tree.Expression) -> str:  # noqa: C901, PLR0911, PLR0912 - one branch per form
    """The text of an expression; parsed again, it is the same tree."""
    match node:
        case tree.Literal(value):
            return "undefined" if value is UNDEFINED else json.dumps(value)
        case tree.Parameter(name) | tree.Name(name):
            return name
        case tree.Member(target, key):
            return f"{_operand(target)}[{expression(key)}]"
        case tree.Unary(operator, operand):
            return f"{operator} {_operand(operand)}"
        case tree.Binary(operator, left, right):
            return f"{_side(operator, left)} {operator} {_side(operator, right)}"
        case tree.Conditional(condition, then, otherwise):
            return f"{_operand(condition)} ? {_operand(then)} : {_operand(otherwise)}"
        case tree.Between(operand, low, high, negated):
            return f"{_operand(operand)}{_not(negated)} BETWEEN {_operand(low)} AND {_operand(high)}"
        case tree.In(operand, choices, negated):
            return f"{_operand(operand)}{_not(negated)} IN ({_listed(choices)})"
        case tree.Like(operand, pattern, escape, negated):
            tail = f" ESCAPE {json.dumps(escape)}" if escape else ""
            return f"{_operand(operand)}{_not(negated)} LIKE {_operand(pattern)}{tail}"
        case tree.Call(name, arguments):
            return f"{name}({_listed(arguments)})"
        case tree.ObjectLiteral(items):
            return "{" + ", ".join(f"{json.dumps(name)}: {expression(item)}" for name, item in items) + "}"
        case tree.ArrayLiteral(items):
            return f"[{_listed(items)}]"
        case tree.Subquery(form, query):
            return f"{form}({select(query)})"


def _listed(nodes: Iterable[tree.Expression]) -> str:
    return ", ".join(expression(node) for node in nodes)


def _operand(node: tree.Expression) -> str:
    return expression(node) if isinstance(node, _CLOSED) else f"({expression(node)})"


def _side(operator: str, node: tree.Expression) -> str:
    """A chain of AND or OR needs no parentheses; with them, a long one would be nested too deep."""
    chained = operator in ("AND", "OR") and isinstance(node, tree.Binary) and node.operator == operator
    return expression(node) if chained else _operand(node)


def _not(negated: bool) -> str:  # noqa: FBT001 - a field of the tree
    return " NOT" if negated else ""


def select(query: tree.Select) -> str:
    """The text of a query."""
    parts = ["SELECT"]
    if query.distinct:
        parts.append("DISTINCT")
    if query.top is not None:
        parts.append(f"TOP {expression(query.top)}")
    if query.star:
        parts.append("*")
    elif query.value is not None:
        parts.append(f"VALUE {expression(query.value)}")
    else:
        parts.append(", ".join(f"{expression(one.expression)} AS {json.dumps(one.name)}" for one in query.columns))
    if query.sources:
        parts.append("FROM " + " JOIN ".join(map(_source, query.sources)))
    if query.where is not None:
        parts.append(f"WHERE {expression(query.where)}")
    if query.group_by:
        parts.append(f"GROUP BY {_listed(query.group_by)}")
    if query.order_by:
        order = (f"{expression(one.expression)} {'DESC' if one.descending else 'ASC'}" for one in query.order_by)
        parts.append("ORDER BY " + ", ".join(order))
    if query.offset is not None and query.limit is not None:
        parts.append(f"OFFSET {expression(query.offset)} LIMIT {expression(query.limit)}")
    return " ".join(parts)


def _source(source: tree.Source) -> str:
    if source.collection is None:
        return source.alias
    if isinstance(source.collection, tree.Subquery):
        return f"{source.alias} IN {expression(source.collection)}"
    if source.each:
        return f"{source.alias} IN {expression(source.collection)}"
    return f"{expression(source.collection)} AS {source.alias}"
