"""A host that runs the toy app beside this file, on queues of its own."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueServiceClient

from local.cloud import LocalCloud
from local.process import Child, python
from tests.unit.local.emulators.functions_host.running import Running, Start

APP = Path(__file__).parent / "app"


@pytest.fixture
async def queues(storage_environment: LocalCloud) -> AsyncIterator[QueueServiceClient]:
    client_id = storage_environment.environment()["CLAWBACK_CLIENT_ID"]
    async with (
        ManagedIdentityCredential(client_id=client_id) as credential,
        QueueServiceClient(storage_environment.state.queue_url, credential=credential) as service,
    ):
        yield service


@pytest.fixture
def start(storage_environment: LocalCloud, queues: QueueServiceClient, tmp_path: Path) -> Start:
    """`async with start(*arguments, name=…) as running`: a host on the queues `name`, new ones if none is given."""

    @asynccontextmanager
    async def run(*arguments: str, name: str = "", app: Path = APP) -> AsyncIterator[Running]:
        fresh = not name
        name = name or f"t{uuid.uuid4().hex}"
        clients = [queues.get_queue_client(name + suffix) for suffix in ("", "-poison", "-told")]
        if fresh:
            for client in clients:
                await client.create_queue()
        environment = {
            **os.environ,
            **storage_environment.environment(),
            "WORK_QUEUE": name,
            "TOLD_QUEUE": f"{name}-told",
            "TOLD_URL": storage_environment.state.queue_url,
        }
        command = python("-m", "local.emulators.functions_host", "--app-root", str(app), *arguments)
        process = Child(command, environment=environment, log=tmp_path / "host.log")
        try:
            announced = await asyncio.to_thread(process.announced)
            yield Running(
                process,
                announced["url"],
                {"x-functions-key": announced["masterKey"]},
                *clients,
            )
        finally:
            await asyncio.to_thread(process.stop)

    return run


@pytest.fixture(scope="module")
def web_host(local_storage: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One host for all tests that only send it HTTP requests; what it announced."""
    environment = {
        **os.environ,
        **local_storage.environment(),
        # Queues that there are, and that nobody sends to.
        "WORK_QUEUE": "report",
        "TOLD_QUEUE": "report",
        "TOLD_URL": local_storage.state.queue_url,
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000",
    }
    process = Child(
        python("-m", "local.emulators.functions_host", "--app-root", str(APP)),
        environment=environment,
        log=tmp_path_factory.mktemp("host") / "host.log",
    )
    yield process.announced()
    process.stop()
