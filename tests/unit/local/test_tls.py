import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession, web

from local.tls import LocalAuthority


async def _serve(authority: LocalAuthority) -> tuple[web.AppRunner, str]:
    app = web.Application()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context()).start()
    return runner, f"https://127.0.0.1:{runner.addresses[0][1]}"


async def test_who_trusts_the_authority_reaches_the_server_and_others_do_not(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    stranger = LocalAuthority(tmp_path / "stranger")
    runner, url = await _serve(authority)
    async with ClientSession() as session:
        async with session.get(url, ssl=authority.client_context()) as answer:
            assert answer.status == 404
        with pytest.raises(ClientConnectorCertificateError):
            await session.get(url, ssl=stranger.client_context())
    await runner.cleanup()


def test_the_environment_alone_makes_a_process_trust_it(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    script = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    environment = {**os.environ, **authority.environment(), "SSL_CERT_DIR": str(tmp_path / "none")}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert ran.stdout.strip() == b"1"


def test_a_second_start_uses_the_same_files(tmp_path: Path) -> None:
    first = LocalAuthority(tmp_path).ca.read_bytes()
    assert LocalAuthority(tmp_path).ca.read_bytes() == first


def test_a_key_that_others_could_read_is_not_used_again(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    first = authority.key.read_bytes()
    authority.key.chmod(0o644)
    again = LocalAuthority(tmp_path)
    assert again.key.read_bytes() != first
    assert again.key.stat().st_mode & 0o077 == 0


def test_the_key_is_private(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    assert authority.key.stat().st_mode & 0o077 == 0
    assert isinstance(authority.server_context(), ssl.SSLContext)
