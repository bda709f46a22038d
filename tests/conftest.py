"""The local cloud for tests that need one: one per session, started when it is first asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local import azurite
from local.cloud import LocalCloud
from shared.settings import SIGN_IN, SignInMode

# Machines are noisy: how long an example takes says nothing about the code (benchmarks/ measure that).
settings.register_profile("clawback", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clawback")


@pytest.fixture(autouse=True)
def _nobody_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the local cloud. Tests of sign-in say otherwise."""
    monkeypatch.setenv(SIGN_IN, SignInMode.OFF)
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)


def _start(directory: Path, parts: tuple[str, ...]) -> Iterator[LocalCloud]:
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")
    with LocalCloud(directory, parts=parts) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Everything; its tenant is local.cloud.default_tenant's. Tests share it: use names of your own."""
    yield from _start(tmp_path_factory.mktemp("cloud"), ("cosmos", "graph"))


@pytest.fixture(scope="session")
def local_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Identity and Storage only: quicker, for whoever needs queues and blobs alone."""
    yield from _start(tmp_path_factory.mktemp("storage"), ())


@pytest.fixture
def cloud_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """This process as the pipeline app finds itself in `local_cloud`: settings, identity, trust."""
    cloud: LocalCloud = request.getfixturevalue("local_cloud")
    _enter(cloud, monkeypatch)
    return cloud


@pytest.fixture
def storage_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """As `cloud_environment`, in `local_storage`."""
    cloud: LocalCloud = request.getfixturevalue("local_storage")
    _enter(cloud, monkeypatch)
    return cloud


def _enter(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    cloud.authority.trust_in_this_process()
