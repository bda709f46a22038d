import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

pytestmark = pytest.mark.cloud


@pytest.fixture
async def session(web_host: dict[str, Any]) -> AsyncIterator[ClientSession]:
    async with ClientSession(web_host["url"]) as session:
        yield session


async def test_a_request_arrives_whole_and_so_does_the_answer(session: ClientSession) -> None:
    async with session.post(
        "/api/Echo/a%20b%2Fc?x=1&x=2&y=%C3%BC", data=b"\x00\xff{", headers={"X-Some-Header": "h"}
    ) as answer:
        assert answer.status == 207
        assert answer.headers["X-Answer"] == "yes"
        assert answer.content_type == "application/json"
        told = await answer.json()
    assert told["what"] == "a b/c"
    assert told["query"] == {"x": "1,2", "y": "ü"}
    assert told["header"] == "h"
    assert base64.b64decode(told["body"]) == b"\x00\xff{"
    assert told["url"].startswith(str(session._base_url))


@pytest.mark.parametrize("path", ["/api/nothing", "/echo/x", "/api/echo", "/api/echo/x/y", "/"])
async def test_there_is_nothing_elsewhere(session: ClientSession, path: str) -> None:
    async with session.post(path) as answer:
        assert answer.status == 404


async def test_another_method_is_not_found_either(session: ClientSession) -> None:
    async with session.get("/api/echo/x") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/api/guarded", None, 401),
        ("/api/guarded", "wrong", 401),
        ("/api/guarded", "functionKey", 200),
        ("/api/guarded", "masterKey", 200),
        ("/api/owner", None, 401),
        ("/api/owner", "functionKey", 401),
        ("/api/owner", "masterKey", 200),
        ("/admin/host/status", None, 401),
        ("/admin/host/status", "functionKey", 401),
        ("/admin/host/status", "masterKey", 200),
        ("/admin/host/workers", "functionKey", 401),
        ("/admin/functions", "masterKey", 200),
        ("/admin/functions/echo", "functionKey", 404),
    ],
)
@pytest.mark.parametrize("where", ["header", "query"])
async def test_who_may_call_what(
    session: ClientSession, web_host: dict[str, Any], path: str, key: str | None, status: int, where: str
) -> None:
    value = web_host.get(key, key) if key else None
    headers = {"x-functions-key": value} if value and where == "header" else {}
    params = {"code": value} if value and where == "query" else {}
    async with session.get(path, headers=headers, params=params) as answer:
        assert answer.status == status


async def test_a_function_that_is_not_async_runs_in_a_thread(session: ClientSession, web_host: dict[str, Any]) -> None:
    async with session.get("/api/guarded", headers={"x-functions-key": web_host["functionKey"]}) as answer:
        assert (await answer.text()).startswith("ThreadPoolExecutor")


async def test_an_exception_is_an_empty_500(session: ClientSession) -> None:
    async with session.get("/api/broken") as answer:
        assert answer.status == 500
        assert b"secret detail" not in await answer.read()


async def test_a_body_over_the_limit_is_413(session: ClientSession) -> None:
    async with session.post("/api/echo/x", data=b"x" * 1001) as answer:
        assert answer.status == 413
    async with session.post("/api/echo/x", data=b"x" * 1000) as answer:
        assert answer.status == 207


async def test_the_status_says_who_and_how_long(session: ClientSession, web_host: dict[str, Any]) -> None:
    async with session.get("/admin/host/status", headers={"x-functions-key": web_host["masterKey"]}) as answer:
        status = await answer.json()
    assert status["state"] == "Running"
    assert status["processId"] == web_host["pid"]
    assert status["processUptime"] > 0


def test_its_keys_are_not_in_its_log(web_host: dict[str, Any]) -> None:
    text = web_host["log"].read_text(encoding="utf-8")
    assert web_host["url"] in text
    assert not any(web_host[key] in text for key in ("functionKey", "masterKey"))
    assert web_host["log"].stat().st_mode & 0o077 == 0
