"""Batches that are none."""

from typing import Any

import pytest

from local.emulators.cosmosdb import batch
from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.store import Store


@pytest.mark.parametrize(
    "operations",
    [None, {}, [], ["Create"], [{}], [{"operationType": "Destroy"}], [{"operationType": []}], [{"operationType": {}}]],
)
def test_a_bad_list_of_operations_is_400(operations: Any) -> None:
    with pytest.raises(CosmosError) as error:
        batch.check(operations)
    assert error.value.status == 400


@pytest.mark.parametrize(
    "operation",
    [
        {"operationType": "Read"},
        {"operationType": "Delete", "id": 5},
        {"operationType": "Create"},
        {"operationType": "Upsert", "resourceBody": []},
        {"operationType": "Create", "resourceBody": {"id": "2", "pk": "b"}},
    ],
)
def test_an_operation_that_cannot_be_done_undoes_the_others(operation: Any) -> None:
    store = Store()
    container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
    key = container.key.from_header('["a"]')
    good = {"operationType": "Create", "resourceBody": {"id": "1", "pk": "a"}}
    done, results = batch.run(store, container, key, batch.check([good, operation]))
    assert not done
    assert [result.status for result in results] == [424, 400]
    assert store.get(container, key, "1") is None
    store.close()


def bulk(store: Store, operations: list[Any], *, go_on: bool) -> list[int]:
    container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
    number = container.key.from_header('["a"]').range_number
    return [result.status for result in batch.run_bulk(store, container, number, operations, go_on=go_on)]


def test_the_operations_of_a_bulk_batch_stand_alone() -> None:
    create = {"operationType": "Create", "partitionKey": '["a"]', "resourceBody": {"id": "1", "pk": "a"}}
    read = {"operationType": "Read", "partitionKey": '["a"]', "id": "1"}
    elsewhere = {"operationType": "Read", "partitionKey": '["b"]', "id": "1"}
    store = Store()
    assert bulk(store, [create, create, elsewhere, {"operationType": "Read", "id": "1"}, read], go_on=True) == [
        201, 409, 410, 400, 200,
    ]  # fmt: skip
    assert bulk(store, [read, create, read], go_on=False) == [200, 409, 424]
    store.close()
