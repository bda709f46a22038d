"""What each operation on an item does, and when it must not: preconditions, ids, partition keys.

Every function that writes runs inside `Store.transaction`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb import patch
from local.emulators.cosmosdb.errors import (
    CosmosError,
    bad_request,
    conflict,
    not_found,
    not_supported,
    partition_key_mismatch,
    precondition_failed,
)
from local.emulators.cosmosdb.values import loads

if TYPE_CHECKING:
    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey
    from local.emulators.cosmosdb.store import Item, Store

# "Maximum length of an item id: 1023 bytes"; these characters would break the item's address.
MAX_ID_BYTES: Final = 1023
_ID: Final = re.compile(r"[^/\\?#]+")


@dataclass(frozen=True, slots=True)
class Conditions:
    """`If-Match` and `If-None-Match`, of a request or of one operation in a batch."""

    if_match: str | None = None
    if_none_match: str | None = None


def check_document(container: Container, key: PartitionKey, document: Any) -> dict[str, Any]:
    """Raises CosmosError 400 unless the document has a usable id and lies in the partition."""
    if not isinstance(document, dict):
        raise bad_request("The input content is invalid: an item is a JSON object.")
    item_id = document.get("id")
    if item_id is None or item_id == "":
        raise bad_request("The input content is invalid because the required properties - 'id; ' - are missing")
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id) or len(item_id.encode()) > MAX_ID_BYTES:
        raise bad_request(f"The item id {str(item_id)[:64]!r} is invalid.")
    if container.key.of(document).text != key.text:
        raise partition_key_mismatch()
    return document


def read(store: Store, container: Container, key: PartitionKey, item_id: str, conditions: Conditions) -> Item:
    """Raises CosmosError 404, or 304 if the ETag is the one the client holds."""
    item = store.get(container, key, item_id)
    if item is None:
        raise not_found()
    if conditions.if_none_match in ("*", item.etag):
        raise CosmosError(304, "")
    return item


def create(store: Store, container: Container, key: PartitionKey, document: Any, _conditions: Conditions) -> Item:
    """Raises CosmosError 409 if there is such an item."""
    document = check_document(container, key, document)
    if store.get(container, key, document["id"]) is not None:
        raise conflict()
    return store.put(container, key, document)


def replace(
    store: Store, container: Container, key: PartitionKey, item_id: str, document: Any, conditions: Conditions
) -> Item:
    """Raises CosmosError 404 or 412."""
    item = _existing(store, container, key, item_id, conditions)
    document = check_document(container, key, document)
    if document["id"] != item_id:
        raise not_supported("changing the id of an item by a replace")
    return store.put(container, key, document, item)


def upsert(
    store: Store, container: Container, key: PartitionKey, document: Any, conditions: Conditions
) -> tuple[Item, bool]:
    """The item, and whether it is new. An ETag counts only if the item is there. Raises CosmosError 412."""
    _refuse_if_none_match(conditions)
    document = check_document(container, key, document)
    item = store.get(container, key, document["id"])
    if item is not None:
        _check_match(item, conditions)
    return store.put(container, key, document, item), item is None


def delete(store: Store, container: Container, key: PartitionKey, item_id: str, conditions: Conditions) -> None:
    """Raises CosmosError 404 or 412."""
    store.delete(container, _existing(store, container, key, item_id, conditions))


def apply_patch(
    store: Store, container: Container, key: PartitionKey, item_id: str, specification: Any, conditions: Conditions
) -> Item:
    """Raises CosmosError 404, 412 (ETag or filter predicate) or 400."""
    item = _existing(store, container, key, item_id, conditions)
    document = loads(item.body)
    patch.apply(container, document, specification)
    return store.put(container, key, document, item)


def _existing(store: Store, container: Container, key: PartitionKey, item_id: str, conditions: Conditions) -> Item:
    _refuse_if_none_match(conditions)
    item = store.get(container, key, item_id)
    if item is None:
        raise not_found()
    _check_match(item, conditions)
    return item


def _check_match(item: Item, conditions: Conditions) -> None:
    if conditions.if_match not in (None, "*", item.etag):
        raise precondition_failed()


def _refuse_if_none_match(conditions: Conditions) -> None:
    if conditions.if_none_match is not None:
        raise not_supported("If-None-Match on a write (create answers 409 if the item exists)")
