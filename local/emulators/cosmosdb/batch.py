"""Batches of up to 100 operations: the transactional one, all or none in one logical partition, and the bulk one.

A bulk batch goes to one partition key range. Each of its operations names its own logical partition and stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb import items
from local.emulators.cosmosdb.errors import CosmosError, bad_request, range_gone
from local.emulators.cosmosdb.items import Conditions

if TYPE_CHECKING:
    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey
    from local.emulators.cosmosdb.store import Store

# "Maximum number of operations in a transactional batch: 100" (service quotas).
MAX_OPERATIONS: Final = 100

OPERATIONS: Final = {
    "Create": "create", "Upsert": "upsert", "Read": "read", "Delete": "delete", "Replace": "replace", "Patch": "patch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one operation; `body` is the item's JSON or empty."""

    status: int
    substatus: int = 0
    etag: str = ""
    body: str = ""
    written: bool = True


class _FailedError(Exception):
    """Carries the first failure out of the transaction, so that everything before it is rolled back."""

    def __init__(self, index: int, error: CosmosError) -> None:
        super().__init__()
        self.index = index
        self.error = error


def check(operations: Any) -> list[dict[str, Any]]:
    """Raises CosmosError 400 unless this is a list of 1 to 100 known operations."""
    if not isinstance(operations, list) or not operations:
        raise bad_request("A batch is a list of operations.")
    if len(operations) > MAX_OPERATIONS:
        raise bad_request(
            f"Batch request has more operations than what is supported. Limit: {MAX_OPERATIONS}, "
            f"sent: {len(operations)}."
        )
    for index, operation in enumerate(operations):
        # In the list, not in the mapping: what was sent may be unhashable.
        if not isinstance(operation, dict) or operation.get("operationType") not in list(OPERATIONS):
            raise bad_request(f"The operation at index {index} of the batch is not a known operation.")
    return operations


def run(
    store: Store, container: Container, key: PartitionKey, operations: list[dict[str, Any]]
) -> tuple[bool, list[Result]]:
    """Whether all went well, and one result per operation: if not, the failure, and 424 for all the others."""
    results: list[Result] = []
    try:
        with store.transaction(container):
            for index, operation in enumerate(operations):
                try:
                    results.append(_run_one(store, container, key, operation))
                except CosmosError as error:
                    raise _FailedError(index, error) from None
    except _FailedError as failed:
        results = [Result(424)] * len(operations)
        results[failed.index] = Result(failed.error.status, failed.error.substatus)
        return False, results
    return True, results


def run_bulk(
    store: Store, container: Container, range_number: int, operations: list[dict[str, Any]], *, go_on: bool
) -> list[Result]:
    """One result per operation; after a failure 424 for all that follow, unless `go_on`."""
    results: list[Result] = []
    failed = False
    for operation in operations:
        if failed and not go_on:
            results.append(Result(424))
            continue
        try:
            key = container.key.from_header(str(operation.get("partitionKey")))
            if key.range_number != range_number:
                raise range_gone(str(range_number))
            with store.transaction(container):
                results.append(_run_one(store, container, key, operation))
        except CosmosError as error:
            results.append(Result(error.status, error.substatus))
            failed = True
    return results


def _run_one(store: Store, container: Container, key: PartitionKey, operation: dict[str, Any]) -> Result:
    kind = operation["operationType"]
    conditions = Conditions(operation.get("ifMatch"), operation.get("ifNoneMatch"))
    body = operation.get("resourceBody")
    status = 200
    if kind == "Create":
        item, status = items.create(store, container, key, body, conditions), 201
    elif kind == "Upsert":
        item, created = items.upsert(store, container, key, body, conditions)
        status = 201 if created else 200
    else:
        item_id = operation.get("id")
        if not isinstance(item_id, str):
            raise bad_request(f"The {kind} operation of a batch needs an id.")
        if kind == "Delete":
            items.delete(store, container, key, item_id, conditions)
            return Result(204)
        if kind == "Read":
            item = items.read(store, container, key, item_id, conditions)
        elif kind == "Replace":
            item = items.replace(store, container, key, item_id, body, conditions)
        else:
            item = items.apply_patch(store, container, key, item_id, body, conditions)
    return Result(status, etag=item.etag, body=item.body, written=kind != "Read")
