"""What is left to SQLite changes how fast a query is, never what it finds."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulators.cosmosdb.query import FeedRange, run
from local.emulators.cosmosdb.sql.evaluate import Scope, compile_select
from local.emulators.cosmosdb.sql.parser import parse
from local.emulators.cosmosdb.store import Store
from local.emulators.cosmosdb.values import dumps, loads, parse_json

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.5, 1e300, 2**60, -1.5]),
    st.sampled_from(["", "a", "b", "ab", "a\0b", "1", "\ue000", "🐟", "true"]),
    st.sampled_from([[], [1], {}, {"a": 1}]),
)
documents = st.lists(st.fixed_dictionaries({}, optional={"pk": values, "x": values, "y": values}), max_size=8)
operands = st.sampled_from(["c.x", "c.pk", "c.y", "c['x']", "c.id"])
names = st.sampled_from(["@a", "@b", "1", "'a'", "null", "true"])
atoms = st.one_of(
    st.builds("{} {} {}".format, operands, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), names),
    st.builds("{} {} {}".format, names, st.sampled_from(["=", "<", ">="]), operands),
    st.builds("{} IN ({}, {})".format, operands, names, names),
    st.builds("{} BETWEEN {} AND {}".format, operands, names, names),
    st.builds("{} NOT IN ({})".format, operands, names),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=4,
)


@given(documents=documents, condition=conditions, a=values, b=values)
@settings(max_examples=300, deadline=None)
def test_a_query_finds_what_a_scan_finds(documents: list[Any], condition: str, a: Any, b: Any) -> None:
    parameters = {"@a": parse_json(dumps(a).encode()), "@b": parse_json(dumps(b).encode())}
    text = f"SELECT VALUE c.id FROM c WHERE {condition}"  # noqa: S608 - made above
    store = Store()
    try:
        container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
        stored = []
        with store.transaction(container):
            for number, document in enumerate(documents):
                body = parse_json(dumps({"id": str(number), **document}).encode())
                store.put(container, container.key.of(body), dict(body))
                stored.append([body])
        # Ranges come one after the other.
        stored.sort(key=lambda env: container.key.of(env[0]).range_number)
        expected = list(compile_select(parse(text), Scope({}, 1, parameters, root=True)).results(iter(stored)))
        request = {"query": text, "parameters": [{"name": name, "value": parameters[name]} for name in parameters]}
        page = run(store, container, request, feed_range=FeedRange(), continuation=None, limit=-1)
        assert [loads(document) for document in page.documents] == expected
    finally:
        store.close()


def test_a_query_of_one_partition_looks_at_its_items_only() -> None:
    store = Store()
    try:
        container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
        with store.transaction(container):
            for number in range(50):
                document = {"id": str(number), "pk": f"p{number % 10}", "n": number}
                store.put(container, container.key.of(document), document)
        feed_range = FeedRange(key=container.key.from_header('["p3"]'))
        page = run(store, container, {"query": "SELECT * FROM c"}, feed_range=feed_range, continuation=None, limit=-1)
        assert (len(page.documents), page.scanned) == (5, 5)
        page = run(
            store,
            container,
            {"query": "SELECT * FROM c WHERE c.n = 7"},
            feed_range=FeedRange(),
            continuation=None,
            limit=-1,
        )
        assert (len(page.documents), page.scanned) == (1, 1)
    finally:
        store.close()
