"""What the templates say, as data: the evaluated deployment (`bicep snapshot`), read by the local cloud and by tests.

The snapshots are committed, so that nobody needs a compiler to run the demo. `python -m tools.deployment` makes
everything again that is made from the templates.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "infra" / "bicep"
ENVIRONMENTS = ("dev", "prod", "local")

# Invented, so that the compiler gives the same complete names and ids on every machine.
PLACE = (
    "--tenant-id=00000000-0000-0000-0000-00000000000a",
    "--subscription-id=00000000-0000-0000-0000-00000000000b",
    "--resource-group=rg-clawback",
    "--location=westeurope",
)

# Names of the built-in roles that the templates give, by id (Azure built-in roles).
BUILT_IN = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "19e7f393-937e-4f77-808e-94535e297925": "Storage Queue Data Reader",
    "8a0f0c08-91a1-4084-bc3d-659d67233ed7": "Storage Queue Data Message Processor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

_STORAGE = "Microsoft.Storage/storageAccounts"
_COSMOS = "Microsoft.DocumentDB/databaseAccounts"
_IDENTITY = re.compile(r"userAssignedIdentities/id-clawback-(\w+)-")


class DeploymentError(Exception):
    """The snapshot lacks something, or has a form that this module cannot read."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One role of one identity. `actions` are the data actions of a custom role; built-in ones go by their name."""

    identity: str
    role: str
    scope: str
    """Resource type and name below the resource group, such as `…/queues/enrich`; never wider than one resource."""
    actions: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """A Cosmos DB container. `ttl` is `defaultTtl` in seconds, -1 for "only where the item says so"."""

    name: str
    partition_key: tuple[str, ...]
    indexed: tuple[str, ...]
    ttl: int | None


@dataclass(frozen=True)
class Deployment:
    """The resources of one evaluated parameter file."""

    resources: tuple[dict[str, Any], ...] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read a snapshot.

        Raises:
            DeploymentError: it is not there.
        """
        if not path.exists():
            raise DeploymentError(f"{path} is missing: run `make infra-snapshots`")
        return cls(tuple(json.loads(path.read_text(encoding="utf-8"))["predictedResources"]))

    @classmethod
    def of(cls, environment: str) -> "Deployment":
        """The evaluated parameter file of this name: dev, prod or local."""
        return cls.load(TEMPLATES / "params" / f"{environment}.snapshot.json")

    def of_type(self, kind: str) -> Iterator[dict[str, Any]]:
        """All resources of this type."""
        return (resource for resource in self.resources if resource["type"] == kind)

    @cached_property
    def queues(self) -> frozenset[str]:
        """Names of the pipeline's queues, poison queues included."""
        return frozenset(_last(r["name"]) for r in self.of_type(f"{_STORAGE}/queueServices/queues"))

    @cached_property
    def blob_containers(self) -> frozenset[str]:
        """Names of the containers in the account that holds the queues."""
        accounts = {r["name"].split("/")[0] for r in self.of_type(f"{_STORAGE}/queueServices/queues")}
        named = (r["name"] for r in self.of_type(f"{_STORAGE}/blobServices/containers"))
        return frozenset(_last(name) for name in named if name.split("/")[0] in accounts)

    @cached_property
    def database(self) -> str:
        """Name of the Cosmos DB database."""
        return _last(next(self.of_type(f"{_COSMOS}/sqlDatabases"))["name"])

    @cached_property
    def containers(self) -> dict[str, Container]:
        """The Cosmos DB containers by name."""
        found = {}
        for resource in self.of_type(f"{_COSMOS}/sqlDatabases/containers"):
            told = resource["properties"]["resource"]
            found[told["id"]] = Container(
                name=told["id"],
                partition_key=tuple(told["partitionKey"]["paths"]),
                indexed=tuple(path["path"] for path in told["indexingPolicy"]["includedPaths"]),
                ttl=told.get("defaultTtl"),
            )
        return found

    def settings(self, app: str) -> dict[str, str]:
        """The app settings of `pipeline` or `web`; what is known at deployment only is still an expression (`[…`)."""
        for resource in self.of_type("Microsoft.Web/sites/config"):
            if f"-{app}-" in resource["name"] and _last(resource["name"]) == "appsettings":
                return dict(resource["properties"])
        raise DeploymentError(f"no settings of {app}")

    @cached_property
    def grants(self) -> tuple[Grant, ...]:
        """The Azure roles and Cosmos DB data-plane roles of the identities, with their scopes, sorted."""
        custom = {
            _last(role["name"]): role["properties"]
            for kind in ("Microsoft.Authorization/roleDefinitions", f"{_COSMOS}/sqlRoleDefinitions")
            for role in self.of_type(kind)
        }
        return tuple(sorted({*self._azure_grants(custom), *self._cosmos_grants(custom)}))

    def _azure_grants(self, custom: dict[str, Any]) -> Iterator[Grant]:
        for assignment in self.of_type("Microsoft.Authorization/roleAssignments"):
            about = assignment["properties"]
            where = re.match(r"\[extensionResourceId\('([^']+)'", assignment["id"])
            if where is None:
                raise DeploymentError(f"a role assignment without a resource as its scope: {assignment['id'][:80]}")
            yield self._grant(custom, about, where[1], about.get("description", ""))

    def _cosmos_grants(self, custom: dict[str, Any]) -> Iterator[Grant]:
        for assignment in self.of_type(f"{_COSMOS}/sqlRoleAssignments"):
            yield self._grant(custom, assignment["properties"], assignment["properties"]["scope"], "")

    def _grant(self, custom: dict[str, Any], about: dict[str, Any], scope: str, why: str) -> Grant:
        role = _last(about["roleDefinitionId"])
        identity = _IDENTITY.search(about["principalId"])
        if identity is None:
            raise DeploymentError(f"a role for a principal that is none of our identities: {about['principalId'][:80]}")
        told = custom.get(role)
        return Grant(
            identity=identity[1],
            role=told["roleName"].split(" (")[0] if told else BUILT_IN.get(role, role),
            scope=scope.split("/providers/", 1)[-1],
            actions=tuple(a for p in told["permissions"] for a in p["dataActions"]) if told else (),
            why=why,
        )


def compiler() -> str | None:
    """The Bicep compiler: BICEP, the one beside the project, or the one in PATH; None if there is none."""
    beside = ROOT.parent / "shared" / "bin" / "bicep"
    return os.environ.get("BICEP") or (str(beside) if beside.exists() else shutil.which("bicep"))


def permissions() -> str:
    """The body of docs/permissions.md: each right of each identity, from the templates."""
    lines = ["<!-- Made by `make infra-snapshots` from infra/bicep. -->", "# What Clawback may touch", ""]
    lines += [
        "For the auditor: everything that each identity may do, as the templates evaluate to it. Nothing else is",
        "granted; a test compares this page with the templates.",
        "",
        "## In Microsoft Graph",
        "",
        "| identity | permission | for what | calls |",
        "| --- | --- | --- | --- |",
    ]
    told = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))
    for identity, granted in told.items():
        for name, about in sorted(granted.items()):
            calls = "<br>".join(f"`{call}`" for call in about["calls"])
            lines.append(f"| {identity} | `{name}` | {about['reason']} | {calls} |")
    lines += ["", "`web` has no permission in Graph.", "", "## In Azure", ""]
    lines += ["| identity | role | scope | data actions | for what |", "| --- | --- | --- | --- | --- |"]
    for grant in Deployment.of("prod").grants:
        actions = "<br>".join(f"`{action.split('/', 1)[1]}`" for action in grant.actions)
        scope = grant.scope.split("/", 1)[1]
        lines.append(f"| {grant.identity} | {grant.role} | `{scope}` | {actions} | {grant.why} |")
    return "\n".join(lines) + "\n"


def _make() -> None:
    bicep = compiler()
    if bicep is None:
        raise SystemExit("No Bicep compiler: put one into PATH, or name it in BICEP")
    for environment in ENVIRONMENTS:
        params = TEMPLATES / "params" / f"{environment}.bicepparam"
        _snapshot(bicep, params)
    # Its resources have no id that `--mode=validate` could compare: the test compares the files.
    graph = TEMPLATES / "graph" / "main.bicepparam"
    _snapshot(bicep, graph)
    built = str(TEMPLATES / "azuredeploy.json")
    subprocess.run([bicep, "build", str(TEMPLATES / "main.bicep"), "--outfile", built], check=True)
    (ROOT / "docs" / "permissions.md").write_text(permissions(), encoding="utf-8")


def _snapshot(bicep: str, params: Path) -> None:
    subprocess.run([bicep, "snapshot", str(params), "--mode=overwrite", *PLACE], check=True)
    # The compiler writes the outputs in an order that changes from run to run.
    path = params.with_suffix(".snapshot.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    told["outputs"] = dict(sorted(told["outputs"].items()))
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]


if __name__ == "__main__":
    _make()
