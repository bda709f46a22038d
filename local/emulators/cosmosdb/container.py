"""A container's definition, checked, and the resource that clients read."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final

from local.emulators.cosmosdb.errors import bad_request, not_supported
from local.emulators.cosmosdb.indexing import IndexingPolicy
from local.emulators.cosmosdb.partition import PartitionKeyDefinition, lookup, parse_path
from local.emulators.cosmosdb.values import UNDEFINED, dumps

# Resource ids: up to 255 characters, none of these, no space at the end.
_ID: Final = re.compile(r"[^/\\?#\t\r\n]{1,255}(?<! )")
MAX_TTL: Final = 2**31 - 1
# Parts of a definition that change what the service answers and that are not built here.
_REFUSED: Final = (
    "computedProperties", "vectorEmbeddingPolicy", "fullTextPolicy", "clientEncryptionPolicy",
    "materializedViewDefinition", "analyticalStorageTtl", "changeFeedPolicy",
)  # fmt: skip
# SQLite's integer keys, in the bytes of a resource id.
_DATABASE_BYTES: Final = 4


def check_id(value: Any, what: str) -> str:
    """Raises CosmosError 400 unless the value can name a database or a container."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise bad_request(f"The {what} id {value!r} is invalid.")
    return value


def resource_id(database: int, container: int | None = None, item: int | None = None) -> str:
    """`_rid`: the numbers of database, container and item in Base64, with `-` for `/`."""
    raw = database.to_bytes(_DATABASE_BYTES, "big")
    if container is not None:
        raw += (container | 1 << 31).to_bytes(4, "big")
    if item is not None:
        raw += item.to_bytes(8, "little")
    return base64.b64encode(raw).decode().replace("/", "-")


@dataclass(slots=True)
class Container:
    """A container. `lsn` counts its writes; `ttl` is None (off), -1 (on, no default) or seconds."""

    number: int
    database_number: int
    database: str
    id: str
    created: int
    definition: dict[str, Any]
    key: PartitionKeyDefinition
    indexing: IndexingPolicy
    unique: tuple[tuple[tuple[str, ...], ...], ...]
    ttl: int | None
    lsn: int = 0
    indexed: set[tuple[str, ...]] = field(default_factory=set)

    @classmethod
    def parse(
        cls, definition: Any, *, database: str, number: int = 0, database_number: int = 0, created: int = 0
    ) -> Container:
        """Raises CosmosError 400 for a definition that is wrong or wider than what is built here."""
        if not isinstance(definition, dict):
            raise bad_request("A container definition is an object.")
        for part in _REFUSED:
            if definition.get(part):
                raise not_supported(f"'{part}' in a container definition")
        return cls(
            number=number, database_number=database_number, database=database,
            id=check_id(definition.get("id"), "container"), created=created, definition=definition,
            key=PartitionKeyDefinition.parse(definition.get("partitionKey")),
            indexing=IndexingPolicy.parse(definition.get("indexingPolicy")),
            unique=_unique(definition.get("uniqueKeyPolicy")), ttl=_ttl(definition.get("defaultTtl"), "defaultTtl"),
        )  # fmt: skip

    @property
    def rid(self) -> str:
        """`_rid`."""
        return resource_id(self.database_number, self.number)

    @property
    def path(self) -> str:
        """The name-based path, which clients know as `x-ms-alt-content-path`."""
        return f"dbs/{self.database}/colls/{self.id}"

    @property
    def self_link(self) -> str:
        """`_self`."""
        return f"dbs/{resource_id(self.database_number)}/colls/{self.rid}/"

    @property
    def session_token(self) -> str:
        """One partition key range, its vector version and its log sequence number."""
        return f"0:-1#{self.lsn}"

    def resource(self) -> dict[str, Any]:
        """The container resource."""
        resource: dict[str, Any] = {
            "id": self.id,
            "indexingPolicy": self.indexing.resource,
            "partitionKey": self.key.resource,
            "uniqueKeyPolicy": {
                "uniqueKeys": [{"paths": ["/" + "/".join(path) for path in rule]} for rule in self.unique]
            },
            "conflictResolutionPolicy": {
                "mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": "",
            },
            "geospatialConfig": {"type": "Geography"},
            "_rid": self.rid,
            "_ts": self.created,
            "_self": self.self_link,
            "_etag": f'"00000000-0000-0000-0000-{self.created:012x}"',
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }  # fmt: skip
        if self.ttl is not None:
            resource["defaultTtl"] = self.ttl
        return resource

    def item_ttl(self, document: dict[str, Any]) -> int | None:
        """Seconds that the item lives after each write, or None for ever. Raises CosmosError 400 for a bad `ttl`."""
        if self.ttl is None:
            return None
        own = document.get("ttl", UNDEFINED)
        seconds = self.ttl if own is UNDEFINED else _ttl(own, "ttl")
        return None if seconds is None or seconds < 0 else seconds

    def unique_values(self, document: dict[str, Any]) -> list[str]:
        """The item's value under each unique key rule; a missing property counts as null."""
        return [
            dumps([None if (value := lookup(document, path)) is UNDEFINED else value for path in rule])
            for rule in self.unique
        ]


def _ttl(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value == 0 or not -1 <= value <= MAX_TTL:
        raise bad_request(
            f"The input {name} '{value}' is invalid. Ensure to provide a nonzero positive integer less than or equal "
            f"to '{MAX_TTL}', or '-1' which means never expire."
        )
    return value


def _unique(policy: Any) -> tuple[tuple[tuple[str, ...], ...], ...]:
    if policy is None:
        return ()
    try:
        return tuple(tuple(parse_path(path) for path in rule["paths"]) for rule in policy["uniqueKeys"])
    except (TypeError, KeyError, AttributeError):
        raise bad_request("The uniqueKeyPolicy is a list 'uniqueKeys' of objects with 'paths'.") from None
