from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from local.emulators.identity.directory import App, Directory, Identity, dump, load
from local.emulators.identity.server import PATH, create_app
from local.emulators.identity.tokens import verify

KEY = "k" * 64
STORAGE = "https://storage.azure.com"
PIPELINE = Identity("pipeline", "client-1", "object-1", {STORAGE: ["Storage Queue Data Message Sender"]})
WEB = Identity("web", "client-2", "object-2", {STORAGE: []})
DIRECTORY = Directory("11111111-1111-4111-8111-111111111111", [App("one", [PIPELINE]), App("two", [WEB])])


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(create_app(DIRECTORY, KEY))) as client:
        yield client


def _query(**changes: str) -> dict[str, str]:
    return {"resource": STORAGE, "api-version": "2019-08-01", "client_id": "client-1", **changes}


async def test_an_app_gets_a_token_of_its_identity(client: TestClient[Any, Any]) -> None:
    answer = await client.get(PATH, params=_query(), headers={"X-IDENTITY-HEADER": "one"})
    body = await answer.json()
    caller = verify(body["access_token"], KEY, STORAGE)
    assert (caller.name, caller.roles) == ("pipeline", ("Storage Queue Data Message Sender",))
    assert body["token_type"] == "Bearer"
    assert body["resource"] == STORAGE


async def test_the_audience_is_the_resource_as_it_was_asked_for(client: TestClient[Any, Any]) -> None:
    answer = await client.get(PATH, params=_query(resource=STORAGE + "/"), headers={"X-IDENTITY-HEADER": "one"})
    assert verify((await answer.json())["access_token"], KEY, STORAGE + "/").name == "pipeline"


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("wrong", _query(), 401),
        ("two", _query(), 400),
        ("one", {**_query(), "client_id": "unknown"}, 400),
        ("one", {"resource": STORAGE, "api-version": "2019-08-01"}, 400),
        ("one", _query(resource="https://unknown.example.com"), 400),
        ("one", {"api-version": "2019-08-01", "client_id": "client-1"}, 400),
        ("one", {**_query(), "api-version": "2017-09-01"}, 400),
    ],
    ids=["secret", "another app's identity", "client id", "no client id", "resource", "no resource", "version"],
)
async def test_what_is_refused(client: TestClient[Any, Any], header: str, query: dict[str, str], status: int) -> None:
    answer = await client.get(PATH, params=query, headers={"X-IDENTITY-HEADER": header})
    assert answer.status == status
    assert "access_token" not in await answer.json()


def test_the_file_holds_the_directory_and_is_private(tmp_path: Path) -> None:
    dump(DIRECTORY, tmp_path / "directory.json")
    assert load(tmp_path / "directory.json") == DIRECTORY
    assert (tmp_path / "directory.json").stat().st_mode & 0o077 == 0
