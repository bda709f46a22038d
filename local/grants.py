"""What each app's identity was granted, read from what is deployed: the templates, not a list of our own.

Graph's application permissions are infra/bicep/graph/permissions.json. Cosmos DB's data-plane roles are in the
evaluated templates (infra/bicep/params/local.snapshot.json): an app that is not granted an action there is
refused it here. A Cosmos DB role becomes `<container>:<action>` for each of its data actions, where the action is
without its `Microsoft.DocumentDB/databaseAccounts/…/containers/` in front: `incidents:items/read`.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

STORAGE = "https://storage.azure.com"
GRAPH = "https://graph.microsoft.com"
# The SDK asks for a token for the account's own host name first, without the port.
COSMOS = ("https://127.0.0.1", "https://cosmos.azure.com")

_TEMPLATES = Path(__file__).parents[1] / "infra" / "bicep"
_ACTION = re.compile(r"^Microsoft\.DocumentDB/databaseAccounts/(?:sqlDatabases/containers/)?")
# The principal is an expression that only a deployment resolves; the identity's name is in it.
_PRINCIPAL = re.compile(r"/userAssignedIdentities/id-clawback-(\w+)-local-")


def grants_of(app: str) -> dict[str, list[str]]:
    """The roles of the app's (pipeline's or web's) identity, by resource.

    Storage's are left out: Azurite asks for none (local/azurite.py).
    """
    cosmos = _cosmos_roles()[app]
    return {STORAGE: [], GRAPH: _graph_roles(app), **dict.fromkeys(COSMOS, cosmos)}


def _graph_roles(app: str) -> list[str]:
    permissions: dict[str, Any] = json.loads((_TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))
    return sorted(permissions.get(app, ()))


@cache
def _cosmos_roles() -> dict[str, list[str]]:
    snapshot = json.loads((_TEMPLATES / "params" / "local.snapshot.json").read_text(encoding="utf-8"))
    resources: list[dict[str, Any]] = snapshot["predictedResources"]
    actions = {
        resource["id"]: [
            _ACTION.sub("", action)
            for permission in resource["properties"]["permissions"]
            for action in permission["dataActions"]
        ]
        for resource in resources
        if resource["type"] == "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions"
    }
    roles: dict[str, list[str]] = {}
    for resource in resources:
        if resource["type"] == "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments":
            assignment = resource["properties"]
            principal = _PRINCIPAL.search(assignment["principalId"])
            if principal is None:
                raise ValueError(f"{resource['name']}: its principal is none of the apps' identities")
            container = assignment["scope"].partition("/colls/")[2] or "*"
            roles.setdefault(principal[1], []).extend(
                f"{container}:{action}" for action in actions[assignment["roleDefinitionId"]]
            )
    return roles
