"""The local Cosmos DB on loopback with TLS, and the real SDK in front of it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import aiohttp
import pytest
import yarl
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.cosmos.aio import ContainerProxy, CosmosClient

from local.emulators.cosmosdb.server import create_app
from local.emulators.cosmosdb.store import Store
from local.emulators.identity.tokens import Caller, issue, verify
from local.tls import LocalAuthority

KEY = "a signing key of thirty-two bytes or more"
ADMIN = "admin-key"
AUDIENCE = "https://127.0.0.1"
ACTIONS = (
    "readMetadata",
    "executeQuery",
    "readChangeFeed",
    "items/read",
    "items/create",
    "items/replace",
    "items/upsert",
    "items/delete",
)

SINGLE = {"id": "single", "partitionKey": {"paths": ["/pk"]}, "defaultTtl": -1}
LEVELS = {"name": "levels", "partitionKey": ["/tenant", "/user"], "indexed": ["/n/?"]}


class Clock:
    """Time that passes when it is told to, in seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Credential:
    """Hands out the caller's tokens, as azure-identity would."""

    roles: tuple[str, ...]
    key: str = KEY

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        token = issue(Caller("app-1", "object-1", AUDIENCE, self.roles), self.key, "tenant-1")
        return AccessToken(token, 2**31)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass
class World:
    """The service, and clients of it."""

    url: str
    store: Store
    clock: Clock
    authority: LocalAuthority
    http: aiohttp.ClientSession
    clients: list[CosmosClient] = field(default_factory=list)

    def client(self, *actions: str, key: str = KEY) -> CosmosClient:
        """For a caller that was granted these actions in every container (none: all of them)."""
        roles = tuple(f"*:{action}" for action in actions or ACTIONS)
        client = CosmosClient(
            self.url,
            credential=Credential(roles, key),
            connection_verify=str(self.authority.ca),
            retry_throttle_total=2,
            retry_total=2,
        )
        self.clients.append(client)
        return client

    def container(self, name: str, *actions: str) -> ContainerProxy:
        return self.client(*actions).get_database_client("db").get_container_client(name)

    async def admin(self, method: str, path: str, body: Any = None, *, key: str = ADMIN) -> tuple[int, Any]:
        """One request to the service's own paths: status, and the JSON of its answer if there is any."""
        async with self.http.request(
            method, f"{self.url}_local/{path}", json=body, headers={"x-local-admin": key}
        ) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.text()

    async def raw(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any] | None, Any]:
        """One request without the SDK, from a caller that may do everything: status, JSON and headers."""
        token = issue(Caller("a", "o", AUDIENCE, tuple(f"*:{action}" for action in ACTIONS)), KEY, "t")
        headers = {"Authorization": f"type=aad&ver=1.0&sig={token}", **headers}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = yarl.URL(f"{self.url}{path}", encoded=True)
        async with self.http.request(method, url, data=data, headers=headers) as answer:
            told = await answer.read()
            if told:
                assert answer.content_type == "application/json"
            return answer.status, json.loads(told) if told else None, answer.headers


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def world(authority: LocalAuthority) -> AsyncIterator[World]:
    clock = Clock()
    store = Store(clock=clock)
    store.ensure_container("db", SINGLE)
    app = create_app(store, authorize=partial(verify, key=KEY, audience=AUDIENCE), admin_key=ADMIN)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context())
    await site.start()
    connector = aiohttp.TCPConnector(ssl=authority.client_context())
    async with aiohttp.ClientSession(connector=connector) as http:
        world = World(f"https://127.0.0.1:{runner.addresses[0][1]}/", store, clock, authority, http)
        status, _ = await world.admin("POST", "containers", {"database": "db", "containers": [LEVELS]})
        assert status == 201
        yield world
        for client in world.clients:
            await client.close()
    await runner.cleanup()
    store.close()


@pytest.fixture
def single(world: World) -> ContainerProxy:
    """A container with the partition key /pk, through the SDK, with all rights."""
    return world.container("single")


@pytest.fixture
def ask() -> Callable[..., list[Any]]:
    """Runs a query over documents in memory: `ask(documents, text, **parameters)`."""
    from local.emulators.cosmosdb.query import FeedRange, run  # noqa: PLC0415
    from local.emulators.cosmosdb.values import dumps, loads  # noqa: PLC0415

    def ask(documents: list[Any], text: str, **parameters: Any) -> list[Any]:
        store = Store()
        try:
            container = store.ensure_container("db", {"id": "c", "partitionKey": {"paths": ["/pk"]}})
            with store.transaction(container):
                for number, document in enumerate(documents):
                    body = {"id": str(number), **document}
                    store.put(container, container.key.of(body), body)
            request = {
                "query": text,
                "parameters": [{"name": f"@{name}", "value": value} for name, value in parameters.items()],
            }
            page = run(store, container, loads(dumps(request)), feed_range=FeedRange(), continuation=None, limit=-1)
            return [loads(document) for document in page.documents]
        finally:
            store.close()

    return ask
