"""Pages: however a query is cut, the pieces make the whole."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.query import Reach, change_feed, read_feed, run
from local.emulators.cosmosdb.store import Store
from local.emulators.cosmosdb.values import loads

CONTAINER = {"id": "c", "partitionKey": {"paths": ["/pk"]}}
ALL = Reach()

values = st.sampled_from([None, True, 0, 1, 1.5, "a", "b", [1], {"a": 1}])
documents = st.lists(
    st.fixed_dictionaries({"pk": st.sampled_from("ab")}, optional={"x": values, "l": st.just([1, 2, 3])}), max_size=10
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


@given(documents=documents, query=queries, size=st.integers(1, 4))
@settings(deadline=None)
def test_pages_make_the_whole(documents: list[Any], query: str, size: int) -> None:
    store = store_of(documents)
    try:
        container = store.container("db", "c")
        whole = run(store, container, {"query": query}, reach=ALL, continuation=None, limit=-1)
        assert whole.continuation is None
        pieces: list[str] = []
        continuation = None
        while True:
            page = run(store, container, {"query": query}, reach=ALL, continuation=continuation, limit=size)
            assert len(page.documents) <= size
            pieces += page.documents
            continuation = page.continuation
            if continuation is None:
                break
            assert len(page.documents) == size
        assert pieces == whole.documents
    finally:
        store.close()


def test_ranges_of_hashes_share_out_a_container() -> None:
    store = store_of([{"pk": name} for name in "abcdefgh"])
    container = store.container("db", "c")
    halves = [Reach(hashes=("", "1F")), Reach(hashes=("1F", "FF"))]
    told = [
        [loads(text)["id"] for text in read_feed(store, container, reach=half, continuation=None, limit=-1).documents]
        for half in halves
    ]
    assert all(told)
    assert sorted(told[0] + told[1]) == list("01234567")
    store.close()


def test_the_change_feed_goes_on_from_what_it_reached() -> None:
    store = store_of([{"pk": "a"}, {"pk": "b"}, {"pk": "a"}])
    container = store.container("db", "c")
    bodies, reached = change_feed(store, container, reach=ALL, since=0, limit=2)
    assert [loads(body)["id"] for body in bodies] == ["0", "1"]
    bodies, reached = change_feed(store, container, reach=ALL, since=reached, limit=2)
    assert [loads(body)["id"] for body in bodies] == ["2"]
    assert change_feed(store, container, reach=ALL, since=reached, limit=2) == ([], reached)
    store.close()


def test_a_page_ends_at_four_megabytes() -> None:
    store = store_of([{"pk": "a", "text": "x" * 1_500_000} for _ in range(4)])
    container = store.container("db", "c")
    page = run(store, container, {"query": "SELECT * FROM c"}, reach=ALL, continuation=None, limit=-1)
    assert len(page.documents) == 2
    assert page.continuation is not None
    store.close()


def test_values_too_long_for_a_header_are_not_paged_by() -> None:
    store = store_of([{"pk": "a", "x": "x" * 7000} for _ in range(2)])
    container = store.container("db", "c")
    request = {"query": "SELECT * FROM c ORDER BY c.x"}
    assert len(run(store, container, request, reach=ALL, continuation=None, limit=-1).documents) == 2
    with pytest.raises(CosmosError, match="ORDER BY over values of this length"):
        run(store, container, request, reach=ALL, continuation=None, limit=1)
    store.close()


@pytest.mark.parametrize(
    "continuation", ["!", "W10=", "WzEsMSwxXQ==", "WzEsMSwxLFt7fV1d", "WyIxIiwxLDEsW11d", "bnVsbA=="]
)
def test_a_continuation_that_is_none_is_400(continuation: str) -> None:
    store = store_of([{"pk": "a"}])
    container = store.container("db", "c")
    with pytest.raises(CosmosError) as error:
        run(store, container, {"query": "SELECT * FROM c ORDER BY c.x"}, reach=ALL, continuation=continuation, limit=1)
    assert error.value.status == 400
    store.close()


@pytest.mark.parametrize(
    "request_body",
    [None, [], {}, {"query": 5}, {"query": "SELECT * FROM c", "parameters": [1]}, {"query": "x", "parameters": {}}],
)
def test_a_request_that_is_none_is_400(request_body: Any) -> None:
    store = store_of([])
    container = store.container("db", "c")
    with pytest.raises(CosmosError) as error:
        run(store, container, request_body, reach=ALL, continuation=None, limit=1)
    assert error.value.status == 400
    store.close()
