"""What must hold of what operators see and are woken by: queries, alerts, the workbook, logs of who did what."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from shared.domain.target import TargetState
from shared.names import EVENTS
from shared.pipeline.events import Event
from tools.deployment import Deployment

ROOT = Path(__file__).parents[2]

# What `emit(…, **name)` spreads, by the name that it has in the code.
SPREAD = {
    "about": {"stage", "correlation_id", "attempt"},
    "_counts(work)": {str(state) for state in TargetState} | {"restore_failed"},
}

# Which logs of whom go to the workspace, by resource type.
LOGGED = {
    "Microsoft.DocumentDB/databaseAccounts": {"DataPlaneRequests", "ControlPlaneRequests"},
    "Microsoft.KeyVault/vaults": {"AuditEvent"},
    "Microsoft.Storage/storageAccounts/blobServices": {"StorageWrite", "StorageDelete"},
    "Microsoft.Storage/storageAccounts/queueServices": {"StorageRead", "StorageWrite", "StorageDelete"},
    "Microsoft.Web/sites": {"AppServiceAuthenticationLogs"},
}


def properties(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resource.get("properties") or {}
    return found


@cache
def emitted_fields() -> dict[str, set[str]]:
    """Each event that some module of ours really emits, and the fields that it carries."""
    found: dict[str, set[str]] = {}
    for path in (path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit"):
                continue
            event = ast.unparse(node.args[0]).removeprefix("Event.")
            fields = found.setdefault(str(Event[event]), set())
            for keyword in node.keywords:
                fields |= {keyword.arg} if keyword.arg else SPREAD[ast.unparse(keyword.value)]
    return found


def queries(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Every KQL text, and where it stands."""
    for rule in deployment.of_type("Microsoft.Insights/scheduledQueryRules"):
        yield rule["name"], properties(rule)["criteria"]["allOf"][0]["query"]
    for figure in figures(deployment):
        yield f"workbook: {figure['title']}", figure["query"]


def figures(deployment: Deployment) -> Iterator[dict[str, Any]]:
    for workbook in deployment.of_type("Microsoft.Insights/workbooks"):
        items = json.loads(properties(workbook)["serializedData"])["items"]
        yield from (item["content"] for item in items if item["type"] == 3)


def queries_name_events_that_are_emitted(deployment: Deployment) -> Iterator[str]:
    emitted = emitted_fields()
    for where, query in queries(deployment):
        named = re.findall(r'fields\("([^"]*)"\)', query)
        for event in named:
            if event not in EVENTS.values():
                yield f"{where}: there is no event {event}"
            elif event not in emitted:
                yield f"{where}: nobody emits {event}"
            else:
                for field in set(re.findall(r"\bf\.(\w+)", query)) - emitted[event]:
                    yield f"{where}: {event} has no field {field}"
        if not named and not re.match(r"App(Requests|Exceptions) ", query):
            yield f"{where}: names no event"


def every_event_is_asked_for(deployment: Deployment) -> Iterator[str]:
    asked = " ".join(query for _, query in queries(deployment))
    for event in EVENTS.values():
        if f'fields("{event}")' not in asked:
            yield f"neither a rule nor a figure looks at {event}"


def alerts_lead_somewhere(deployment: Deployment) -> Iterator[str]:
    rules = [*deployment.of_type("Microsoft.Insights/scheduledQueryRules")]
    if not rules:
        yield "there are no alerts"
    for rule in rules:
        page = properties(rule)["actions"]["customProperties"]["runbook"].rsplit("/", 1)[-1]
        if not (ROOT / "docs" / "runbooks" / page).exists():
            yield f"{rule['name']}: has no runbook {page}"
        if not properties(rule)["actions"]["actionGroups"]:
            yield f"{rule['name']}: tells nobody"


def role_changes_are_told(deployment: Deployment) -> Iterator[str]:
    watched = json.dumps(
        [properties(a)["condition"] for a in deployment.of_type("Microsoft.Insights/activityLogAlerts")]
    )
    for operation in (
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
    ):
        if operation not in watched:
            yield f"nobody is told of {operation}"


def the_workbook_obeys_its_time_range(deployment: Deployment) -> Iterator[str]:
    shown = [*figures(deployment)]
    if not shown:
        yield "there is no workbook"
    for figure in shown:
        if figure["timeContextFromParameter"] != "TimeRange":
            yield f"workbook: {figure['title']}: a time range of its own"


def what_is_done_is_logged(deployment: Deployment) -> Iterator[str]:
    logged = {
        setting["id"].split("/providers/Microsoft.Insights/")[0]: {
            log["category"] for log in properties(setting)["logs"] if log["enabled"]
        }
        for setting in deployment.of_type("Microsoft.Insights/diagnosticSettings")
    }
    data = {
        r["name"].split("/")[0] for r in deployment.of_type("Microsoft.Storage/storageAccounts/queueServices/queues")
    }
    for kind, wanted in LOGGED.items():
        for resource in deployment.of_type(kind):
            account = resource["name"].split("/")[0]
            if kind.endswith("queueServices") and account not in data:
                continue
            if kind.endswith("sites") and properties(resource)["publicNetworkAccess"] == "Disabled":
                # Nobody signs in to what nobody reaches.
                continue
            needed = wanted | ({"StorageRead"} if account in data else set())
            for category in needed - logged.get(resource["id"], set()):
                yield f"{resource['name']}: {category} is not logged"
