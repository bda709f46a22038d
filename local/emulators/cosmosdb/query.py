"""Queries: from the text to one page of results, and the continuation that leads to the next."""

from __future__ import annotations

import base64
import binascii
import functools
import json
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.errors import SqlError, bad_request, not_supported
from local.emulators.cosmosdb.prefilter import prefilter
from local.emulators.cosmosdb.sql import tree
from local.emulators.cosmosdb.sql.evaluate import CompiledSelect, Scope, compile_select
from local.emulators.cosmosdb.sql.parser import parse as parse_sql
from local.emulators.cosmosdb.values import UNDEFINED, dumps, loads, order_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey
    from local.emulators.cosmosdb.store import Item, Store

# "Maximum response size: 4 MB" (service quotas); a page ends when it is reached.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# What the service gives where the client does not say how much it wants.
DEFAULT_PAGE: Final = 1000

# A continuation travels in a header, for which HTTP clients allow 8 KB.
MAX_CONTINUATION: Final = 6 * 1024

_parse = functools.lru_cache(maxsize=512)(parse_sql)


@dataclass(frozen=True, slots=True)
class Page:
    """`documents` are JSON texts. `continuation` is None on the last page. `scanned` counts the items looked at."""

    documents: list[str]
    continuation: str | None
    scanned: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The part of a container that a request speaks of: one logical partition, a range of hashes (EPK), or all."""

    key: PartitionKey | None = None
    hashes: tuple[str, str] | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """As SQL. A range of hashes excludes its end."""
        if self.key is not None:
            return "pk = ?", [self.key.text]
        if self.hashes is not None:
            return "epk >= ? AND epk < ?", [*self.hashes]
        return "1", []


@dataclass(frozen=True, slots=True)
class _Mark:
    """The last result of a page: the `count`th of all, from row `place` of the item `seq`, with these ORDER BY values.

    A page starts after its mark, wherever that is by then: items that were deleted meanwhile shift nothing.
    """

    count: int = 0
    seq: int = 0
    place: int = -1
    values: tuple[Any, ...] = ()

    @classmethod
    def read(cls, continuation: str | None) -> _Mark:
        if not continuation:
            return cls()
        try:
            count, seq, place, values = json.loads(base64.b64decode(continuation, validate=True))
            told = tuple(UNDEFINED if value == [] else value[0] for value in values)
        except (ValueError, KeyError, TypeError, IndexError, binascii.Error):
            raise bad_request("Invalid Continuation Token") from None
        if not all(type(part) is int for part in (count, seq, place)):
            raise bad_request("Invalid Continuation Token")
        return cls(count, seq, place, told)

    def write(self) -> str:
        values = [[] if value is UNDEFINED else [value] for value in self.values]
        text = base64.b64encode(dumps([self.count, self.seq, self.place, values]).encode()).decode()
        if len(text) > MAX_CONTINUATION:
            raise not_supported("several pages of an ORDER BY over values of this length")
        return text


@dataclass(slots=True)
class _Row:
    """Row number `place` of those that FROM and WHERE make of one item; `env` holds its values."""

    seq: int
    place: int
    env: list[Any]


@dataclass(slots=True)
class _Query:
    """A query, compiled, over the part of a container that it asks."""

    store: Store
    container: Container
    select: tree.Select
    parameters: Mapping[str, Any]
    reach: Reach
    compiled: CompiledSelect = field(init=False)
    scanned: int = 0

    def __post_init__(self) -> None:
        self.compiled = compile_select(self.select, Scope({}, 1, self.parameters, root=True))
        if not self.select.sources:
            raise not_supported("a SELECT without FROM")
        _check_order(self.select, self.container)

    def results(self, mark: _Mark) -> Iterator[tuple[_Mark, Any]]:
        """Each result after the mark, with its own mark."""
        compiled = self.compiled
        if compiled.grouped or compiled.distinct:
            # These have no place in any one item: they are counted.
            whole = compiled.results([loads(item.body)] for item in self._items())
            return ((_Mark(count), result) for count, result in enumerate(whole, start=1) if count > mark.count)
        rows = self._ordered(mark) if compiled.order else self._rows(mark)
        return self._window(rows, mark.count)

    def _items(self, since: int = 0) -> Iterator[Item]:
        source = self.select.sources[0]
        where = self.select.where if source.collection is None else None
        narrowed = prefilter(where, source.alias, self.parameters, self.container)
        condition, values = self.reach.condition()
        if self.reach.key is None:
            for path, expression in narrowed.paths:
                self.store.index_path(self.container, path, expression)
        # A unary plus keeps SQLite from walking the whole table in the order of its key.
        condition = f"{condition} AND {narrowed.sql} AND +seq >= ?"
        for item in self.store.select(self.container, condition, [*values, *narrowed.parameters, since]):
            self.scanned += 1
            yield item

    def _rows(self, mark: _Mark) -> Iterator[_Row]:
        for item in self._items(mark.seq):
            for place, env in enumerate(self.compiled.rows([loads(item.body)])):
                if item.seq > mark.seq or place > mark.place:
                    yield _Row(item.seq, place, env)

    def _ordered(self, mark: _Mark) -> Iterator[_Row]:
        rows: Iterator[_Row] = self._rows(_Mark())
        if mark.count:
            rows = (row for row in rows if self._follows(row, mark))
        return iter(self.compiled.sort(list(rows), lambda row: row.env))

    def _follows(self, row: _Row, mark: _Mark) -> bool:
        if len(mark.values) != len(self.compiled.order):
            raise bad_request("Invalid Continuation Token")
        for (value, descending), told in zip(self.compiled.order, mark.values, strict=True):
            own, other = order_key(value(row.env)), order_key(told)
            if own != other:
                return (own < other) is descending
        return (row.seq, row.place) > (mark.seq, mark.place)

    def _window(self, rows: Iterator[_Row], count: int) -> Iterator[tuple[_Mark, Any]]:
        skip, take = self.compiled.skip, self.compiled.take
        for row in rows:
            if take is not None and count >= skip + take:
                return
            result = self.compiled.project(row.env)
            if result is UNDEFINED:
                continue
            count += 1
            if count > skip:
                values = tuple(value(row.env) for value, _ in self.compiled.order)
                yield _Mark(count, row.seq, row.place, values), result


def run(
    store: Store, container: Container, request: Any, *, reach: Reach, continuation: str | None, limit: int
) -> Page:
    """One page of a query.

    Args:
        store: the account.
        container: the container.
        request: `{"query", "parameters": [{"name", "value"}]}`.
        reach: the part of the container that is asked.
        continuation: from the page before.
        limit: how many results the client takes; not positive means as many as fit.

    Raises:
        SqlError: 400, for what cannot be run.
        CosmosError: 400, for a request or continuation that is none.
    """
    text, parameters = _request(request)
    query = _Query(store, container, _parse(text), parameters, reach)
    documents: list[str] = []
    size, wanted = 0, limit if limit > 0 else DEFAULT_PAGE
    mark = _Mark.read(continuation)
    for following, result in query.results(mark):
        document = dumps(result)
        if documents and (len(documents) == wanted or size + len(document) > MAX_PAGE_BYTES):
            return Page(documents, mark.write(), query.scanned)
        documents.append(document)
        size += len(document)
        mark = following
    return Page(documents, None, query.scanned)


def read_feed(store: Store, container: Container, *, reach: Reach, continuation: str | None, limit: int) -> Page:
    """All items in the order of their creation, a page at a time."""
    where, values = reach.condition()
    mark = _Mark.read(continuation)
    wanted = limit if limit > 0 else DEFAULT_PAGE
    items = list(islice(store.select(container, f"{where} AND seq > ?", [*values, mark.seq]), wanted + 1))
    following = _Mark(seq=items[wanted - 1].seq).write() if len(items) > wanted else None
    return Page([item.body for item in items[:wanted]], following, len(items))


def change_feed(store: Store, container: Container, *, reach: Reach, since: int, limit: int) -> tuple[list[str], int]:
    """Items written after the write number `since`, oldest first, and the write number that was reached.

    Latest version mode: an item that was written twice comes once, one that was deleted not at all.
    """
    where, values = reach.condition()
    wanted = limit if limit > 0 else DEFAULT_PAGE
    items = list(islice(store.select(container, f"{where} AND lsn > ?", [*values, since], order="lsn"), wanted))
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
