"""The application of the local Graph, served on loopback."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from local.emulators.graph.model import Tenant
from local.emulators.graph.server import GRAPH, create_app
from local.emulators.graph.state import TenantState
from tests.unit.local.emulators.graph.world import NOW, Client, authorize, tenant

Connect = Callable[..., Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients of applications with other settings."""
    clients: list[TestClient[Any, Any]] = []

    async def make(what: Tenant | None = None, *, latency: float = 0.0, hidden_in_messages: bool = False) -> Client:
        state = TenantState(what or tenant(), now=lambda: NOW, hidden_in_messages=hidden_in_messages)
        app = create_app(state, authorize=authorize, admin_key="admin-key", latency=latency)
        http = TestClient(TestServer(app))
        await http.start_server()
        clients.append(http)
        return Client(http, app[GRAPH])

    yield make
    for http in clients:
        await http.close()


@pytest.fixture
async def graph(connect: Connect) -> Client:
    client: Client = await connect()
    return client
