"""The local Cosmos DB for the conformance suites: on loopback with TLS, its clock in their hands."""

from __future__ import annotations

import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from azure.core.credentials import AccessToken
from azure.cosmos.aio import ContainerProxy, CosmosClient

from local.emulators.cosmosdb.server import create_app
from local.emulators.cosmosdb.store import Store
from local.emulators.identity.tokens import Caller, issue, verify
from local.tls import LocalAuthority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_KEY = "the signing key of the conformance suites"
_AUDIENCE = "https://127.0.0.1"
_ROLES = tuple(
    f"*:{action}"
    for action in (
        "readMetadata", "executeQuery", "readChangeFeed", "items/read", "items/create", "items/replace", "items/upsert",
        "items/delete",
    )
)  # fmt: skip
# More than there are cases: each has a container of its own.
_CONTAINERS = 300


def token() -> str:
    """An access token of a caller that may do everything."""
    return issue(Caller("app", "object", _AUDIENCE, _ROLES), _KEY, "tenant")


class SyncCredential:
    """For the client without asyncio."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """A token of the caller that may do everything."""
        return AccessToken(token(), int(time.time()) + 3600)


class _Credential:
    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(token(), int(time.time()) + 3600)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass
class Service:
    """The service, a client of it, and the seconds by which its clock is ahead."""

    url: str
    ca: str
    client: CosmosClient
    ahead: float = 0.0
    credential: SyncCredential = field(default_factory=SyncCredential)
    _used: int = field(default=_CONTAINERS)

    def container(self, name: str = "") -> ContainerProxy:
        """A container by its name, or an empty one with the key /pk that nobody else uses."""
        if not name:
            # The JavaScript suite takes them from the other end.
            self._used -= 1
            name = f"c{self._used}"
        return self.client.get_database_client("db").get_container_client(name)


@asynccontextmanager
async def start() -> AsyncIterator[Service]:
    """The service with its containers: "levels", "composite", "expiring" and "c0", "c1", …."""
    with tempfile.TemporaryDirectory() as directory:
        authority = LocalAuthority(Path(directory))
        service: Service | None = None
        store = Store(clock=lambda: time.time() + (service.ahead if service else 0.0))
        _make_containers(store)
        app = create_app(store, authorize=partial(verify, key=_KEY, audience=_AUDIENCE), admin_key=_KEY)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context())
        await site.start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
        async with CosmosClient(url, credential=_Credential(), connection_verify=str(authority.ca)) as client:
            service = Service(url, str(authority.ca), client)
            yield service
        await runner.cleanup()
        store.close()


def _make_containers(store: Store) -> None:
    composite = [[{"path": "/x"}, {"path": "/y", "order": "descending"}]]
    indexing = {"includedPaths": [{"path": "/*"}], "excludedPaths": [], "compositeIndexes": composite}
    levels = {"paths": ["/tenant", "/user"], "kind": "MultiHash"}
    store.ensure_container("db", {"id": "levels", "partitionKey": levels})
    store.ensure_container("db", {"id": "composite", "partitionKey": {"paths": ["/pk"]}, "indexingPolicy": indexing})
    store.ensure_container("db", {"id": "expiring", "partitionKey": {"paths": ["/pk"]}, "defaultTtl": 5})
    store.ensure_container("db", {"id": "lasting", "partitionKey": {"paths": ["/pk"]}})
    named = {"includedPaths": [{"path": "/n/?"}], "excludedPaths": [{"path": "/*"}]}
    store.ensure_container("db", {"id": "named", "partitionKey": {"paths": ["/pk"]}, "indexingPolicy": named})
    for number in range(_CONTAINERS):
        store.ensure_container("db", {"id": f"c{number}", "partitionKey": {"paths": ["/pk"]}, "defaultTtl": -1})
