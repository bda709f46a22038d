"""Pages: however a query is cut, the pieces make the whole."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.partition import RANGES, key_of
from local.emulators.cosmosdb.query import MAX_KEPT, FeedRange, Page, change_feed, read_feed, run
from local.emulators.cosmosdb.store import MAX_QUERY_INDEXES, Store
from local.emulators.cosmosdb.values import loads

CONTAINER = {
    "id": "c",
    "partitionKey": {"paths": ["/pk"]},
    "indexingPolicy": {
        "includedPaths": [{"path": "/*"}],
        "excludedPaths": [],
        "compositeIndexes": [[{"path": "/x"}, {"path": "/y", "order": "descending"}]],
    },
}
ALL = FeedRange()

values = st.sampled_from([None, True, 0, 1, 1.5, "a", "b", [1], {"a": 1}])
documents = st.lists(
    st.fixed_dictionaries({"pk": st.sampled_from("ab")}, optional={"x": values, "y": values, "l": st.just([1, 2, 3])}),
    max_size=10,
)
queries = st.sampled_from(
    [
        "SELECT VALUE c.id FROM c",
        "SELECT VALUE c.id FROM c WHERE c.x > 0",
        "SELECT VALUE c.id FROM c ORDER BY c.x",
        "SELECT VALUE c.id FROM c ORDER BY c.x DESC",
        "SELECT TOP 5 VALUE c.id FROM c ORDER BY c.x DESC",
        "SELECT VALUE c.id FROM c OFFSET 2 LIMIT 5",
        "SELECT VALUE c.id FROM c ORDER BY c.x OFFSET 1 LIMIT 3",
        "SELECT VALUE [c.id, t] FROM c JOIN t IN c.l",
        "SELECT DISTINCT VALUE c.pk FROM c",
        "SELECT DISTINCT VALUE c.x FROM c ORDER BY c.x",
        "SELECT VALUE c.id FROM c WHERE c.pk = 'a' ORDER BY c.x",
        "SELECT VALUE c.id FROM c WHERE c.pk = 'a' AND c.x = 1",
        "SELECT VALUE c.id FROM c WHERE c.x = 'a'",
        "SELECT VALUE c.id FROM c ORDER BY c.x, c.y DESC",
        "SELECT VALUE c.id FROM c ORDER BY c.x DESC, c.y",
        "SELECT * FROM c",
        "SELECT c.pk, COUNT(1) AS k FROM c GROUP BY c.pk",
    ]
)


def store_of(documents: list[Any]) -> Store:
    store = Store()
    container = store.ensure_container("db", CONTAINER)
    with store.transaction(container):
        for number, document in enumerate(documents):
            body = {"id": str(number), **document}
            store.put(container, container.key.of(body), body)
    return store


feed_ranges = st.sampled_from([ALL, *(FeedRange(range=one) for one in RANGES), FeedRange(key=key_of('["a"]'))])


@given(documents=documents, query=queries, feed_range=feed_ranges, size=st.integers(1, 4))
@settings(deadline=None, max_examples=300)
def test_pages_make_the_whole(documents: list[Any], query: str, feed_range: FeedRange, size: int) -> None:
    store = store_of(documents)
    try:
        container = store.container("db", "c")
        whole = run(store, container, {"query": query}, feed_range=feed_range, continuation=None, limit=-1)
        assert whole.continuation is None
        pieces: list[str] = []
        continuation = None
        while True:
            page = run(store, container, {"query": query}, feed_range=feed_range, continuation=continuation, limit=size)
            assert len(page.documents) <= size
            pieces += page.documents
            continuation = page.continuation
            if continuation is None:
                break
            assert len(page.documents) == size
        assert pieces == whole.documents
    finally:
        store.close()


@given(documents=documents, later=documents, query=queries, feed_range=feed_ranges, size=st.integers(1, 3))
@settings(deadline=None, max_examples=200)
def test_what_is_added_and_deleted_meanwhile_hides_and_repeats_nothing(
    documents: list[Any], later: list[Any], query: str, feed_range: FeedRange, size: int
) -> None:
    """What was there from the first page to the last comes once, whatever happens between pages."""
    if "TOP" in query or "OFFSET" in query or "DISTINCT" in query or "GROUP" in query:
        return
    store = store_of(documents)
    try:
        container = store.container("db", "c")
        whole = run(store, container, {"query": query}, feed_range=feed_range, continuation=None, limit=-1).documents
        pieces: list[str] = []
        continuation = None
        while True:
            page = run(store, container, {"query": query}, feed_range=feed_range, continuation=continuation, limit=size)
            pieces += page.documents
            continuation = page.continuation
            if continuation is None:
                break
            with store.transaction(container):
                if later:
                    body = {"id": f"later-{len(later)}", **later.pop()}
                    store.put(container, container.key.of(body), body)
        assert [piece for piece in pieces if "later" not in piece] == whole
        assert len(set(pieces)) == len(pieces)
    finally:
        store.close()


def pages_of(store: Store, query: str, feed_range: FeedRange, size: int) -> list[Page]:
    container = store.container("db", "c")
    pages = [run(store, container, {"query": query}, feed_range=feed_range, continuation=None, limit=size)]
    while pages[-1].continuation is not None:
        pages.append(
            run(
                store,
                container,
                {"query": query},
                feed_range=feed_range,
                continuation=pages[-1].continuation,
                limit=size,
            )
        )
    return pages


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM c",
        "SELECT * FROM c WHERE c.type = 'a'",
        "SELECT * FROM c ORDER BY c.n",
        "SELECT * FROM c ORDER BY c.n DESC",
        "SELECT * FROM c WHERE c.type = 'a' ORDER BY c.n DESC",
        "SELECT * FROM c WHERE c.type = 'a' ORDER BY c.same",
        "SELECT * FROM c ORDER BY c.x, c.y DESC",
        "SELECT * FROM c ORDER BY c.x DESC, c.y",
    ],
)
@pytest.mark.parametrize("one_partition", [True, False])
def test_a_page_reads_its_own_items_only(query: str, one_partition: bool) -> None:
    store = store_of(
        [
            {"pk": "a", "n": number * 7 % 101, "x": number % 5, "y": number % 11, "type": "ab"[number % 2], "same": 1}
            for number in range(200)
        ]
    )
    key = store.container("db", "c").key.from_header('["a"]')
    feed_range = FeedRange(key=key) if one_partition else FeedRange(range=RANGES[key.range_number])
    pages = pages_of(store, query, feed_range, 10)
    assert len(pages) == (10 if "type" in query else 20)
    # The last result of the page before, ten results, and one that tells whether there is another page.
    assert max(page.scanned for page in pages) <= 12
    store.close()


@pytest.mark.parametrize(
    ("query", "plan"),
    [
        ("SELECT * FROM c WHERE c.type = 'a' ORDER BY c.n DESC", "items_1_"),
        ("SELECT * FROM c WHERE c.incidentId = 'i' AND c.type = 'target'", "items_1_"),
        ("SELECT * FROM c WHERE c.type = 'chunk' AND c.claimedUntil < '2026'", "items_1_"),
        ("SELECT * FROM c WHERE c.id IN ('1', '2') AND c.pk IN ('p', 'q')", "pk=?"),
        ("SELECT * FROM c", "items_1_part"),
    ],
)
def test_sqlite_searches_and_does_not_sort(query: str, plan: str) -> None:
    store = store_of([{"pk": "a"}])
    statements: list[str] = []
    store._sql.set_trace_callback(statements.append)
    run(
        store,
        store.container("db", "c"),
        {"query": query},
        feed_range=FeedRange(range=RANGES[0]),
        continuation=None,
        limit=5,
    )
    store._sql.set_trace_callback(None)
    (statement,) = [text for text in statements if text.startswith("SELECT")]
    steps = [str(step[3]) for step in store._sql.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert steps[0].startswith("SEARCH")
    assert plan in steps[0]
    assert not any("SCAN items" in step for step in steps)
    assert "items_1_" not in plan or len(steps) == 1
    store.close()


def test_results_of_too_many_queries_are_not_kept() -> None:
    store = store_of([{"pk": "a", "x": number} for number in range(3)])
    container = store.container("db", "c")
    request = {"query": "SELECT DISTINCT VALUE c.x FROM c"}
    first = run(store, container, request, feed_range=ALL, continuation=None, limit=1)
    again = run(store, container, request, feed_range=ALL, continuation=first.continuation, limit=5)
    assert (first.documents, again.documents) == (["0"], ["1", "2"])
    for _ in range(MAX_KEPT):
        run(store, container, request, feed_range=ALL, continuation=None, limit=1)
    with pytest.raises(CosmosError, match="DISTINCT or GROUP BY"):
        run(store, container, request, feed_range=ALL, continuation=first.continuation, limit=5)
    store.close()


def test_more_orders_than_there_are_indexes_are_sorted() -> None:
    store = store_of([{"pk": "a", f"p{number}": 1} for number in range(MAX_QUERY_INDEXES + 2)])
    for number in range(MAX_QUERY_INDEXES + 2):
        query = f"SELECT VALUE c.id FROM c ORDER BY c.p{number}"  # noqa: S608 - a test's own text
        (page,) = pages_of(store, query, FeedRange(range=RANGES[0]), 5)
        assert page.documents == (
            [f'"{number}"'] if store.container("db", "c").key.of({"pk": "a"}).range_number == 0 else []
        )
    store.close()


def test_a_continuation_is_good_for_its_own_part_only() -> None:
    store = store_of([{"pk": name, "x": 1} for name in "aabb"])
    container = store.container("db", "c")
    request = {"query": "SELECT * FROM c"}
    feed_range = FeedRange(key=container.key.from_header('["a"]'))
    token = run(store, container, request, feed_range=feed_range, continuation=None, limit=1).continuation
    for other, query in (
        (FeedRange(key=container.key.from_header('["b"]')), "SELECT * FROM c"),
        (ALL, "SELECT * FROM c"),
        (FeedRange(range=RANGES[0]), "SELECT * FROM c"),
        (feed_range, "SELECT * FROM c ORDER BY c.x"),
        (feed_range, "SELECT DISTINCT * FROM c"),
    ):
        with pytest.raises(CosmosError, match="Invalid Continuation Token"):
            run(store, container, {"query": query}, feed_range=other, continuation=token, limit=1)
    store.close()


def test_ranges_of_hashes_cover_a_container() -> None:
    store = store_of([{"pk": name} for name in "abcdefgh"])
    container = store.container("db", "c")
    middle = 31 * "F"
    halves = [FeedRange(hashes=("", f"1{middle}")), FeedRange(hashes=(f"1{middle}", "FF"))]
    told = [
        [
            loads(text)["id"]
            for text in read_feed(store, container, feed_range=half, continuation=None, limit=-1).documents
        ]
        for half in halves
    ]
    assert all(told)
    assert sorted(told[0] + told[1]) == list("01234567")
    store.close()


def test_the_change_feed_continues_from_its_token() -> None:
    store = store_of([{"pk": "a"}, {"pk": "b"}, {"pk": "a"}])
    container = store.container("db", "c")
    bodies, reached = change_feed(store, container, feed_range=ALL, since=0, limit=2)
    assert [loads(body)["id"] for body in bodies] == ["0", "1"]
    bodies, reached = change_feed(store, container, feed_range=ALL, since=reached, limit=2)
    assert [loads(body)["id"] for body in bodies] == ["2"]
    assert change_feed(store, container, feed_range=ALL, since=reached, limit=2) == ([], reached)
    store.close()


def test_a_page_ends_at_four_megabytes() -> None:
    store = store_of([{"pk": "a", "text": "x" * 1_500_000} for _ in range(4)])
    container = store.container("db", "c")
    page = run(store, container, {"query": "SELECT * FROM c"}, feed_range=ALL, continuation=None, limit=-1)
    assert len(page.documents) == 2
    assert page.continuation is not None
    store.close()


def test_values_too_long_for_a_header_are_not_paged_by() -> None:
    store = store_of([{"pk": "a", "x": "x" * 7000} for _ in range(2)])
    container = store.container("db", "c")
    request = {"query": "SELECT * FROM c ORDER BY c.x"}
    assert len(run(store, container, request, feed_range=ALL, continuation=None, limit=-1).documents) == 2
    with pytest.raises(CosmosError, match="ORDER BY over values of this length"):
        run(store, container, request, feed_range=ALL, continuation=None, limit=1)
    store.close()


@pytest.mark.parametrize(
    "told",
    [
        "!",
        "null",
        "[]",
        '["/", "", [], 1, 0, 1]',
        '["", "", [], "1", 0, 1, 0]',
        '["", "", {}, 1, 0, 1, 0]',
        '["", "", 5, 1, 0, 1, 0]',
        '["", "", [1], 1, 0, 1, 0]',
        '["", "", ["1", 1], 1, 0, 1, 0]',
        '["", "", [3, 1, 3, 1], 1, 0, 1, 0]',
        '["", "", [3, null], 1, 0, 1, 0]',
        '["", "", [3, 1e999], 1, 0, 1, 0]',
        '["", "", [4, "\\ud800"], 1, 0, 1, 0]',
        '["", "", [3, 1], 1, 0, 1e300, 0]',
        '["", "x", [3, 1], 1, 0, 1, 0]',
        '["", "", [], 1, 0, 1, 0]',
        "[" * 5000,
    ],
)
def test_a_bad_continuation_is_400(told: str) -> None:
    continuation = base64.b64encode(told.encode()).decode() if told != "!" else told
    store = store_of([{"pk": "a"}])
    container = store.container("db", "c")
    with pytest.raises(CosmosError) as error:
        run(
            store,
            container,
            {"query": "SELECT * FROM c ORDER BY c.x"},
            feed_range=ALL,
            continuation=continuation,
            limit=1,
        )
    assert error.value.status == 400
    store.close()


@pytest.mark.parametrize(
    "request_body",
    [None, [], {}, {"query": 5}, {"query": "SELECT * FROM c", "parameters": [1]}, {"query": "x", "parameters": {}}],
)
def test_a_bad_request_is_400(request_body: Any) -> None:
    store = store_of([])
    container = store.container("db", "c")
    with pytest.raises(CosmosError) as error:
        run(store, container, request_body, feed_range=ALL, continuation=None, limit=1)
    assert error.value.status == 400
    store.close()
