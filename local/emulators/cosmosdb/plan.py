"""The query plan: what a client must do to make one answer of the answers of all partition key ranges.

For ORDER BY, TOP, OFFSET LIMIT, DISTINCT, GROUP BY and aggregates over several ranges the service leaves the merging to
the client. It answers 400 with substatus 1004, the client asks for the plan, sends the rewritten query to each range
and merges. The forms of the rewritten queries are those that azure-cosmos and @azure/cosmos read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.errors import SqlError, bad_request
from local.emulators.cosmosdb.sql import text, tree
from local.emulators.cosmosdb.sql.evaluate import has_aggregate, window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_AGGREGATES: Final = {"COUNT": "Count", "SUM": "Sum", "AVG": "Average", "MIN": "Min", "MAX": "Max"}
# The client puts a condition in its place: true, or where it goes on.
_FILTER: Final = tree.Parameter("{documentdb-formattableorderbyquery-filter}", 0)
_WHOLE: Final = {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}


def needs_merging(select: tree.Select) -> bool:
    """Whether the answers of several ranges, one after the other, are not the answer."""
    return bool(
        select.distinct or select.top or select.order_by or select.offset or select.group_by or has_aggregate(select)
    )


def make_plan(
    select: tree.Select, parameters: Mapping[str, Any], features: AbstractSet[str] | None = None
) -> dict[str, Any]:
    """The plan, as the service writes it.

    Args:
        select: a query that compiles.
        parameters: its parameters.
        features: what the client can merge (`x-ms-cosmos-supported-query-features`); None: everything.

    Raises:
        CosmosError: 400 if the client cannot merge what the query needs.
        SqlError: 400 for aggregates inside other expressions, which no client can merge.
    """
    if features is not None:
        _check_features(select, features)
    grouped = bool(select.group_by) or has_aggregate(select)
    skip, take = window(select, parameters)
    info: dict[str, Any] = {
        "distinctType": _distinct_type(select),
        "top": take if select.top is not None else None,
        "offset": skip if select.offset is not None else None,
        "limit": take if select.limit is not None else None,
        "orderBy": ["Descending" if item.descending else "Ascending" for item in select.order_by],
        "orderByExpressions": [text.expression(item.expression) for item in select.order_by],
        "groupByExpressions": [text.expression(part) for part in select.group_by],
        "groupByAliases": [],
        "aggregates": [],
        "groupByAliasToAggregateType": {},
        "rewrittenQuery": "",
        "hasSelectValue": select.value is not None,
        "hasNonStreamingOrderBy": False,
    }
    if grouped:
        kinds = [_aggregate_of(expression) for expression in _outputs(select)]
        if select.value is None:
            info["groupByAliases"] = [column.name for column in select.columns]
            info["groupByAliasToAggregateType"] = dict(zip(info["groupByAliases"], kinds, strict=True))
        else:
            info["aggregates"] = [kind for kind in kinds if kind is not None]
        info["rewrittenQuery"] = text.select(_rewritten_groups(select))
    elif select.order_by or select.offset is not None:
        info["rewrittenQuery"] = text.select(_rewritten_rows(select, skip, take))
    return {"partitionedQueryExecutionInfoVersion": 2, "queryInfo": info, "queryRanges": [_WHOLE]}


def _check_features(select: tree.Select, features: AbstractSet[str]) -> None:
    value = select.value is not None
    needed = {
        "Distinct": select.distinct,
        "Top": select.top is not None,
        "OffsetAndLimit": select.offset is not None,
        "OrderBy": bool(select.order_by),
        "MultipleOrderBy": len(select.order_by) > 1,
        "GroupBy": bool(select.group_by),
        "Aggregate": value and has_aggregate(select),
        "NonValueAggregate": not value and has_aggregate(select),
    }
    missing = [name for name, used in needed.items() if used and name not in features]
    if missing:
        raise bad_request(
            "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the "
            "requested features: " + " ".join(f"Query contained {name}, which the calling client does not support."
            for name in missing)
        )  # fmt: skip


def _distinct_type(select: tree.Select) -> str:
    if not select.distinct:
        return "None"
    # Only if the order brings equal results together may the client compare with the last one alone.
    ordered = {item.expression for item in select.order_by}
    return "Ordered" if not select.star and set(_outputs(select)) <= ordered else "Unordered"


def _outputs(select: tree.Select) -> list[tree.Expression]:
    return [column.expression for column in select.columns] if select.value is None else [select.value]


def _aggregate_of(node: tree.Expression) -> str | None:
    if isinstance(node, tree.Call) and node.name in _AGGREGATES:
        return _AGGREGATES[node.name]
    if has_aggregate(node):
        raise SqlError("Compositions of aggregates and other expressions are not allowed.", code="SC2104")
    return None


def _partial(node: tree.Expression) -> tree.Expression:
    """What a range tells of an aggregate, so that the client can go on with it."""
    if not isinstance(node, tree.Call) or node.name not in _AGGREGATES:
        return node
    count = replace(node, name="COUNT")
    if node.name == "AVG":
        return _object(item=_object(sum=replace(node, name="SUM"), count=count))
    if node.name in ("MIN", "MAX"):
        return _object(item=node, item2=_object(**{node.name.lower(): node, "count": count}))
    return _object(item=node)


def _object(**items: tree.Expression) -> tree.Expression:
    return tree.ObjectLiteral(tuple(items.items()))


def _rewritten_groups(select: tree.Select) -> tree.Select:
    if select.value is not None:
        partial = _partial(select.value)
        output = partial if partial is select.value else tree.ArrayLiteral((partial,))
    else:
        output = tree.ObjectLiteral(tuple((column.name, _partial(column.expression)) for column in select.columns))
    # The client cuts and compares the merged groups, not those of one range.
    whole = replace(select, distinct=False, top=None, offset=None, limit=None)
    if select.value is not None and not select.group_by:
        return replace(whole, value=output)
    columns = [tree.Column("payload", output)]
    if select.group_by:
        keys = tree.ArrayLiteral(tuple(_object(item=part) for part in select.group_by))
        columns.insert(0, tree.Column("groupByItems", keys))
    return replace(whole, value=None, columns=tuple(columns))


def _rewritten_rows(select: tree.Select, skip: int, take: int | None) -> tree.Select:
    first = tree.Literal(0)
    if select.offset is not None:
        # Each range gives as many as the client may need of it.
        select = replace(select, offset=first, limit=tree.Literal(skip + (take or 0)))
    if not select.order_by:
        return select
    alias = tree.Name(select.sources[0].alias, 0)
    where: tree.Expression = _FILTER
    if select.star:
        payload: tree.Expression = alias
    elif select.value is not None:
        payload = select.value
        where = tree.Binary("AND", tree.Call("IS_DEFINED", (payload,), 0), where)
    else:
        payload = tree.ObjectLiteral(tuple((column.name, column.expression) for column in select.columns))
    if select.where is not None:
        where = tree.Binary("AND", select.where, where)
    items = tree.ArrayLiteral(tuple(_object(item=item.expression) for item in select.order_by))
    columns = (
        tree.Column("_rid", tree.Member(alias, tree.Literal("_rid"))),
        tree.Column("orderByItems", items),
        tree.Column("payload", payload),
    )
    rewritten = replace(select, star=False, value=None, columns=columns, where=where)
    if select.distinct:
        # Every row of a range has its own _rid: the client compares payloads, and cuts after that.
        rewritten = replace(rewritten, distinct=False, top=None, offset=None, limit=None)
    return rewritten
