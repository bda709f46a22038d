"""Containers and items in SQLite: one table per container, keyed by logical partition and id.

`seq` numbers items in the order of their creation and never changes; `lsn` numbers writes, so the item that was
written last has the highest; `part` is the number of the partition key range, `epk` the effective partition key,
which feed ranges cut; `body` is the item as clients read it, system properties included.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from local.emulators.cosmosdb.container import Container, check_id, resource_id
from local.emulators.cosmosdb.errors import bad_request, conflict, owner_not_found, too_large
from local.emulators.cosmosdb.values import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.emulators.cosmosdb.partition import PartitionKey

# "Maximum size of an item: 2 MB (UTF-8 length of JSON representation)" (Azure Cosmos DB service quotas).
MAX_ITEM_BYTES: Final = 2 * 1024 * 1024
# More indexes than this cost writes more than they save reads.
MAX_QUERY_INDEXES: Final = 16
SYSTEM_PROPERTIES: Final = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS databases (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, ts INTEGER);
CREATE TABLE IF NOT EXISTS containers (
    number INTEGER PRIMARY KEY AUTOINCREMENT, database INTEGER NOT NULL REFERENCES databases, id TEXT NOT NULL,
    ts INTEGER NOT NULL, definition TEXT NOT NULL, lsn INTEGER NOT NULL DEFAULT 0, UNIQUE (database, id));
"""
_CONTAINER_SCHEMA: Final = """
CREATE TABLE items_{0} (
    seq INTEGER PRIMARY KEY, part INTEGER NOT NULL, pk TEXT NOT NULL, epk TEXT NOT NULL, id TEXT NOT NULL,
    lsn INTEGER NOT NULL, ts INTEGER NOT NULL, expires INTEGER, etag TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (pk, id));
CREATE INDEX items_{0}_part ON items_{0} (part);
CREATE INDEX items_{0}_lsn ON items_{0} (lsn);
CREATE INDEX items_{0}_expires ON items_{0} (expires) WHERE expires IS NOT NULL;
"""
# Counted up whenever the tables change. A file with other tables is refused.
_SCHEMA_VERSION: Final = 2


class Item(NamedTuple):
    """A stored item."""

    seq: int
    lsn: int
    etag: str
    body: str


class Row(NamedTuple):
    """An item that a query reads: the number of its partition key range, and its sort keys as SQLite has them."""

    seq: int
    part: int
    body: str
    keys: tuple[int | float | str, ...]


class Store:
    """All databases of one account in one SQLite file, or in `:memory:`.

    `clock` gives seconds since 1970, for `_ts` and time to live. Not for use by several threads, and one process
    holds a file alone (SQLite's exclusive locking mode).

    Raises:
        ValueError: the file was written by another version of the local Cosmos DB.
    """

    def __init__(self, path: str = ":memory:", *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._sql = sqlite3.connect(path, isolation_level=None, cached_statements=1024)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            self._sql.execute(f"PRAGMA {pragma}")
        self._check_version(path)
        self._sql.executescript(_SCHEMA)
        self._containers: dict[tuple[str, str], Container] = {}
        self._load()

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def _check_version(self, path: str) -> None:
        version = self._sql.execute("PRAGMA user_version").fetchone()[0]
        if version != _SCHEMA_VERSION and self._sql.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._sql.close()
            raise ValueError(f"{path} was written by another version of the local Cosmos DB: delete it.")
        self._sql.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def _load(self) -> None:
        rows = self._sql.execute(
            "SELECT c.number, c.database, d.id, c.ts, c.definition, c.lsn FROM containers c "
            "JOIN databases d ON d.number = c.database"
        )
        for number, database_number, database, created, definition, lsn in rows.fetchall():
            container = Container.parse(
                loads(definition), database=database, number=number, database_number=database_number, created=created
            )
            container.lsn = lsn
            self._containers[database, container.id] = container

    # Databases and containers

    def database(self, database: str) -> dict[str, Any]:
        """Raises CosmosError 404 if there is none of that id."""
        row = self._sql.execute("SELECT number, id, ts FROM databases WHERE id = ?", (database,)).fetchone()
        if row is None:
            raise owner_not_found(f"dbs/{database}")
        return _database_resource(*row)

    def container(self, database: str, container: str) -> Container:
        """Raises CosmosError 404 if there is none of that name."""
        try:
            return self._containers[database, container]
        except KeyError:
            raise owner_not_found(f"dbs/{database}/colls/{container}") from None

    def create_database(self, database: str) -> None:
        """Does nothing if it is there already."""
        self._sql.execute(
            "INSERT OR IGNORE INTO databases (id, ts) VALUES (?, ?)",
            (check_id(database, "database"), int(self.clock())),
        )

    def ensure_container(self, database: str, definition: dict[str, Any]) -> Container:
        """Makes the container be as defined, creating database and container where they are missing.

        `definition` is the container resource as in an ARM template: `id`, `partitionKey`, and optionally
        `defaultTtl` and `indexingPolicy`. Items of an existing container stay.

        Raises:
            CosmosError: 400 for a bad definition, or when it would change the partition key of an existing
                container, which the service cannot do either.
        """
        wanted = Container.parse(definition, database=database)
        self.create_database(database)
        existing = self._containers.get((database, wanted.id))
        if existing is not None:
            return self._redefine(existing, wanted)
        created = int(self.clock())
        with self.transaction():
            owner = self._sql.execute("SELECT number FROM databases WHERE id = ?", (database,)).fetchone()[0]
            number = self._sql.execute(
                "INSERT INTO containers (database, id, ts, definition) VALUES (?, ?, ?, ?)",
                (owner, wanted.id, created, dumps(definition)),
            ).lastrowid
            for statement in _CONTAINER_SCHEMA.format(number).split(";"):
                self._sql.execute(statement)
        container = Container.parse(
            definition, database=database, number=number or 0, database_number=owner, created=created
        )
        self._containers[database, wanted.id] = container
        return container

    def _redefine(self, existing: Container, wanted: Container) -> Container:
        if existing.key != wanted.key:
            raise bad_request("The partition key of a container cannot be changed.")
        existing.definition, existing.indexing, existing.ttl = wanted.definition, wanted.indexing, wanted.ttl
        with self.transaction(existing):
            self._sql.execute(
                "UPDATE containers SET definition = ? WHERE number = ?", (dumps(wanted.definition), existing.number)
            )
            own = "json_extract(body, '$.ttl')"
            seconds = f"(CASE typeof({own}) WHEN 'integer' THEN {own} ELSE ?1 END)"
            expires = f"CASE WHEN ?1 IS NULL OR {seconds} < 0 THEN NULL ELSE ts + {seconds} END"
            self._sql.execute(f"UPDATE items_{existing.number} SET expires = {expires}", (existing.ttl,))  # noqa: S608 - number is ours
        return existing

    # Items

    @contextmanager
    def transaction(self, container: Container | None = None) -> Iterator[None]:
        """All or nothing. With a container, its expired items go first, and its write counter is kept with it."""
        lsn = container.lsn if container else 0
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            if container is not None and container.ttl is not None:
                self._purge(container)
            yield
            if container is not None and container.lsn != lsn:
                self._sql.execute("UPDATE containers SET lsn = ? WHERE number = ?", (container.lsn, container.number))
        except BaseException:
            self._sql.execute("ROLLBACK")
            if container is not None:
                container.lsn = lsn
            raise
        self._sql.execute("COMMIT")

    def _purge(self, container: Container) -> None:
        self._sql.execute(
            f"DELETE FROM items_{container.number} WHERE expires <= ?",  # noqa: S608 - number is ours
            (int(self.clock()),),
        )

    def get(self, container: Container, key: PartitionKey, item_id: str) -> Item | None:
        """The living item of this id, or None."""
        row = self._sql.execute(
            f"SELECT seq, lsn, etag, body FROM items_{container.number} "  # noqa: S608 - number is ours
            "WHERE pk = ? AND id = ? AND (expires IS NULL OR expires > ?)",
            (key.text, item_id, int(self.clock())),
        ).fetchone()
        return None if row is None else Item(*row)

    def put(
        self, container: Container, key: PartitionKey, document: dict[str, Any], replaced: Item | None = None
    ) -> Item:
        """Writes the item, new or in the place of `replaced`, inside a transaction. Changes `document`.

        Raises:
            CosmosError: 409 if the id is taken, 413 beyond 2 MB, 400 for a bad `ttl`.
        """
        ttl = container.item_ttl(document)
        now = int(self.clock())
        lsn = container.lsn + 1
        item = self._render(container, document, replaced.seq if replaced else lsn, lsn, now)
        expires = None if ttl is None else now + ttl
        table = f"items_{container.number}"
        if replaced is None:
            columns = "lsn, ts, expires, etag, body, seq, part, pk, epk, id"
            statement = f"INSERT INTO {table} ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - number is ours
            values: tuple[Any, ...] = (item.seq, key.range_number, key.text, key.epk, document["id"])
        else:
            statement = f"UPDATE {table} SET lsn=?, ts=?, expires=?, etag=?, body=? WHERE seq=?"  # noqa: S608 - number is ours
            values = (item.seq,)
        try:
            self._sql.execute(statement, (lsn, now, expires, item.etag, item.body, *values))
        except sqlite3.IntegrityError:
            raise conflict() from None
        container.lsn = lsn
        return item

    def _render(self, container: Container, document: dict[str, Any], seq: int, lsn: int, now: int) -> Item:
        for name in SYSTEM_PROPERTIES:
            document.pop(name, None)
        rid = resource_id(container.database_number, container.number, seq)
        # Unique per write of one container: its write counter, the container and the time.
        etag = f'"{lsn & 0xFFFFFFFF:08x}-0000-{container.number & 0xFFFF:04x}-0000-{now:012x}"'
        quoted = etag.replace('"', '\\"')
        body = (
            f'{dumps(document)[:-1]},"_rid":"{rid}","_self":"{container.self_link}docs/{rid}/",'
            f'"_etag":"{quoted}","_attachments":"attachments/","_ts":{now}}}'
        )
        if len(body) > MAX_ITEM_BYTES or (not body.isascii() and len(body.encode()) > MAX_ITEM_BYTES):
            raise too_large()
        return Item(seq, lsn, etag, body)

    def delete(self, container: Container, item: Item) -> None:
        """Inside a transaction."""
        self._sql.execute(f"DELETE FROM items_{container.number} WHERE seq = ?", (item.seq,))  # noqa: S608 - number is ours
        container.lsn += 1

    def changes(self, container: Container, where: str, parameters: list[Any]) -> Iterator[Item]:
        """Living items under an SQL condition on the columns of the table, in the order of their last writes."""
        rows = self._sql.execute(
            f"SELECT seq, lsn, etag, body FROM items_{container.number} "  # noqa: S608 - callers build conditions from constants
            f"WHERE (expires IS NULL OR expires > ?) AND {where} ORDER BY lsn",
            (int(self.clock()), *parameters),
        )
        return (Item(*row) for row in rows)

    def select(
        self, container: Container, where: str, parameters: list[Any], order: str, *, keys: tuple[str, ...] = (),
        index: str | None = None,
    ) -> Iterator[Row]:  # fmt: skip
        """Living items under an SQL condition, in an SQL order.

        `keys` are SQL expressions whose values come with each item. `index` is the name of the index to walk
        (`Store.index`); without one SQLite chooses.
        """
        table = f"items_{container.number}" + (f' INDEXED BY "{index}"' if index else "")
        rows = self._sql.execute(
            f"SELECT {', '.join(('seq', 'part', 'body', *keys))} FROM {table} "  # noqa: S608 - callers build SQL from constants
            f"WHERE (expires IS NULL OR expires > ?) AND {where} ORDER BY {order}",
            (int(self.clock()), *parameters),
        )
        return (Row(row[0], row[1], row[2], row[3:]) for row in rows)

    def index(self, container: Container, columns: tuple[str, ...]) -> str | None:
        """The name of the index over these SQL expressions, made if there is none yet.

        None beyond MAX_QUERY_INDEXES of one container: SQLite then reads and sorts what the query asks for.
        """
        if columns == ("part",):
            return f"items_{container.number}_part"
        name = container.indexes.get(columns)
        if name is None and len(container.indexes) < MAX_QUERY_INDEXES:
            text = ", ".join(columns)
            name = f"items_{container.number}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            self._sql.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON items_{container.number} ({text})')
            container.indexes[columns] = name
        return name


def _database_resource(number: int, name: str, created: int) -> dict[str, Any]:
    rid = resource_id(number)
    return {
        "id": name, "_rid": rid, "_self": f"dbs/{rid}/", "_etag": f'"00000000-0000-0000-0000-{created:012x}"',
        "_colls": "colls/", "_users": "users/", "_ts": created,
    }  # fmt: skip
