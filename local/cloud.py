"""The whole cloud on one machine: identity, Storage, Cosmos DB and Graph, each a process of its own.

    with LocalCloud(directory) as cloud:
        environment = {**os.environ, **cloud.environment("pipeline")}

`environment` is what production code finds in Azure as app settings and in the App Service's sandbox; nothing
in it says "local" but addresses. Queues, containers and rights are those of the evaluated templates. The state
directory holds logs, the tenant, the certificate authority and `cloud.json`, by which another process finds the
cloud (`read_state`). Other users of the machine can read none of it. Keys are handed to processes in their
environment, never as arguments.
"""

import json
import os
import secrets
import ssl
import time
import urllib.request
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite
from local.emulators import private
from local.emulators.functions_host.config import FUNCTION_KEY_SETTING, MASTER_KEY_SETTING
from local.emulators.graph import model
from local.emulators.identity import directory as identities
from local.emulators.identity.tokens import LIFETIME, SIGNING_KEY_SETTING, Caller, issue
from local.emulators.serve import ADMIN_KEY_SETTING
from local.process import Child, python
from local.tls import LocalAuthority
from shared.names import SOURCES
from shared.settings import SIGN_IN, SignInMode
from tools.deployment import Deployment, DeploymentError
from tools.grants import STORAGE, grants_of

STATE_FILE = "cloud.json"
TENANT_FILE = "tenant.json"

APPS = ("pipeline", "web")
# The local cloud has no storage of the Functions host's own and no telemetry; client ids come with the identity.
_NOT_HERE = (
    "AzureWebJobsStorage__",
    "APPLICATIONINSIGHTS_",
    "CLAWBACK_CLIENT_ID",
    "PipelineStorage__clientId",
)
_ROOT = Path(__file__).parents[1]
_NAMESPACE = uuid.UUID("6a1f7a5e-7f0c-4b0e-9a53-1d2f0b8d4c11")
_DEFAULT_TENANT_ID = str(uuid.uuid5(_NAMESPACE, "tenant"))


@dataclass(frozen=True, slots=True)
class State:
    """Addresses, keys and environments of a running cloud: what `cloud.json` holds. URLs have no slash at their end.

    `admin_key` opens the local services' own `/_local/…` paths (header `x-local-admin`).
    """

    queue_url: str
    blob_url: str
    cosmos_url: str
    graph_url: str
    ca: str
    admin_key: str
    environments: dict[str, dict[str, str]]


class LocalCloud:
    """A local cloud. `start` (or `with`) starts it; it ends with `stop`, or when this process ends.

    Args:
        directory: state directory; made if it is not there.
        tenant: tenant file (local/emulators/graph/model.py). Without: a tenant of two mailboxes.
        keep: keep queues, blobs and documents on disk, so that a later start with the same directory finds them.
        graph_latency_ms: how long the local Graph takes for an answer, at least.
        parts: which of the services to start besides identity and Storage. The address of one that is left out
            is empty.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tenant: Path | None = None,
        keep: bool = False,
        graph_latency_ms: int = 0,
        parts: Collection[str] = ("cosmos", "graph"),
    ) -> None:
        self.directory = private.make_directory(directory.resolve())
        self.authority = LocalAuthority(self.directory)
        self._deployment = Deployment.of("local")
        self._tenant = tenant
        self._keep = keep
        self._latency = graph_latency_ms
        self._parts = parts
        self._children: dict[str, Child] = {}
        self._state: State | None = None

    @property
    def state(self) -> State:
        """Addresses, keys and environments; `RuntimeError` if the cloud is not started."""
        if self._state is None:
            raise RuntimeError("the local cloud is not started")
        return self._state

    def environment(self, identity: str = "pipeline") -> dict[str, str]:
        """The environment of the function app `identity` (pipeline or web), to be merged into the process's own."""
        return dict(self.state.environments[identity])

    def environment_of_both(self) -> dict[str, str]:
        """The environment of one process that is both apps: pipeline's identity, and web's settings too."""
        return {**self.environment("web"), **self.environment("pipeline"), "CLAWBACK_ROLE": "all"}

    def start(self) -> Self:
        """Start and provision everything.

        Raises:
            StartError: something did not start; nothing is left running then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process. It may be called again."""
        while self._children:
            _, child = self._children.popitem()
            child.stop()
        (self.directory / STATE_FILE).unlink(missing_ok=True)
        self._state = None

    def stop_storage(self) -> None:
        """End Azurite, as in an outage. What is on its queues comes back with `start_storage` if it is kept on disk."""
        for service in azurite.SERVICES:
            self._children.pop(f"azurite-{service}").stop()

    def start_storage(self) -> None:
        """Start Azurite again, where it was."""
        urls = (self.state.queue_url, self.state.blob_url)
        queue, blob = (urlsplit(url).port or 0 for url in urls)
        storage = azurite.start(self.directory, self.authority, keep=self._keep, ports=(queue, blob))
        self._children |= {process.name: process for process in storage.processes}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        key, admin_key = secrets.token_hex(32), secrets.token_hex(16)
        tenant = self._tenant_file()
        tenant_id = json.loads(tenant.read_bytes())["tenant"]["id"]
        apps = {name: _app(name, self._deployment) for name in APPS}
        listing = self.directory / "identities.json"
        identities.dump(identities.Directory(tenant_id, list(apps.values())), listing)

        database = str(self.directory / "cosmos.db") if self._keep else ":memory:"
        tls = ("--tls-cert", str(self.authority.certificate), "--tls-key", str(self.authority.key))
        keys = {SIGNING_KEY_SETTING: key, ADMIN_KEY_SETTING: admin_key}
        # All are started before any is waited for: their imports run beside each other.
        self._run("identity", {SIGNING_KEY_SETTING: key}, "--directory", str(listing))
        if "cosmos" in self._parts:
            self._run("cosmosdb", keys, "--db", database, *tls)
        if "graph" in self._parts:
            self._run("graph", keys, "--tenant", str(tenant), "--latency-ms", str(self._latency), *tls)
        storage = azurite.start(self.directory, self.authority, keep=self._keep)
        self._children |= {process.name: process for process in storage.processes}
        token = issue(Caller(str(uuid.uuid4()), str(uuid.uuid4()), STORAGE, (), "operator"), key, tenant_id)
        self._provision_storage(storage, token)
        cosmos_url, graph_url = self._url("cosmosdb"), self._url("graph")
        if cosmos_url:
            self._provision_cosmos(cosmos_url, admin_key)

        # What is known at run time only; all other settings are in the templates.
        run_time_values = {
            "PipelineStorage__queueServiceUri": storage.queue_url,
            "PipelineStorage__blobServiceUri": storage.blob_url,
            "CLAWBACK_COSMOS_ENDPOINT": cosmos_url,
            "CLAWBACK_GRAPH_URL": f"{graph_url}/v1.0" if graph_url else "",
            "CLAWBACK_POLICY_PATH": str(_ROOT / "policy.yaml"),
            # There is no App Service Authentication: the function key, which only this user can read, is all.
            SIGN_IN: SignInMode.OFF,
            **{f"CLAWBACK_WEBHOOK_SECRETS__{source}": json.dumps([secrets.token_hex(16)]) for source in SOURCES},
        }
        sandbox = {
            FUNCTION_KEY_SETTING: secrets.token_hex(16),
            MASTER_KEY_SETTING: secrets.token_hex(16),
            "IDENTITY_ENDPOINT": self._url("identity"),
            **self.authority.environment(),
        }
        self._state = State(
            queue_url=storage.queue_url,
            blob_url=storage.blob_url,
            cosmos_url=cosmos_url,
            graph_url=graph_url,
            ca=str(self.authority.ca),
            admin_key=admin_key,
            environments={
                name: {**_settings(self._deployment, name, run_time_values), **sandbox, **_environment(app)}
                for name, app in apps.items()
            },
        )
        write_state(self._state, self.directory)

    def _run(self, module: str, keys: dict[str, str], *arguments: str) -> None:
        environment = {**os.environ, **keys}
        command = python("-m", f"local.emulators.{module}", "--port", "0", *arguments)
        self._children[module] = Child(command, environment=environment, log=self.directory / f"{module}.log")

    def _url(self, module: str) -> str:
        child = self._children.get(module)
        return str(child.announced()["url"]).rstrip("/") if child else ""

    def _tenant_file(self) -> Path:
        if self._tenant is not None:
            return self._tenant
        path = self.directory / TENANT_FILE
        if not path.exists():
            model.dump(default_tenant(), path)
        return path

    def _provision_storage(self, storage: azurite.Azurite, token: str) -> None:
        credential = _Token(token)
        ca = str(self.authority.ca)
        with QueueServiceClient(storage.queue_url, credential=credential, connection_verify=ca) as queues:
            present = {queue.name for queue in queues.list_queues()}
            for queue in self._deployment.queues - present:
                queues.create_queue(queue)
        with BlobServiceClient(storage.blob_url, credential=credential, connection_verify=ca) as blobs:
            present = {container.name for container in blobs.list_containers()}
            for container in self._deployment.blob_containers - present:
                blobs.create_container(container)

    def _provision_cosmos(self, url: str, admin_key: str) -> None:
        containers = [
            {
                "name": container.name,
                "partitionKey": list(container.partition_key),
                "indexed": list(container.indexed),
                **({} if container.ttl is None else {"defaultTtl": container.ttl}),
            }
            for container in self._deployment.containers.values()
        ]
        body = {"database": self._deployment.database, "containers": containers}
        post(f"{url}/_local/containers", body, admin_key, self.authority.client_context())


@dataclass(frozen=True, slots=True)
class _Token:
    """A credential for the provisioning: one token, good for the day."""

    token: str

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time() + LIFETIME.total_seconds()))


def post(url: str, body: Any, admin_key: str, context: ssl.SSLContext) -> bytes:
    """Call a local service's own path; `urllib.error.HTTPError` if it refuses."""
    headers = {"x-local-admin": admin_key, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - https, to ourselves
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:  # noqa: S310 - as above
        return bytes(answer.read())


def write_state(state: State, directory: Path) -> None:
    """Write `cloud.json`; only its owner can read it."""
    private.write(directory / STATE_FILE, json.dumps(asdict(state), indent=1))


def read_state(directory: Path) -> State:
    """The state of a cloud that another process runs in `directory`; `FileNotFoundError` if none runs."""
    return State(**json.loads((directory / STATE_FILE).read_text(encoding="utf-8")))


def default_tenant() -> model.Tenant:
    """Two people, each with an empty mailbox: for tests that add their own mail."""
    people = (("ada", "Ada Example"), ("ben", "Ben Example"))
    users = tuple(
        model.User(
            id=str(uuid.uuid5(_NAMESPACE, name)),
            user_principal_name=f"{name}@contoso.example",
            display_name=display,
            mail=f"{name}@contoso.example",
            proxy_addresses=(f"SMTP:{name}@contoso.example",),
        )
        for name, display in people
    )
    return model.Tenant(
        id=_DEFAULT_TENANT_ID,
        display_name="Contoso",
        domain="contoso.example",
        users=users,
        mailboxes=tuple(model.Mailbox(user.id) for user in users),
    )


def _app(name: str, deployment: Deployment) -> identities.App:
    identity = identities.Identity(
        name=name,
        client_id=str(uuid.uuid5(_NAMESPACE, f"{name} client")),
        object_id=str(uuid.uuid5(_NAMESPACE, f"{name} object")),
        grants=grants_of(name, deployment),
    )
    return identities.App(header=secrets.token_hex(16), identities=[identity])


def _settings(deployment: Deployment, app: str, run_time_values: dict[str, str]) -> dict[str, str]:
    """The app settings of the templates, with the values that are known at run time only.

    Raises:
        DeploymentError: a setting gets its value at deployment, and the local cloud has no value for it.
    """
    found: dict[str, str] = {}
    for name, value in deployment.settings(app).items():
        if name in run_time_values:
            found[name] = run_time_values[name]
        elif name.startswith(_NOT_HERE):
            continue
        elif value.startswith("["):
            raise DeploymentError(f"the deployment sets {name}, and the local cloud has no value for it")
        else:
            found[name] = value
    return found


def _environment(app: identities.App) -> dict[str, str]:
    client_id = app.identities[0].client_id
    return {
        "IDENTITY_HEADER": app.header,
        "CLAWBACK_CLIENT_ID": client_id,
        "PipelineStorage__clientId": client_id,
    }
