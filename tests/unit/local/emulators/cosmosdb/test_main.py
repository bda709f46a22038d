"""The process: TLS, tokens, announcement, end; and the file that it leaves."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from local.emulators.cosmosdb.__main__ import main
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, Caller, issue
from local.emulators.serve import ADMIN_KEY_SETTING
from local.tls import LocalAuthority
from tools.grants import COSMOS

KEY = "a signing key of the test, long enough for HS256"
CONTAINERS = {"database": "db", "containers": [{"name": "c", "partitionKey": ["/pk"], "indexed": []}]}


async def test_it_serves_until_it_is_told_to_stop_and_keeps_its_file(tmp_path: Path, authority: LocalAuthority) -> None:
    connector = aiohttp.TCPConnector(ssl=authority.client_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        for expected in (404, 200):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "local.emulators.cosmosdb", "--port", "0", "--db", str(tmp_path / "cosmos.db"),
                "--tls-cert", str(authority.certificate), "--tls-key", str(authority.key), "--announce",
                stdout=asyncio.subprocess.PIPE, env={**os.environ, SIGNING_KEY_SETTING: KEY, ADMIN_KEY_SETTING: "k"},
            )  # fmt: skip
            try:
                assert process.stdout is not None
                url = json.loads(await process.stdout.readline())["url"]
                for audience, status in (
                    (COSMOS[0], expected),
                    (COSMOS[1], expected),
                    ("https://vault.azure.net", 401),
                ):
                    caller = Caller("app", "object", audience, ("c:readMetadata",))
                    headers = {"Authorization": f"type%3Daad%26ver%3D1.0%26sig%3D{issue(caller, KEY, 'tenant')}"}
                    async with session.get(f"{url}/dbs/db/colls/c", headers=headers) as answer:
                        assert answer.status == status
                made = await session.post(f"{url}/_local/containers", json=CONTAINERS, headers={"x-local-admin": "k"})
                assert made.status == 201
                made.close()
                process.terminate()
                assert await process.wait() == 0
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def test_it_does_not_start_without_an_admin_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ADMIN_KEY_SETTING, raising=False)
    monkeypatch.setattr(sys, "argv", ["cosmosdb", "--tls-cert", "c", "--tls-key", "k"])
    with pytest.raises(SystemExit):
        main()
    assert ADMIN_KEY_SETTING in capsys.readouterr().err
