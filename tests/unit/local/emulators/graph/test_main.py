"""The process: TLS, tokens, announcement, end."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from local.emulators.graph.model import dump
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, Caller, issue
from local.emulators.serve import ADMIN_KEY_SETTING
from local.tls import LocalAuthority
from tests.unit.local.emulators.graph.world import ANNA, tenant

KEY = "a signing key of the test, long enough for HS256"


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority(tmp_path / "tls")


async def test_it_serves_over_tls_until_it_is_told_to_stop(tmp_path: Path, authority: LocalAuthority) -> None:
    dump(tenant(), tmp_path / "tenant.json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.emulators.graph", "--port", "0", "--tenant", str(tmp_path / "tenant.json"),
        "--tls-cert", str(authority.certificate), "--tls-key", str(authority.key), "--announce",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, SIGNING_KEY_SETTING: KEY, ADMIN_KEY_SETTING: "k"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = json.loads(await process.stdout.readline())["url"]
        caller = Caller("app", "object", "https://graph.microsoft.com", ("User.Read.All",))
        other = Caller("app", "object", "https://vault.azure.net", ("User.Read.All",))
        connector = aiohttp.TCPConnector(ssl=authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            for who, key, status in ((caller, KEY, 200), (other, KEY, 401), (caller, KEY[::-1], 401)):
                headers = {"Authorization": f"Bearer {issue(who, key, 'tenant')}"}
                async with session.get(f"{url}/v1.0/users/{ANNA}", headers=headers) as response:
                    assert response.status == status
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
