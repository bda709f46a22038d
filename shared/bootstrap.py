"""The composition root: picks the adapters, builds each once per process, and only when it is asked for."""

from __future__ import annotations

import dataclasses
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

from shared.clock import Clock, utc_now
from shared.names import COSMOS_CONTAINERS, WEB_READS
from shared.settings import Role, Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.cosmos.database import Database
    from shared.adapters.graph.gateway import GraphGateway
    from shared.pipeline.payloads import HealthCheck
    from shared.policy import Policy
    from shared.policy.people import PolicyPeople
    from shared.ports.activity import ActivityStore
    from shared.ports.alerts import AlertStore
    from shared.ports.dead_letters import DeadLetters
    from shared.ports.directory import Directory
    from shared.ports.evidence import EvidenceStore
    from shared.ports.health import GraphToken, Probed
    from shared.ports.incidents import IncidentStore
    from shared.ports.mailboxes import Mailboxes
    from shared.ports.queue import MessageQueue
    from shared.ports.targets import TargetStore
    from shared.ports.undone import UndoneStore

D = TypeVar("D")


class Services:
    """Every adapter that a stage may ask for, by the name of the field in its `Deps`.

    An adapter's SDK is imported when the adapter is first asked for: a cold start pays only for what it uses.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now: Clock = utc_now

    @classmethod
    def from_environment(cls) -> Services:
        """Services by this process's settings. A wrong setting raises here, with its name."""
        return cls(Settings())

    async def close(self) -> None:
        """Close all connections. For programs that end; a function app keeps them as long as it runs."""
        for built in list(vars(self).values()):
            if hasattr(built, "close"):
                await built.close()

    def provide(self, deps: type[D]) -> D:
        """An instance of a stage's `Deps`: each field is the service of its name."""
        fields = dataclasses.fields(deps)  # type: ignore[arg-type]  # every Deps is a dataclass
        return deps(**{field.name: getattr(self, field.name) for field in fields})

    async def health(self, check: HealthCheck) -> None:
        """Take the health check where it is, and send it on."""
        from shared.health.check import HealthDeps, visit  # noqa: PLC0415 - needs every adapter, once in a while

        await visit(check, self.provide(HealthDeps))

    @cached_property
    def credential(self) -> AsyncTokenCredential:
        from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - cold start

        # Not DefaultAzureCredential: it tries several identities, which is slow and may pick another one.
        return ManagedIdentityCredential(client_id=self.settings.client_id)

    @cached_property
    def policy(self) -> Policy:
        from shared.policy import load_policy  # noqa: PLC0415 - reads a file: only stages with a policy do

        return load_policy(self.settings.policy_path)

    @cached_property
    def policy_people(self) -> PolicyPeople:
        from shared.policy.people import PolicyPeople  # noqa: PLC0415 - only stages with a policy need it

        return PolicyPeople(self.policy, self.directory, self.now)

    @cached_property
    def queue(self) -> MessageQueue:
        from shared.adapters.storage_queue import StorageQueues  # noqa: PLC0415 - cold start

        return StorageQueues(self.settings.queue_service, self.credential, self.now)

    @cached_property
    def evidence(self) -> EvidenceStore:
        from shared.adapters.blob import BlobEvidence  # noqa: PLC0415 - cold start

        return BlobEvidence(self.settings.blob_service, self.credential)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from shared.adapters.blob import BlobDeadLetters  # noqa: PLC0415 - cold start

        return BlobDeadLetters(self.settings.blob_service, self.credential)

    @cached_property
    def _database(self) -> Database:
        from shared.adapters.cosmos.database import Database  # noqa: PLC0415 - cold start

        return Database(self.settings.cosmos_endpoint, self.settings.cosmos_database, self.credential)

    @cached_property
    def alerts(self) -> AlertStore:
        from shared.adapters.cosmos.alerts import CosmosAlerts  # noqa: PLC0415 - cold start

        return CosmosAlerts(self._database)

    @cached_property
    def undone(self) -> UndoneStore:
        from shared.adapters.cosmos.undone import CosmosUndone  # noqa: PLC0415 - cold start

        return CosmosUndone(self._database)

    @cached_property
    def incidents(self) -> IncidentStore:
        from shared.adapters.cosmos.incidents import CosmosIncidents  # noqa: PLC0415 - cold start

        return CosmosIncidents(self._database)

    @cached_property
    def targets(self) -> TargetStore:
        from shared.adapters.cosmos.targets import CosmosTargets  # noqa: PLC0415 - cold start

        return CosmosTargets(self._database)

    @cached_property
    def activity(self) -> ActivityStore:
        from shared.adapters.cosmos.activity import CosmosActivity  # noqa: PLC0415 - cold start

        return CosmosActivity(self._database)

    @cached_property
    def state(self) -> Probed:
        from shared.adapters.cosmos.health import CosmosHealth  # noqa: PLC0415 - cold start

        web = self.settings.role is Role.WEB
        return CosmosHealth(self._database, WEB_READS if web else COSMOS_CONTAINERS, writes=not web)

    @cached_property
    def graph_token(self) -> GraphToken:
        from shared.adapters.graph.token import CredentialRoles  # noqa: PLC0415 - cold start

        return CredentialRoles(self.credential)

    @cached_property
    def _graph(self) -> GraphGateway:
        from shared.adapters.graph.gateway import GraphGateway  # noqa: PLC0415 - cold start

        return GraphGateway(self.settings.graph_url, self.credential)

    @cached_property
    def mailboxes(self) -> Mailboxes:
        from shared.adapters.graph.mailboxes import GraphMailboxes  # noqa: PLC0415 - cold start

        return GraphMailboxes(self._graph, self.settings.quarantine_folder)

    @cached_property
    def directory(self) -> Directory:
        from shared.adapters.directory_cache import CachedDirectory  # noqa: PLC0415 - cold start
        from shared.adapters.graph.directory import GraphDirectory  # noqa: PLC0415 - cold start

        return CachedDirectory(GraphDirectory(self._graph), self.now)


@lru_cache(maxsize=1)
def services() -> Services:
    """The process's services, built when they are first asked for."""
    return Services.from_environment()
