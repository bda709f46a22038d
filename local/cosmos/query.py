"""Queries: from the text to one page of results, and the continuation that leads to the next."""

from __future__ import annotations

import base64
import binascii
import functools
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from local.cosmos.errors import SqlError, bad_request
from local.cosmos.prefilter import prefilter
from local.cosmos.sql import tree
from local.cosmos.sql.evaluate import CompiledSelect, Environment, Scope, compile_select
from local.cosmos.sql.parser import parse as parse_sql
from local.cosmos.values import UNDEFINED, dumps, loads, order_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.cosmos.container import Container
    from local.cosmos.partition import PartitionKey
    from local.cosmos.store import Store

# "Maximum response size: 4 MB" (service quotas); a page ends when it is reached.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# What the service gives where the client does not say how much it wants.
DEFAULT_PAGE: Final = 1000

# An item's own values at the top of a compiled query.
_parse = functools.lru_cache(maxsize=512)(parse_sql)


@dataclass(frozen=True, slots=True)
class Page:
    """`documents` are JSON texts. `continuation` is None on the last page. `scanned` counts the items looked at."""

    documents: list[str]
    continuation: str | None
    scanned: int


@dataclass(slots=True)
class _Counter:
    value: int = 0


def run(
    store: Store,
    container: Container,
    request: Any,
    *,
    key: PartitionKey | None,
    continuation: str | None,
    limit: int,
) -> Page:
    """One page of a query.

    Args:
        store: the account.
        container: the container.
        request: `{"query", "parameters": [{"name", "value"}]}`.
        key: the partition that is asked, or None for all.
        continuation: from the page before.
        limit: how many results the client takes; not positive means as many as fit.

    Raises:
        SqlError: 400, for what cannot be run.
        CosmosError: 400, for a request or continuation that is none.
    """
    text, parameters = _request(request)
    select = _parse(text)
    compiled = compile_select(select, Scope({}, 1, parameters, root=True))
    _check_order(select, container)
    start = _start(continuation)
    scanned = _Counter()
    rows = _items(store, container, select, parameters, key, scanned)
    results = islice(_ordered(compiled, rows) if compiled.order else compiled.results(rows), start, None)
    documents: list[str] = []
    size, wanted = 0, limit if limit > 0 else DEFAULT_PAGE
    for result in results:
        document = dumps(result)
        if documents and (len(documents) == wanted or size + len(document) > MAX_PAGE_BYTES):
            return Page(documents, _continue(start + len(documents)), scanned.value)
        documents.append(document)
        size += len(document)
    return Page(documents, None, scanned.value)


def read_feed(
    store: Store, container: Container, *, key: PartitionKey | None, continuation: str | None, limit: int
) -> Page:
    """All items in the order of their creation, a page at a time."""
    start = _start(continuation)
    where, values = ("pk = ? AND seq > ?", [key.text, start]) if key else ("seq > ?", [start])
    wanted = limit if limit > 0 else DEFAULT_PAGE
    items = list(islice(store.select(container, where, values), wanted + 1))
    following = _continue(items[wanted - 1].seq) if len(items) > wanted else None
    return Page([item.body for item in items[:wanted]], following, len(items))


def change_feed(
    store: Store, container: Container, *, key: PartitionKey | None, since: int, limit: int
) -> tuple[list[str], int]:
    """Items written after the write number `since`, oldest first, and the write number that was reached.

    Latest version mode: an item that was written twice comes once, one that was deleted not at all.
    """
    where, values = ("pk = ? AND lsn > ?", [key.text, since]) if key else ("lsn > ?", [since])
    wanted = limit if limit > 0 else DEFAULT_PAGE
    items = list(islice(store.select(container, where, values, order="lsn"), wanted))
    reached = items[-1].lsn if len(items) == wanted else container.lsn
    bodies = [f'{item.body[:-1]},"_lsn":{item.lsn}}}' for item in items]
    return bodies, reached


def _request(request: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise bad_request("A query is an object with the text 'query'.")
    given = request.get("parameters") or []
    try:
        return request["query"], {one["name"]: one["value"] for one in given}
    except (TypeError, KeyError):
        raise bad_request("The parameters of a query are a list of objects with 'name' and 'value'.") from None


def _items(
    store: Store,
    container: Container,
    select: tree.Select,
    parameters: Mapping[str, Any],
    key: PartitionKey | None,
    scanned: _Counter,
) -> Iterator[Environment]:
    source = select.sources[0]
    plain = source.collection is None
    narrowed = prefilter(select.where if plain else None, source.alias, parameters, container)
    conditions, values = [narrowed.sql], list(narrowed.parameters)
    if key is not None:
        conditions.insert(0, "pk = ?")
        values.insert(0, key.text)
    else:
        for path, expression in narrowed.paths:
            store.index_path(container, path, expression)
    for item in store.select(container, " AND ".join(conditions), values):
        scanned.value += 1
        yield [loads(item.body)]


def _ordered(compiled: CompiledSelect, items: Iterator[Environment]) -> Iterator[Any]:
    rows = [row for env in items for row in compiled.rows(env)]
    # From the last item to the first: each sort keeps the order of those before it among equals.
    for value, descending in reversed(compiled.order):
        rows.sort(key=lambda row, value=value: order_key(value(row)), reverse=descending)  # type: ignore[misc]  # a default binds the loop's own
    results = (result for row in rows if (result := compiled.project(row)) is not UNDEFINED)
    take = None if compiled.take is None else compiled.skip + compiled.take
    return islice(results, compiled.skip, take)


def _check_order(select: tree.Select, container: Container) -> None:
    order = []
    for item in select.order_by:
        path: list[str] = []
        node: tree.Expression = item.expression
        while isinstance(node, tree.Member) and isinstance(node.key, tree.Literal):
            path.insert(0, str(node.key.value))
            node = node.target
        if not isinstance(node, tree.Name) or not path:
            message = "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."
            raise SqlError(message, code="SC2203")
        order.append((tuple(path), item.descending))
    if order:
        container.indexing.check_order(order)


def _start(continuation: str | None) -> int:
    if not continuation:
        return 0
    try:
        start = json.loads(base64.b64decode(continuation, validate=True))["start"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise bad_request("Invalid Continuation Token") from None
    if type(start) is not int or start < 0:
        raise bad_request("Invalid Continuation Token")
    return start


def _continue(start: int) -> str:
    return base64.b64encode(json.dumps({"start": start}).encode()).decode()
