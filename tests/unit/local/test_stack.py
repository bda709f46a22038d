"""What other users of the machine can see of a running stack, and what its clients are told."""

import json
import ssl
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import azurite
from local.cloud import TENANT_FILE, read_state
from local.stack import API_FILE, Stack
from shared.names import SOURCES

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")
    directory = tmp_path_factory.mktemp("stack") / "state"
    directory.mkdir(mode=0o755)
    with Stack(directory, workers=1) as stack:
        yield stack


@pytest.fixture
def told(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack.cloud.directory / API_FILE).read_text(encoding="utf-8"))
    return found


def _secrets(stack: Stack, told: dict[str, Any]) -> set[str]:
    state = read_state(stack.cloud.directory)
    settings = {
        value
        for environment in state.environments.values()
        for name, value in environment.items()
        if name.endswith("_KEY") or name == "IDENTITY_HEADER"
    }
    return {told["key"], state.admin_key, *told["webhookSecrets"].values(), *settings}


def test_a_client_finds_everything_in_one_file(stack: Stack, told: dict[str, Any]) -> None:
    assert told.keys() == {"url", "key", "ca", "webhookSecrets", "settings"}
    assert (told["url"], told["key"]) == (stack.url, stack.key)
    assert set(told["webhookSecrets"]) == set(SOURCES)
    request = urllib.request.Request(f"{told['url']}/api/incidents", headers={"x-functions-key": told["key"]})  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        assert answer.status == 200
    ssl.create_default_context(cafile=told["ca"])
    environment = stack.cloud.environment("pipeline")
    assert told["settings"] == {name: environment[name] for name in told["settings"]}
    assert {"PipelineStorage__queueServiceUri", "PipelineStorage__blobServiceUri"} <= told["settings"].keys()


def test_other_users_can_read_no_file(stack: Stack) -> None:
    directory = stack.cloud.directory
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    # The tenant holds no secret; the folder keeps it from others all the same.
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != TENANT_FILE]
    assert {"api.json", "cloud.json", "identities.json", "server.key", "web.log", "azurite-queue.log"} <= {
        file.name for file in files
    }
    assert [file for file in files if file.stat().st_mode & 0o077] == []


def test_no_secret_is_in_a_log(stack: Stack, told: dict[str, Any]) -> None:
    logs: list[Path] = sorted(stack.cloud.directory.rglob("*.log"))
    assert len(logs) == 7
    secrets = _secrets(stack, told)
    assert len(secrets) >= 6
    assert [log for log in logs if any(secret in log.read_text(encoding="utf-8") for secret in secrets)] == []


def test_no_secret_is_an_argument_of_a_process(stack: Stack, told: dict[str, Any]) -> None:
    children = psutil.Process().children(recursive=True)
    commands = [" ".join(child.cmdline()) for child in children if child.status() != psutil.STATUS_ZOMBIE]
    assert any("local.emulators.graph" in command for command in commands)
    secrets = _secrets(stack, told)
    assert [command for command in commands if any(secret in command for secret in secrets)] == []


def test_the_file_is_gone_when_the_stack_has_stopped(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "state")
    (tmp_path / "state" / API_FILE).write_text("{}", encoding="utf-8")
    stack.stop()
    assert not (tmp_path / "state" / API_FILE).exists()
