"""The local cloud with both function apps on it: what the demo, the benchmarks and `clawback local up` start.

    with Stack(directory, tenant=path) as stack:
        stack.post_alert("proofpoint_tap", body)
        stack.api("incidents?top=1")

Each app has a Functions host, an identity and settings of its own, as it is deployed.

`api.json` in the state directory tells a client all that it needs, without this package. It is there while the stack
runs, and only its owner can read it:

    {
        "url": "http://127.0.0.1:…",        address of the API, without `/api`
        "key": "…",                         function key, for the header x-functions-key
        "ca": "/…/ca.pem",                  certificate authority of queues, blobs and Cosmos DB
        "webhookSecrets": {"<source>": "…"},
        "settings": {"<app setting>": "…"}  those that open the queues and blobs, with the identity of pipeline
    }
"""

import json
import os
import shutil
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cli.webhook import authentication
from local.cloud import LocalCloud, post
from local.emulators import private
from local.emulators.functions_host.config import FUNCTION_KEY_SETTING, MASTER_KEY_SETTING
from local.process import Child, python
from shared.names import SOURCES

API_FILE = "api.json"

# What an operator's tool needs to open the queues and blobs as an app does, and nothing more.
_CLIENT_SETTINGS = (
    "PipelineStorage__queueServiceUri",
    "PipelineStorage__blobServiceUri",
    "CLAWBACK_COSMOS_ENDPOINT",
    "CLAWBACK_CLIENT_ID",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)

_ROOT = Path(__file__).parents[1]


class Stack:
    """A local cloud with both apps. `start` (or `with`) starts it, `stop` ends it.

    Args:
        directory: state directory; what an earlier run left in it is deleted.
        tenant: tenant file.
        graph_latency_ms: how long the local Graph takes for an answer, at least.
        settings: app settings that differ from the local cloud's, in both apps.
        workers: worker processes of pipeline.
        keep: keep queues, blobs and documents on disk, so that Azurite can be stopped and started again.
        lease_seconds: lease on a queue message, which hides it from other hosts. None: ten minutes, as in Azure.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tenant: Path | None = None,
        graph_latency_ms: int = 0,
        settings: dict[str, str] | None = None,
        workers: int = 2,
        lease_seconds: int | None = None,
        keep: bool = False,
    ) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        self.cloud = LocalCloud(directory, tenant=tenant, keep=keep, graph_latency_ms=graph_latency_ms)
        self._settings = settings or {}
        self._workers = workers
        self._lease = [] if lease_seconds is None else ["--lease-seconds", str(lease_seconds)]
        self._hosts: list[Child] = []
        self._urls: list[str] = []
        self.url = ""
        self.key = ""

    def start(self) -> Self:
        """Start cloud and apps. Raises StartError; nothing is left running then."""
        self.cloud.start()
        try:
            self.start_hosts()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything."""
        while self._hosts:
            self._hosts.pop().stop()
        self.cloud.stop()
        (self.cloud.directory / API_FILE).unlink(missing_ok=True)

    def start_hosts(self) -> None:
        """Start both hosts, for the first time or again after `kill_hosts`."""
        # Both are started before either is waited for: their imports run beside each other.
        self._hosts = [
            self._run("pipeline", "--workers", str(self._workers), *self._lease),
            self._run("web", "--workers", "1"),
        ]
        self._urls = [str(host.announced()["url"]) for host in self._hosts]
        self.url, self.key = self._urls[-1], self.cloud.environment("web")[FUNCTION_KEY_SETTING]
        private.write(self.cloud.directory / API_FILE, json.dumps(self._for_clients(), indent=1))

    def _for_clients(self) -> dict[str, Any]:
        pipeline = self.cloud.environment("pipeline")
        return {
            "url": self.url,
            "key": self.key,
            "ca": self.cloud.state.ca,
            "webhookSecrets": {source: self._secret(source) for source in SOURCES},
            "settings": {name: pipeline[name] for name in _CLIENT_SETTINGS},
        }

    def _secret(self, source: str) -> str:
        secrets: list[str] = json.loads(self.cloud.environment("web")[f"CLAWBACK_WEBHOOK_SECRETS__{source}"])
        return secrets[0]

    def kill_hosts(self) -> None:
        """`kill -9` of both hosts and all their workers."""
        for host in self._hosts:
            host.kill()

    def _run(self, app: str, *arguments: str) -> Child:
        environment = {**os.environ, **self.cloud.environment(app), **self._settings}
        command = python("-m", "local.emulators.functions_host", "--app-root", str(_ROOT), "--announce", *arguments)
        return Child(command, environment=environment, log=self.cloud.directory / f"{app}.log")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def api(self, path: str) -> Any:
        """GET below `/api/`."""
        return self._json(f"{self.url}/api/{path}", None, {"x-functions-key": self.key})

    def command(self, path: str, body: dict[str, Any]) -> Any:
        """POST below `/api/`."""
        return self._json(f"{self.url}/api/{path}", json.dumps(body).encode(), {"x-functions-key": self.key})

    def workers(self) -> list[dict[str, Any]]:
        """`pid`, `cpuSeconds` and `rssBytes` of each worker process of both apps."""
        key = {"x-functions-key": self.cloud.environment()[MASTER_KEY_SETTING]}
        return [worker for url in self._urls for worker in self._json(f"{url}/admin/host/workers", None, key)]

    def post_alert(self, source: str, body: bytes) -> Any:
        """POST to a source's webhook, as the source authenticates itself."""
        headers = authentication(source, self._secret(source), body)
        return self._json(f"{self.url}/api/alerts/{source}", body, headers)

    def graph(self, path: str) -> Any:
        """GET below `/_local/` of the local Graph."""
        return self._service(f"{self.cloud.state.graph_url}/_local/{path}")

    def cosmos(self, path: str) -> Any:
        """GET below `/_local/` of the local Cosmos DB."""
        return self._service(f"{self.cloud.state.cosmos_url}/_local/{path}")

    def graph_fault(self, **fault: Any) -> None:
        """Ask the local Graph for a fault (local/emulators/graph/faults.py)."""
        self._fault(self.cloud.state.graph_url, fault)

    def cosmos_fault(self, **fault: Any) -> None:
        """Ask the local Cosmos DB for a fault (local/emulators/cosmosdb/faults.py)."""
        self._fault(self.cloud.state.cosmos_url, fault)

    def no_more_faults(self) -> None:
        """End all faults of both that were asked for."""
        state = self.cloud.state
        for url in (state.graph_url, state.cosmos_url):
            self._service(f"{url}/_local/faults", method="DELETE")

    def _fault(self, url: str, fault: dict[str, Any]) -> None:
        state = self.cloud.state
        post(f"{url}/_local/faults", fault, state.admin_key, self.cloud.authority.client_context())

    def _service(self, url: str, *, method: str = "GET") -> Any:
        headers = {"x-local-admin": self.cloud.state.admin_key}
        request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - our own address
        context = self.cloud.authority.client_context()
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:  # noqa: S310 - as above
            return json.loads(answer.read() or b"null")

    def _json(self, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())
