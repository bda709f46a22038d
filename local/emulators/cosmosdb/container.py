"""A container's definition, checked, and the resource that clients read."""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from local.emulators.cosmosdb.errors import bad_request, not_supported
from local.emulators.cosmosdb.indexing import IndexingPolicy
from local.emulators.cosmosdb.partition import PartitionKeyDefinition
from local.emulators.cosmosdb.values import dumps

# Resource ids: up to 255 characters, none of these, no space at the end.
_ID: Final = re.compile(r"[^/\\?#\t\r\n]{1,255}(?<! )")
MAX_TTL: Final = 2**31 - 1
# Parts of a definition that change what the service answers and that are not built here.
_REFUSED: Final = (
    "computedProperties", "vectorEmbeddingPolicy", "fullTextPolicy", "clientEncryptionPolicy",
    "materializedViewDefinition", "analyticalStorageTtl", "changeFeedPolicy", "uniqueKeyPolicy",
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
    """A container.

    `lsn` counts its writes; `ttl` is None (off), -1 (on, no default) or seconds; `indexes` are the names of the SQL
    indexes that queries made; `kept` are results of DISTINCT and GROUP BY that are being paged (`query.py`).
    """

    number: int
    database_number: int
    database: str
    id: str
    created: int
    definition: dict[str, Any]
    key: PartitionKeyDefinition
    indexing: IndexingPolicy
    ttl: int | None
    lsn: int = 0
    indexes: dict[tuple[str, ...], str] = field(default_factory=dict)
    kept: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)

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
            ttl=_ttl(definition["defaultTtl"], "defaultTtl") if "defaultTtl" in definition else None,
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

    def session_token(self, range_number: int) -> str:
        """A partition key range, its vector version and its log sequence number."""
        return f"{range_number}:-1#{self.lsn}"

    def resource(self) -> dict[str, Any]:
        """The container resource."""
        resource: dict[str, Any] = {
            "id": self.id,
            "indexingPolicy": self.indexing.resource,
            "partitionKey": self.key.resource,
            "uniqueKeyPolicy": {"uniqueKeys": []},
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
        seconds = _ttl(document["ttl"], "ttl") if "ttl" in document else self.ttl
        return None if seconds < 0 else seconds


def _ttl(value: Any, name: str) -> int:
    if type(value) is not int or value == 0 or not -1 <= value <= MAX_TTL:
        raise bad_request(
            f"The input {name} '{dumps(value)[:64]}' is invalid. Ensure to provide a nonzero positive integer less "
            f"than or equal to '{MAX_TTL}', or '-1' which means never expire."
        )
    return value
