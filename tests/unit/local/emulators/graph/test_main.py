"""The process: TLS, tokens, keys, announcement, end."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from local.emulators.graph.admin import HEADER
from local.emulators.graph.model import dump
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, Caller, issue
from local.emulators.serve import ADMIN_KEY_SETTING
from local.tls import LocalAuthority
from tests.unit.local.emulators.graph.world import ANNA, tenant

KEY = "a signing key of the test, long enough for HS256"
ADMIN_KEY = "an-admin-key-of-the-test"


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority(tmp_path / "tls")


def command(tmp_path: Path, authority: LocalAuthority) -> list[str]:
    dump(tenant(), tmp_path / "tenant.json")
    return [
        sys.executable, "-m", "local.emulators.graph", "--port", "0", "--tenant", str(tmp_path / "tenant.json"),
        "--tls-cert", str(authority.certificate), "--tls-key", str(authority.key), "--announce",
    ]  # fmt: skip


def token(audience: str = "https://graph.microsoft.com", key: str = KEY) -> str:
    return issue(Caller("app", "object", audience, ("User.Read.All",)), key, "tenant")


@asynccontextmanager
async def served(
    tmp_path: Path, authority: LocalAuthority, *arguments: str, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process and the URL that it announces."""
    process = await asyncio.create_subprocess_exec(
        *command(tmp_path, authority), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, SIGNING_KEY_SETTING: KEY, **environment},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, json.loads(await process.stdout.readline())["url"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def status(session: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with session.get(url, headers=headers) as response:
        return response.status


async def test_it_serves_over_tls_until_it_is_told_to_stop(tmp_path: Path, authority: LocalAuthority) -> None:
    async with served(tmp_path, authority, **{ADMIN_KEY_SETTING: ADMIN_KEY}) as (process, url):
        connector = aiohttp.TCPConnector(ssl=authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            for bearer, expected in (
                (token(), 200), (token("https://vault.azure.net"), 401), (token(key=KEY[::-1]), 401),
            ):  # fmt: skip
                headers = {"Authorization": f"Bearer {bearer}"}
                assert await status(session, f"{url}/v1.0/users/{ANNA}", **headers) == expected
        process.terminate()
        assert await process.wait() == 0


async def test_the_admin_key_comes_from_the_environment(tmp_path: Path, authority: LocalAuthority) -> None:
    async with served(tmp_path, authority, **{ADMIN_KEY_SETTING: ADMIN_KEY}) as (_, url):
        connector = aiohttp.TCPConnector(ssl=authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            assert await status(session, f"{url}/_local/stats", **{HEADER: ADMIN_KEY}) == 200
            assert await status(session, f"{url}/_local/stats", **{HEADER: "wrong"}) == 401


async def test_it_does_not_start_without_an_admin_key(tmp_path: Path, authority: LocalAuthority) -> None:
    process = await asyncio.create_subprocess_exec(
        *command(tmp_path, authority), stderr=asyncio.subprocess.PIPE, env={**os.environ, SIGNING_KEY_SETTING: KEY}
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert ADMIN_KEY_SETTING in told.decode()


async def test_its_output_has_no_key_and_no_token(tmp_path: Path, authority: LocalAuthority) -> None:
    bearer, stale = token(), token(key=KEY[::-1])
    async with served(tmp_path, authority, **{ADMIN_KEY_SETTING: ADMIN_KEY}) as (process, url):
        host, _, port = url.removeprefix("https://").rpartition(":")
        for request in (
            f"GET /v1.0/users/{ANNA} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n",
            f"GET /v1.0/users/{ANNA} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stale}\r\n\r\n",
            f"GET /v1.0/users/{ANNA} HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {bearer}\r\n\r\n",
            f"GET /v1.0/users/{ANNA}?{bearer} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\0\r\n\r\n",
            f"{bearer} /v1.0 HTTP/1.1\r\n\r\n",
            f"GET /_local/stats HTTP/1.1\r\nHost: x\r\n{HEADER} {ADMIN_KEY}\r\n\r\n",
            f"PUT /_local/tenant HTTP/1.1\r\nHost: x\r\n{HEADER}: {ADMIN_KEY}\r\nContent-Length: 2\r\n\r\n[]",
        ):
            reader, writer = await asyncio.open_connection(host, int(port), ssl=authority.client_context())
            writer.write(request.encode())
            assert await reader.readline()
            writer.close()
        process.terminate()
        assert process.stdout is not None
        told = (await process.stdout.read()).decode()
    for secret in (bearer, stale, KEY, ADMIN_KEY):
        assert secret not in told
