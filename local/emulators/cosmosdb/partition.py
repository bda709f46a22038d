"""Partition keys: taken from an item, read from the header, and hashed to the effective partition key (EPK).

The hash decides the physical partition, called partition key range by the clients, in which an item lies.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import mmh3

from local.emulators.cosmosdb.errors import bad_request, not_supported
from local.emulators.cosmosdb.values import UNDEFINED, Undefined, dumps, loads, parse_json

# "Maximum size of logical partition key: 2048 bytes" (Azure Cosmos DB service quotas).
MAX_KEY_BYTES: Final = 2048
# Hierarchical partition keys have up to three levels.
MAX_LEVELS: Final = 3

# Where the service cuts a new container into four: hashes are below "40…", their two highest bits are clear.
_CUTS: Final = ("0" + 31 * "F", "1" + 31 * "F", "2" + 31 * "F")


@dataclass(frozen=True, slots=True)
class PartitionKeyRange:
    """A physical partition: hashes from `low` on, below `high`."""

    number: int
    low: str
    high: str


RANGES: Final = tuple(
    PartitionKeyRange(number, low, high)
    for number, (low, high) in enumerate(zip(("", *_CUTS), (*_CUTS, "FF"), strict=True))
)
"""The physical partitions of every container: always the same, as nothing here splits."""

_WRONG_COUNT: Final = (
    "Partition key provided either doesn't correspond to definition in the collection or doesn't match "
    "partition key field values specified in the document."
)


def parse_path(path: str) -> tuple[str, ...]:
    """The property names of a policy path such as `/a/b` or `/"a b"/c`.

    Raises:
        CosmosError: 400 if the path does not start with a slash or names nothing.
    """
    if not path.startswith("/") or path == "/":
        raise bad_request(f"The path '{path}' is invalid: it must start with '/' and name a property.")
    return tuple(part.strip().strip("\"'") for part in path[1:].split("/"))


def lookup(document: Any, path: tuple[str, ...]) -> Any:
    """The value at the path, or undefined."""
    for name in path:
        if type(document) is not dict or name not in document:
            return UNDEFINED
        document = document[name]
    return document


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """One logical partition.

    `text` is the canonical JSON of its values, `epk` its place in the order of hashes, `range_number` its physical
    partition.
    """

    text: str
    epk: str
    range_number: int


@lru_cache(maxsize=8192)
def key_of(text: str) -> PartitionKey:
    """The logical partition with this canonical text."""
    epk = "".join(_level_hash(UNDEFINED if value == {} else value) for value in loads(text))
    return PartitionKey(text, epk, range_of(epk).number)


def range_of(epk: str) -> PartitionKeyRange:
    """The physical partition in which this hash lies."""
    return RANGES[bisect_right(_CUTS, epk)]


def make_key(values: list[Any]) -> PartitionKey:
    """Raises CosmosError 400 if a value is not a scalar or the whole is too long."""
    if not all(value is None or isinstance(value, (str, int, float, bool, Undefined)) for value in values):
        raise bad_request("A partition key value must be a string, a number, a boolean, null or undefined.")
    text = dumps([{} if value is UNDEFINED else value for value in values])
    if len(text) > MAX_KEY_BYTES // 4 and len(text.encode()) > MAX_KEY_BYTES + 2 + 3 * len(values):
        raise bad_request(f"The partition key is longer than {MAX_KEY_BYTES} bytes.")
    return key_of(text)


def _level_hash(value: Any) -> str:
    # Version 2 hashing as in azure.cosmos.partition_key: a type byte, the value, and 0xFF after a string. The two
    # highest bits are cleared so that every key sorts below "FF".
    if value is UNDEFINED:
        data = b"\x00"
    elif value is None:
        data = b"\x01"
    elif value is False:
        data = b"\x02"
    elif value is True:
        data = b"\x03"
    elif isinstance(value, str):
        data = b"\x08" + value.encode() + b"\xff"
    else:
        data = b"\x05" + struct.pack("<d", value)
    raw = bytearray(reversed(mmh3.hash_bytes(data)))
    raw[0] &= 0x3F
    return raw.hex().upper()


@dataclass(frozen=True, slots=True)
class PartitionKeyDefinition:
    """A container's partition key: one path (Hash) or up to three (MultiHash)."""

    paths: tuple[tuple[str, ...], ...]
    resource: dict[str, Any]

    @classmethod
    def parse(cls, definition: Any) -> PartitionKeyDefinition:
        """Raises CosmosError 400 unless it is a version 2 Hash or MultiHash definition."""
        if not isinstance(definition, dict) or not isinstance(definition.get("paths"), list):
            raise bad_request("A container needs a partitionKey with paths.")
        paths = [parse_path(path) for path in definition["paths"]]
        kind = definition.get("kind", "Hash")
        if kind not in ("Hash", "MultiHash"):
            raise not_supported(f"partition keys of kind '{kind}'")
        if definition.get("version", 2) != 2:  # noqa: PLR2004 - the version's own name
            raise not_supported("partition key version 1 (state version 2, as the SDKs do)")
        limit = 1 if kind == "Hash" else MAX_LEVELS
        if not 1 <= len(paths) <= limit or len(set(paths)) != len(paths):
            raise bad_request(f"A {kind} partition key has between 1 and {limit} different paths.")
        return cls(tuple(paths), {"paths": definition["paths"], "kind": kind, "version": 2})

    def of(self, document: dict[str, Any]) -> PartitionKey:
        """The item's own key. An object where a value should be counts as undefined, as the SDKs have it."""
        values = [lookup(document, path) for path in self.paths]
        return make_key([UNDEFINED if isinstance(value, (dict, list)) else value for value in values])

    def from_header(self, header: str) -> PartitionKey:
        """The key in `x-ms-documentdb-partitionkey`: a JSON array, `{}` standing for undefined.

        Raises:
            CosmosError: 400 if it is no such array or has another number of values than the container has paths.
        """
        return _from_header(header, len(self.paths))

    def prefix_from_header(self, header: str) -> str | None:
        """The start of the hashes of all keys that begin with these values, or None if the key is whole."""
        values = _values(header)
        if not 0 < len(values) < len(self.paths):
            return None
        make_key(values)
        return "".join(map(_level_hash, values))


@lru_cache(maxsize=8192)
def _from_header(header: str, levels: int) -> PartitionKey:
    values = _values(header)
    if len(values) != levels:
        raise bad_request(_WRONG_COUNT)
    return make_key(values)


def _values(header: str) -> list[Any]:
    values = parse_json(header.encode("utf-8", "surrogateescape"), "partition key")
    if not isinstance(values, list):
        raise bad_request(_WRONG_COUNT)
    return [UNDEFINED if value == {} else value for value in values]
