"""The app inside Microsoft's worker library of Python 3.13, which is what Azure runs there.

The library and what we deploy are installed once, into out/runtime313; without a Python 3.13 the test is skipped.
"""

import asyncio
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.blob.aio import ContainerClient

from local.cloud import LocalCloud
from shared.names import DEAD_LETTER_CONTAINER

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements-runtime313.txt"
_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)(?: ; ([^\\]+))? \\$", re.MULTILINE)


def _python313() -> Path | None:
    if given := os.environ.get("PYTHON313"):
        return Path(given)
    return next(iter(sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python"), reverse=True)), None)


@pytest.fixture(scope="module")
def interpreter() -> Path:
    """A Python 3.13 with the library and our requirements. Made anew when the requirements change."""
    python = _python313()
    if python is None:
        pytest.skip("there is no Python 3.13: set PYTHON313 to one")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + str(python).encode()).hexdigest()[:16]
    home = ROOT / "out" / "runtime313" / digest
    found, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists():
        subprocess.run([python, "-m", "venv", "--clear", home], check=True)
        install = [str(found), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(REQUIREMENTS)]
        subprocess.run(install, check=True, capture_output=True)
        ready.touch()
    return found


def _run(interpreter: Path, cloud: LocalCloud, calls: list[dict[str, Any]]) -> dict[str, Any]:
    # Clients are made for both, and neither is asked for anything.
    unused = {"CLAWBACK_COSMOS_ENDPOINT": "https://127.0.0.1:1", "CLAWBACK_GRAPH_URL": "https://127.0.0.1:1/v1.0"}
    ran = subprocess.run(
        [interpreter, "-P", Path(__file__).with_name("run.py"), ROOT],
        input=json.dumps(calls),
        env={"PATH": "/usr/bin:/bin", **cloud.environment_of_both(), **unused},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


@pytest.mark.cloud
@pytest.mark.timeout(600)  # the first run installs
async def test_the_app_is_indexed_and_its_functions_run(interpreter: Path, storage_environment: LocalCloud) -> None:
    queue_message = {"function": "ingest_alert", "kind": "queue", "id": "m-313", "body": "not an envelope"}
    request = {
        "function": "receive_alert",
        "kind": "http",
        "method": "POST",
        "url": "https://clawback.example.com/api/alerts/nobody",
        "params": {"source": "nobody"},
        "body": "{}",
    }
    told = await asyncio.to_thread(_run, interpreter, storage_environment, [queue_message, request])

    assert told["python"].startswith("3.13.")
    assert {"enrich", "expand_recipients", "ingest_alert", "quarantine", "report"} <= set(told["functions"])
    dead_lettered, refused = told["answers"]
    # The queue function went through identity and Blob Storage: its message is dead-lettered, as it could not be read.
    assert dead_lettered is None
    client_id = storage_environment.environment()["CLAWBACK_CLIENT_ID"]
    async with (
        ManagedIdentityCredential(client_id=client_id) as credential,
        ContainerClient(storage_environment.state.blob_url, DEAD_LETTER_CONTAINER, credential=credential) as container,
    ):
        assert [name async for name in container.list_blob_names() if "m-313" in name]
    assert refused["status"] == "404"
    assert json.loads(refused["body"])["type"] == "urn:clawback:problem:unknown-source"


def _pins(name: str) -> dict[str, str]:
    """Version by package, where a pin holds for Python 3.13."""
    pins = _PIN.findall((ROOT / name).read_text(encoding="utf-8"))
    return {package: version for package, version, marker in pins if not marker or ">= '3.13'" in marker}


def test_the_library_runs_with_the_versions_that_are_deployed() -> None:
    inside, deployed = _pins("requirements-runtime313.txt"), _pins("requirements.txt")
    assert inside["azure-functions"] == deployed["azure-functions"]
    assert inside["azure-functions-runtime"] == "1.3.0"
    assert {package: version for package, version in deployed.items() if inside.get(package, version) != version} == {}


def test_its_requirements_have_hashes_and_name_no_index() -> None:
    text = REQUIREMENTS.read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text)
