import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import bootstrap
from shared.adapters.cosmos.targets import CosmosTargets
from shared.adapters.storage_queue import StorageQueues
from shared.bootstrap import Services
from shared.clock import Clock
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.settings import Settings

ROOT = Path(bootstrap.__file__).parents[1]


@pytest.fixture
async def services(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    for name in ("PipelineStorage__queueServiceUri", "PipelineStorage__blobServiceUri", "CLAWBACK_COSMOS_ENDPOINT"):
        monkeypatch.setenv(name, "https://127.0.0.1:1")
    made = Services.from_environment()
    yield made
    await made.close()


@dataclass(frozen=True)
class Deps:
    """Of every kind of service one."""

    settings: Settings
    now: Clock
    queue: MessageQueue
    targets: TargetStore


async def test_a_stage_is_given_what_its_deps_name(services: Services) -> None:
    deps = services.provide(Deps)

    assert isinstance(deps.queue, StorageQueues)
    assert isinstance(deps.targets, CosmosTargets)
    assert deps.settings is services.settings
    assert services.provide(Deps).queue is deps.queue


async def test_a_service_is_built_when_it_is_first_asked_for(services: Services) -> None:
    assert not {"queue", "targets", "credential", "_database"} & set(vars(services))

    services.provide(Deps)

    assert {"queue", "targets", "credential", "_database"} <= set(vars(services))
    assert not {"evidence", "dead_letters", "alerts", "incidents", "activity", "mailboxes"} & set(vars(services))


async def test_the_containers_share_one_connection(services: Services) -> None:
    stores = (services.alerts, services.incidents, services.targets, services.activity)

    assert all(vars(store)["_database"] is services._database for store in stores)


async def test_everything_that_was_opened_is_closed(services: Services) -> None:
    class Opened:
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    opened = [Opened(), Opened()]
    vars(services).update(queue=opened[0], evidence=opened[1])

    await services.close()

    assert [one.closed for one in opened] == [1, 1]


async def test_a_service_that_nobody_knows_is_a_bug(services: Services) -> None:
    @dataclass(frozen=True)
    class Wrong:
        telephone: str

    with pytest.raises(AttributeError, match="telephone"):
        services.provide(Wrong)


def test_the_composition_root_imports_no_sdk() -> None:
    # A cold start pays for what it uses.
    code = "import sys, shared.bootstrap; print([m for m in sys.modules if m.split('.')[0] in {'azure', 'msgraph'}])"

    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"
