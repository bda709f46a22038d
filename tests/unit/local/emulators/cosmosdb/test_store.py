"""What the file keeps, what time takes away, and what a failed write leaves: nothing."""

from pathlib import Path
from typing import Any

import pytest

from local.emulators.cosmosdb import items
from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.items import Conditions
from local.emulators.cosmosdb.store import Store
from local.emulators.cosmosdb.values import loads

DEFINITION = {"id": "c", "partitionKey": {"paths": ["/pk"]}, "defaultTtl": 100}


def put(store: Store, document: dict[str, Any]) -> Any:
    container = store.container("db", "c")
    key = container.key.of(document)
    with store.transaction(container):
        return items.upsert(store, container, key, document, Conditions())[0]


def test_a_file_is_opened_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "cosmos.db"))
    store.ensure_container("db", DEFINITION)
    item = put(store, {"id": "1", "pk": "a", "n": 1})
    store.close()
    store = Store(str(tmp_path / "cosmos.db"))
    container = store.container("db", "c")
    again = store.get(container, container.key.from_header('["a"]'), "1")
    assert again == item
    changed = put(store, {"id": "1", "pk": "a", "n": 2})
    assert changed.etag != item.etag
    assert changed.seq == item.seq
    assert changed.lsn > item.lsn
    store.close()


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "cosmos.db")
    store = Store(path)
    store._sql.execute("PRAGMA user_version = 1")
    store.close()
    with pytest.raises(ValueError, match="another version"):
        Store(path)


def test_etags_never_come_back() -> None:
    store = Store(clock=lambda: 0.0)
    store.ensure_container("db", DEFINITION)
    seen = {put(store, {"id": "1", "pk": "a"}).etag for _ in range(50)}
    assert len(seen) == 50
    store.close()


def test_each_write_starts_the_time_to_live_again() -> None:
    now = [0.0]
    store = Store(clock=lambda: now[0])
    container = store.ensure_container("db", DEFINITION)
    key = container.key.from_header('["a"]')
    put(store, {"id": "default", "pk": "a"})
    put(store, {"id": "ever", "pk": "a", "ttl": -1})
    now[0] = 60.0
    put(store, {"id": "default", "pk": "a"})
    now[0] = 150.0
    assert store.get(container, key, "default") is not None
    now[0] = 160.0
    assert store.get(container, key, "default") is None
    assert store.get(container, key, "ever") is not None
    refused: tuple[Any, ...] = (0, -2, 1.5, "10", True, None, 2**31, {})
    for wrong in refused:
        with pytest.raises(CosmosError) as error:
            put(store, {"id": "2", "pk": "a", "ttl": wrong})
        assert error.value.status == 400
    store.close()


def test_an_items_ttl_counts_only_where_the_container_has_time_to_live() -> None:
    store = Store()
    container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
    item = put(store, {"id": "1", "pk": "a", "ttl": None})
    assert store.get(container, container.key.from_header('["a"]'), "1") == item
    store.close()


def test_a_redefinition_keeps_items_and_refuses_another_key() -> None:
    store = Store()
    container = store.ensure_container("db", DEFINITION)
    put(store, {"id": "1", "pk": "a"})
    store.ensure_container("db", {**DEFINITION, "defaultTtl": 5})
    assert container.ttl == 5
    assert store.get(container, container.key.from_header('["a"]'), "1") is not None
    with pytest.raises(CosmosError):
        store.ensure_container("db", {**DEFINITION, "partitionKey": {"paths": ["/other"]}})
    store.close()


def test_a_transaction_that_fails_leaves_nothing() -> None:
    store = Store()
    container = store.ensure_container("db", DEFINITION)
    key = container.key.from_header('["a"]')
    before = container.lsn

    def fail() -> None:
        with store.transaction(container):
            store.put(container, key, {"id": "1", "pk": "a"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.get(container, key, "1") is None
    assert container.lsn == before
    store.close()


def test_an_item_belongs_to_the_partition_it_says() -> None:
    store = Store()
    container = store.ensure_container("db", DEFINITION)
    with pytest.raises(CosmosError) as error:
        items.create(store, container, container.key.from_header('["b"]'), {"id": "1", "pk": "a"}, Conditions())
    assert (error.value.status, error.value.substatus) == (400, 1001)
    store.close()


@pytest.mark.parametrize("identifier", [None, "", 5, "a/b", "a\\b", "a?b", "a#b", "x" * 1024])
def test_a_bad_id_is_refused(identifier: Any) -> None:
    store = Store()
    container = store.ensure_container("db", DEFINITION)
    with pytest.raises(CosmosError) as error:
        items.create(store, container, container.key.from_header('["a"]'), {"id": identifier, "pk": "a"}, Conditions())
    assert error.value.status == 400
    store.close()


def test_what_the_client_says_of_system_properties_is_not_kept() -> None:
    store = Store()
    store.ensure_container("db", DEFINITION)
    item = put(store, {"id": "1", "pk": "a", "_etag": "mine", "_ts": 1, "_own": 2})
    document = loads(item.body)
    assert document["_etag"] == item.etag
    assert document["_ts"] > 1
    assert document["_own"] == 2
    store.close()


def test_a_read_of_what_the_client_has_is_304() -> None:
    store = Store()
    container = store.ensure_container("db", DEFINITION)
    item = put(store, {"id": "1", "pk": "a"})
    key = container.key.from_header('["a"]')
    with pytest.raises(CosmosError) as error:
        items.read(store, container, key, "1", Conditions(if_none_match=item.etag))
    assert error.value.status == 304
    assert items.read(store, container, key, "1", Conditions(if_none_match='"other"')) == item
    store.close()


@pytest.mark.parametrize(
    "definition",
    [
        {**DEFINITION, "id": "a/b"},
        {**DEFINITION, "id": "a "},
        {**DEFINITION, "defaultTtl": 0},
        {**DEFINITION, "defaultTtl": None},
        {**DEFINITION, "computedProperties": [{"name": "x", "query": "SELECT 1"}]},
        {**DEFINITION, "uniqueKeyPolicy": {"uniqueKeys": [{}]}},
        {**DEFINITION, "indexingPolicy": {"indexingMode": "lazy"}},
        {**DEFINITION, "indexingPolicy": {"includedPaths": [{"path": "/a"}], "excludedPaths": [{"path": "/*"}]}},
        {**DEFINITION, "indexingPolicy": {"includedPaths": [{"path": "/a/?"}], "excludedPaths": []}},
        {"id": "c"},
        [],
    ],
)
def test_a_definition_that_is_wrong_or_wider_is_refused(definition: Any) -> None:
    store = Store()
    with pytest.raises(CosmosError) as error:
        store.ensure_container("db", definition)
    assert error.value.status == 400
    store.close()
