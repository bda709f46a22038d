"""What is deployed, and what a cold start pays for it."""

import fnmatch
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEPLOYED = {"function_app.py", "host.json", "requirements.txt", "policy.yaml", "functions", "shared"}

# Each of these costs a cold start tenths of a second, and none is needed until an adapter is.
HEAVY = ("azure.cosmos", "azure.identity", "azure.storage", "msgraph", "kiota_abstractions", "httpx", "aiohttp", "yaml")

# `import function_app` loads about 700 modules today, most of them azure.functions' and pydantic's.
MODULE_BUDGET = 900


def _tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line.split("/", 1)[0] for line in listed.splitlines()}


def test_funcignore_leaves_exactly_what_runs() -> None:
    patterns = [
        line.strip()
        for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    kept = {name for name in _tracked() if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    assert kept == DEPLOYED


@pytest.fixture(scope="module")
def imported() -> list[str]:
    """The modules that importing the app loads, in a process of its own."""
    script = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"CLAWBACK_ROLE": "all"},
    )
    return [str(name) for name in json.loads(ran.stdout)]


@pytest.mark.parametrize("package", HEAVY)
def test_importing_the_app_loads_no_sdk(imported: list[str], package: str) -> None:
    assert [name for name in imported if name == package or name.startswith(package + ".")] == []


def test_importing_the_app_stays_within_its_module_budget(imported: list[str]) -> None:
    assert len(imported) < MODULE_BUDGET


def _pinned(name: str = "requirements.txt") -> dict[str, set[str]]:
    """The extras of each package that is pinned for this Python."""
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if "==" in line and not line.startswith(" ")]
    return {canonicalize_name(pin.name): pin.extras for pin in pins if not pin.marker or pin.marker.evaluate()}


def test_no_dependency_shadows_our_packages() -> None:
    # On the Functions host our folder is last on sys.path (architecture.md 0, finding 6).
    ours = {"function_app", "functions", "shared"}
    pinned = _pinned()
    shadows = {
        (top, name)
        for top, names in importlib.metadata.packages_distributions().items()
        for name in names
        if top in ours and canonicalize_name(name) in pinned
    }
    assert shadows == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_with_hashes_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_an_extra_that_is_needed_is_pinned_as_such(name: str) -> None:
    # pip before 23.3 resolves `coverage[toml]` apart from a pinned `coverage`: it takes the newest release, refused
    # for want of a hash, and the set-up fails from that release on.
    pinned = _pinned(name)
    lost = {
        (package, str(needed))
        for package, extras in pinned.items()
        for needed in map(Requirement, importlib.metadata.requires(package) or ())
        if needed.extras - pinned.get(canonicalize_name(needed.name), set())
        and (needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras | {""}))
    }
    assert lost == set()
