"""Queries: from the text to one page of results, and the continuation that leads to the next.

A page is read from where the page before ended, never from the start. Items have an order that writes of others do
not change: that of ORDER BY, and among equals that of their creation. So items that are written or deleted between two
pages neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
import functools
import uuid
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.errors import CosmosError, NotServableError, SqlError, bad_request, not_supported
from local.emulators.cosmosdb.partition import RANGES, key_of
from local.emulators.cosmosdb.plan import make_plan, needs_merging
from local.emulators.cosmosdb.prefilter import json_path, prefilter
from local.emulators.cosmosdb.sql import tree
from local.emulators.cosmosdb.sql.evaluate import CompiledSelect, Scope, compile_select
from local.emulators.cosmosdb.sql.parser import parse as parse_sql
from local.emulators.cosmosdb.values import UNDEFINED, dumps, loads, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey, PartitionKeyRange
    from local.emulators.cosmosdb.prefilter import Prefilter
    from local.emulators.cosmosdb.store import Row, Store

# "Maximum response size: 4 MB" (service quotas); a page ends when it is reached.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# What the service gives where the client does not say how much it wants.
DEFAULT_PAGE: Final = 1000

# A continuation travels in a header, for which HTTP clients allow 8 KB.
MAX_CONTINUATION: Final = 6 * 1024
# Results of DISTINCT and GROUP BY that are kept for their next page, per container.
MAX_KEPT: Final = 64

# The service's order of types, as far as ORDER BY tells them apart. A missing property has no place (NULL).
_TYPE_ORDER: Final = (
    "CASE json_type(body, {0}) WHEN 'null' THEN 1 WHEN 'false' THEN 2 WHEN 'true' THEN 2 WHEN 'integer' THEN 3 "
    "WHEN 'real' THEN 3 WHEN 'text' THEN 4 WHEN 'array' THEN 5 WHEN 'object' THEN 6 END"
)
_VALUE_ORDER: Final = "ifnull(json_extract(body, {0}), 0)"

# SQLite holds whole numbers of 64 bits.
_SQLITE_LIMIT: Final = 2**63

_parse = functools.lru_cache(maxsize=512)(parse_sql)


@dataclass(frozen=True, slots=True)
class Page:
    """`documents` are JSON texts. `continuation` is None on the last page. `scanned` counts the items looked at."""

    documents: list[str]
    continuation: str | None
    scanned: int


@dataclass(frozen=True, slots=True)
class FeedRange:
    """The part of a container that a request reads: a logical partition, a partition key range, or all of it.

    `hashes` limits it further to effective partition keys from the first on, below the second.
    """

    key: PartitionKey | None = None
    range: PartitionKeyRange | None = None
    hashes: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Part of each continuation, so that one for another feed range is refused."""
        if self.key is not None:
            return self.key.epk
        return "/".join((str(self.range.number) if self.range else "", *(self.hashes or ())))

    def condition(self) -> tuple[str, list[Any]]:
        """As SQL, without the partition key range."""
        if self.key is not None:
            return "pk = ?", [self.key.text]
        return ("1", []) if self.hashes is None else ("epk >= ? AND epk < ?", [*self.hashes])

    @property
    def parts(self) -> tuple[int, ...]:
        """The numbers of its partition key ranges, in the order in which they are read."""
        if self.key is not None:
            return (self.key.range_number,)
        return tuple(one.number for one in RANGES) if self.range is None else (self.range.number,)


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a page ended: at the `count`th result, which came from row `place` of the item `seq`.

    `part` is the item's partition key range and `keys` are its sort keys, as SQLite has them. Results of DISTINCT and
    GROUP BY come from many items: `kept` names the list that holds them, and `count` is the place in it.
    """

    count: int = 0
    part: int = 0
    seq: int = 0
    place: int = -1
    keys: tuple[Any, ...] = ()
    kept: str = ""

    @classmethod
    def read(cls, continuation: str | None, feed_range: FeedRange) -> _Position:
        if not continuation:
            return cls()
        try:
            told = parse_json(base64.b64decode(continuation, validate=True), "continuation")
            name, kept, keys, count, part, seq, place = told
            position = cls(count, part, seq, place, tuple(keys), kept)
        except (CosmosError, ValueError, TypeError, binascii.Error):
            raise _invalid_continuation() from None
        whole = (position.count, position.part, position.seq, position.place, *position.keys[::2])
        if (
            name != feed_range.name
            or type(kept) is not str
            or not all(type(value) is int and -_SQLITE_LIMIT < value < _SQLITE_LIMIT for value in whole)
            or not all(type(value) in (int, float, str) for value in position.keys)
        ):
            raise _invalid_continuation()
        return position

    def write(self, feed_range: FeedRange) -> str:
        told = [feed_range.name, self.kept, self.keys, self.count, self.part, self.seq, self.place]
        text = base64.b64encode(dumps(told).encode()).decode()
        if len(text) > MAX_CONTINUATION:
            raise not_supported("several pages of an ORDER BY over values of this length")
        return text


def _invalid_continuation() -> Exception:
    return bad_request("Invalid Continuation Token")


@dataclass(frozen=True, slots=True)
class _Key:
    """One SQL expression of an order."""

    sql: str
    descending: bool

    @property
    def ordered(self) -> str:
        return f"{self.sql} DESC" if self.descending else self.sql


@dataclass(frozen=True, slots=True)
class _Scan:
    """One stretch of items: SQL conditions with their parameters, and an SQL order."""

    conditions: tuple[str, ...]
    values: list[Any]
    order: str


@dataclass(slots=True)
class _Query:
    """A compiled query over one feed range."""

    store: Store
    container: Container
    select: tree.Select
    parameters: Mapping[str, Any]
    feed_range: FeedRange
    compiled: CompiledSelect = field(init=False)
    keys: tuple[_Key, ...] = field(init=False)
    scanned: int = 0

    def __post_init__(self) -> None:
        self.compiled = compile_query(self.select, self.parameters)
        self.keys = _sort_keys(self.select, self.container)

    def page(self, continuation: str | None, wanted: int) -> Page:
        position = _Position.read(continuation, self.feed_range)
        counted = self.compiled.grouped or self.compiled.distinct
        if continuation and (
            bool(position.kept) is not counted or (not counted and len(position.keys) != len(self.keys))
        ):
            raise _invalid_continuation()
        if counted:
            return self._kept_page(position, wanted)
        documents: list[str] = []
        size = 0
        for following, document in self._window(position):
            if documents and (len(documents) == wanted or size + len(document) > MAX_PAGE_BYTES):
                return Page(documents, position.write(self.feed_range), self.scanned)
            documents.append(document)
            size += len(document)
            position = following
        return Page(documents, None, self.scanned)

    def _kept_page(self, position: _Position, wanted: int) -> Page:
        """A page of results that come from many items: all are computed once, and kept for the next pages."""
        kept = self.container.kept
        if position.kept in kept:
            results = kept[position.kept]
        elif position.kept:
            raise not_supported(f"more than {MAX_KEPT} queries with DISTINCT or GROUP BY that are being paged")
        else:
            rows = ([loads(row.body)] for row in self._items(position))
            results = [dumps(result) for result in self.compiled.results(rows)]
        documents, size = list[str](), 0
        for document in results[position.count : position.count + wanted]:
            size += len(document)
            if documents and size > MAX_PAGE_BYTES:
                break
            documents.append(document)
        following = _Position(count=position.count + len(documents), kept=position.kept or str(uuid.uuid4()))
        if following.count >= len(results):
            return Page(documents, None, self.scanned)
        kept[following.kept] = results
        while len(kept) > MAX_KEPT:
            kept.popitem(last=False)
        return Page(documents, following.write(self.feed_range), self.scanned)

    def _window(self, position: _Position) -> Iterator[tuple[_Position, str]]:
        """The results after the position, as OFFSET, LIMIT and TOP cut them: JSON texts with their positions."""
        skip, take, count = self.compiled.skip, self.compiled.take, position.count
        if take is not None and count >= skip + take:
            return
        for item, place, result in self._results(position):
            count += 1
            if count > skip:
                yield _Position(count, item.part, item.seq, place, item.keys), result
            if take is not None and count >= skip + take:
                return

    def _results(self, position: _Position) -> Iterator[tuple[Row, int, str]]:
        """Each result after the position: its item, the number of its row within the item, and its JSON text."""
        whole = self.select.star and not self.compiled.sources
        for item in self._items(position):
            if whole and self.compiled.where is None:
                if item.seq != position.seq:
                    yield item, 0, item.body
                continue
            for place, env in enumerate(self.compiled.rows([loads(item.body)])):
                if item.seq == position.seq and place <= position.place:
                    continue
                result = self.compiled.project(env)
                if result is not UNDEFINED:
                    yield item, place, item.body if whole else dumps(result)

    def _items(self, position: _Position) -> Iterator[Row]:
        """The items that the WHERE clause may let through, from that of the position on."""
        source = self.select.sources[0]
        where = self.select.where if source.collection is None else None
        narrowed = prefilter(where, source.alias, self.parameters, self.container)
        index = self._index(narrowed, paged=position != _Position())
        scope, values = self.feed_range.condition()
        keys = tuple(key.sql for key in self.keys)
        for scan in self._scans(position, walked=index is not None):
            conditions = " AND ".join((scope, *scan.conditions, narrowed.sql))
            given = [*values, *scan.values, *narrowed.parameters]
            for item in self.store.select(self.container, conditions, given, scan.order, keys=keys, index=index):
                self.scanned += 1
                yield item

    def _index(self, narrowed: Prefilter, *, paged: bool) -> str | None:
        """The index to walk: it starts with what the WHERE clause fixes, and then has the order of the query."""
        scope: tuple[str, ...] = ("part",)
        if self.feed_range.key is not None or (narrowed.keys is not None and len(narrowed.keys) == 1):
            if not self.keys and not paged:
                # One logical partition from its start: the primary key finds it.
                return None
            scope = ("pk",)
        elif narrowed.keys is not None:
            return None
        elif self.keys and self.feed_range.range is None:
            scope = ()
        # An index can be walked both ways: it is made for the first key to ascend.
        backwards = bool(self.keys) and self.keys[0].descending
        order = (_Key(key.sql, key.descending is not backwards).ordered for key in self.keys)
        return self.store.index(self.container, (*scope, *narrowed.equal, *order))

    def _scans(self, position: _Position, *, walked: bool) -> Iterator[_Scan]:
        """What is still to be read, one scan after the other. `walked`: an index has the items in their order."""
        if not self.keys:
            # Without an index to walk, a plus keeps SQLite from walking the whole table in the order of its key.
            plus = "" if walked else "+"
            for part in self.feed_range.parts:
                if part >= position.part:
                    since = position.seq if part == position.part else 0
                    yield _Scan((f"{plus}part = ?", f"{plus}seq >= ?"), [part, since], "seq")
            return
        # What has no value in one of the paths is left out.
        scope = [f"{key.sql} > 0" for key in self.keys[2::2]]
        values: list[Any] = []
        if self.feed_range.range is not None:
            scope.append("part = ?")
            values.append(self.feed_range.range.number)
        every = [*self.keys, _Key("seq", self.keys[0].descending)]
        if not position.keys:
            order = ", ".join(key.ordered for key in every)
            yield _Scan((*scope, f"{self.keys[0].sql} > 0"), values, order)
            return
        # First come the items with the same sort keys, then those that differ in the last key only, and so on to those
        # with a later first key. Each of these is one stretch of the index.
        same = [f"{key.sql} = ?" for key in self.keys]
        told = [*position.keys, position.seq]
        for place in range(len(self.keys), -1, -1):
            beyond = "<" if every[place].descending else ">"
            if place == len(self.keys):
                beyond += "="
            conditions = (*scope, *same[:place], f"{every[place].sql} {beyond} ?")
            yield _Scan(conditions, [*values, *told[: place + 1]], ", ".join(key.ordered for key in every[place:]))


def compile_query(select: tree.Select, parameters: Mapping[str, Any]) -> CompiledSelect:
    """Raises SqlError, 400, for what cannot be run."""
    compiled = compile_select(select, Scope({}, 1, parameters, root=True))
    if not select.sources:
        raise not_supported("a SELECT without FROM")
    return compiled


def run(
    store: Store, container: Container, request: Any, *, feed_range: FeedRange, continuation: str | None, limit: int
) -> Page:
    """One page of a query.

    Args:
        store: the account.
        container: the container.
        request: `{"query", "parameters": [{"name", "value"}]}`.
        feed_range: the part of the container that is asked.
        continuation: from the page before.
        limit: how many results the client takes; not positive means as many as fit.

    Raises:
        SqlError: 400, for what cannot be run.
        CosmosError: 400, for a request or continuation that is none.
    """
    text, parameters = _request(request)
    query = _Query(store, container, _parse(text), parameters, feed_range)
    return query.page(continuation, limit if limit > 0 else DEFAULT_PAGE)


def route(container: Container, request: Any, *, crosses: bool, continuation: str | None) -> FeedRange:
    """The feed range of a query that names none: the partition that its WHERE clause names, or all of the container.

    Args:
        container: the container.
        request: as for `run`.
        crosses: whether the client allows a query over all ranges.
        continuation: from the page before.

    Raises:
        SqlError: 400, for what cannot be run.
        NotServableError: 400, for what the client has to merge.
        CosmosError: 400 if the query may not read all ranges, or for the continuation of one range: the service cannot
            continue over all ranges from there.
    """
    text, parameters = _request(request)
    select = _parse(text)
    compile_query(select, parameters)
    source = select.sources[0]
    if source.collection is None:
        keys = prefilter(select.where, source.alias, parameters, container).keys
        if keys is not None and len(keys) == 1:
            return FeedRange(key=key_of(keys[0]))
    if not crosses:
        raise bad_request(
            "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to "
            "true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
        )
    _Position.read(continuation, FeedRange())
    if needs_merging(select):
        _sort_keys(select, container)
        raise NotServableError(make_plan(select, parameters))
    return FeedRange()


def plan(container: Container, request: Any, features: AbstractSet[str]) -> dict[str, Any]:
    """The query plan for a client with these features. Raises like `run`."""
    text, parameters = _request(request)
    select = _parse(text)
    compile_query(select, parameters)
    _sort_keys(select, container)
    return make_plan(select, parameters, features)


def read_feed(
    store: Store, container: Container, *, feed_range: FeedRange, continuation: str | None, limit: int
) -> Page:
    """All items, range by range in the order of their creation, a page at a time."""
    query = {"query": "SELECT * FROM c"}
    return run(store, container, query, feed_range=feed_range, continuation=continuation, limit=limit)


def change_feed(
    store: Store, container: Container, *, feed_range: FeedRange, since: int, limit: int
) -> tuple[list[str], int]:
    """Items written after the write number `since`, oldest first, and the write number that was reached.

    Latest version mode: an item that was written twice comes once, one that was deleted not at all.
    """
    where, values = feed_range.condition()
    if feed_range.range is not None:
        where, values = f"{where} AND +part = ?", [*values, feed_range.range.number]
    wanted = limit if limit > 0 else DEFAULT_PAGE
    items = list(islice(store.changes(container, f"{where} AND lsn > ?", [*values, since]), wanted))
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


def _sort_keys(select: tree.Select, container: Container) -> tuple[_Key, ...]:
    """Type and value of each ORDER BY path. Raises SqlError for what no index serves."""
    order: list[tuple[tuple[str, ...], bool]] = []
    for item in select.order_by:
        path: list[str] = []
        node: tree.Expression = item.expression
        while isinstance(node, tree.Member) and isinstance(node.key, tree.Literal) and isinstance(node.key.value, str):
            path.insert(0, node.key.value)
            node = node.target
        if not isinstance(node, tree.Name) or not path:
            message = "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."
            raise SqlError(message, code="SC2203")
        if node.name != select.sources[0].alias or select.sources[0].collection is not None:
            raise SqlError("Order-by over correlated collections is not supported.", code="SC2204")
        if any(character in '"\\' or character < " " for step in path for character in step):
            raise not_supported("ORDER BY a property whose name holds quotes, backslashes or control characters")
        order.append((tuple(path), item.descending))
    if order:
        container.indexing.check_order(order)
    return tuple(
        _Key(template.format(json_path(path)), descending)
        for path, descending in order
        for template in (_TYPE_ORDER, _VALUE_ORDER)
    )
