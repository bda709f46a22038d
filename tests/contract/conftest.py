"""Whom the contract suites ask: the fakes, the adapters over the local cloud, and the adapters over real services."""

import os
from collections.abc import AsyncIterator

import pytest
from azure.identity.aio import DefaultAzureCredential

from shared.bootstrap import Services

# The suites empty queues and leave documents behind, so a deployment has to be given to them in so many words;
# its services are named by the app settings that shared/settings.py reads.
LIVE = "CLAWBACK_LIVE_TESTS"
DISPOSABLE = "disposable"


@pytest.fixture(
    params=[
        "fake",
        pytest.param("local", marks=pytest.mark.cloud),
        pytest.param("live", marks=pytest.mark.live),
    ]
)
async def services(request: pytest.FixtureRequest) -> AsyncIterator[Services | None]:
    """The adapters of the local cloud or of real services; None where a suite brings its fake."""
    if request.param == "fake":
        yield None
        return
    if request.param == "local":
        request.getfixturevalue("cloud_environment")
    elif os.environ.get(LIVE) != DISPOSABLE:
        pytest.skip(f"{LIVE}={DISPOSABLE} and the app settings of a deployment are needed")
    services = Services.from_environment()
    if request.param == "live":
        # Whoever runs the tests signs in; only an app has a managed identity.
        vars(services)["credential"] = DefaultAzureCredential()
    yield services
    await services.close()
