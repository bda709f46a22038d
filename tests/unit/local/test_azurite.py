"""What the whole local cloud stands on: the SDKs' managed identity gets them into Azurite over TLS."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueServiceClient

from local import azurite
from local.azurite import Azurite
from local.emulators.identity.directory import App, Directory, Identity, dump
from local.process import Child, StartError, python
from local.tls import LocalAuthority

pytestmark = pytest.mark.cloud

IDENTITY = Identity("pipeline", "client-1", "object-1", {"https://storage.azure.com": []})


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azurite]:
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")
    authority = LocalAuthority(tmp_path)
    dump(Directory("11111111-1111-4111-8111-111111111111", [App("header", [IDENTITY])]), tmp_path / "directory.json")
    identity = Child(
        python("-m", "local.emulators.identity", "--directory", str(tmp_path / "directory.json")),
        environment={"PATH": os.environ["PATH"], "CLAWBACK_LOCAL_SIGNING_KEY": secrets.token_hex(32)},
        log=tmp_path / "identity.log",
    )
    running = azurite.start(tmp_path, authority)
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity.announced()["url"])
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    monkeypatch.setenv("SSL_CERT_FILE", "set by the authority")
    authority.trust_in_this_process()
    yield running
    for process in running.processes:
        process.stop()
    identity.stop()


async def test_managed_identity_sends_and_receives_over_tls(storage: Azurite) -> None:
    async with (
        ManagedIdentityCredential(client_id="client-1") as credential,
        QueueServiceClient(storage.queue_url, credential=credential) as service,
    ):
        queue = await service.create_queue("tried")
        await queue.send_message("hello", time_to_live=-1)
        assert [message.content async for message in queue.receive_messages()] == ["hello"]


async def test_an_identity_that_the_app_has_not_gets_nothing(storage: Azurite) -> None:
    async with ManagedIdentityCredential(client_id="client-2") as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://storage.azure.com/.default")


def test_without_azurite_the_error_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azurite, "PROGRAMS", tmp_path)
    with pytest.raises(StartError, match="make setup"):
        azurite.start(tmp_path, LocalAuthority(tmp_path))
