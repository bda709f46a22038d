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
from local.emulators.functions_host.config import FUNCTION_KEY_SETTING, MASTER_KEY_SETTING
from local.process import Child, python
from tests.unit.local.emulators.functions_host.running import Running, Start, Told, listening

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
async def told() -> AsyncIterator[Told]:
    async with listening() as told:
        yield told


@pytest.fixture
def start(storage_environment: LocalCloud, queues: QueueServiceClient, told: Told, tmp_path: Path) -> Start:
    """`async with start(*arguments, name=…) as running`: a host on the queues `name`, new ones if none is given."""

    @asynccontextmanager
    async def run(*arguments: str, name: str = "", app: Path = APP) -> AsyncIterator[Running]:
        fresh = not name
        name = name or f"t{uuid.uuid4().hex}"
        work, poison = (queues.get_queue_client(name + suffix) for suffix in ("", "-poison"))
        if fresh:
            await work.create_queue()
            await poison.create_queue()
        environment = {
            **os.environ,
            **storage_environment.environment(),
            "WORK_QUEUE": name,
            "TELL_URL": told.url,
        }
        command = python("-m", "local.emulators.functions_host", "--app-root", str(app), *arguments)
        process = Child(command, environment=environment, log=tmp_path / "host.log")
        try:
            announced = await asyncio.to_thread(process.announced)
            master = {"x-functions-key": environment[MASTER_KEY_SETTING]}
            yield Running(process, announced["url"], master, work, poison, told)
        finally:
            # What a function still waits for is not what the test is about.
            for event in told.held.values():
                event.set()
            await asyncio.to_thread(process.stop)

    return run


@pytest.fixture(scope="module")
def web_host(local_storage: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One host for all tests that only send it HTTP requests: what it announced, its keys, and its log."""
    log = tmp_path_factory.mktemp("host") / "host.log"
    environment = {
        **os.environ,
        **local_storage.environment(),
        # A queue that there is, and that nobody sends to.
        "WORK_QUEUE": "report",
        "TELL_URL": "http://127.0.0.1:1/",
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000",
    }
    process = Child(
        python("-m", "local.emulators.functions_host", "--app-root", str(APP)), environment=environment, log=log
    )
    keys = {"functionKey": environment[FUNCTION_KEY_SETTING], "masterKey": environment[MASTER_KEY_SETTING]}
    yield {**process.announced(), **keys, "log": log}
    process.stop()
