"""What each app's identity was granted, read from what is deployed: the templates, not a list of our own.

Graph's application permissions are infra/bicep/graph/permissions.json. Cosmos DB's data-plane roles are in the
evaluated templates: an app that is not granted an action there is refused it here. A Cosmos DB role becomes
`<container>:<action>` for each of its data actions, where the action is without what is the same for all of them
in front: `incidents:items/read`.
"""

import json
import re
from typing import Any

from tools.deployment import TEMPLATES, Deployment

STORAGE = "https://storage.azure.com"
GRAPH = "https://graph.microsoft.com"
# The SDK asks for a token for the account's own host name first, without the port.
COSMOS = ("https://127.0.0.1", "https://cosmos.azure.com")

_ACTION = re.compile(r"^Microsoft\.DocumentDB/databaseAccounts/(?:sqlDatabases/containers/)?")
_CONTAINER = re.compile(r"^Microsoft\.DocumentDB/databaseAccounts/[^/]+/dbs/[^/]+/colls/([^/]+)$")


def grants_of(app: str, deployment: Deployment) -> dict[str, list[str]]:
    """The roles of the app's (pipeline's or web's) identity, by resource.

    Storage's are left out: Azurite asks for none (local/azurite.py).
    """
    cosmos = [
        f"{container[1]}:{_ACTION.sub('', action)}"
        for grant in deployment.grants
        if grant.identity == app and (container := _CONTAINER.match(grant.scope))
        for action in grant.actions
    ]
    permissions: dict[str, Any] = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))
    return {STORAGE: [], GRAPH: sorted(permissions.get(app, ())), **dict.fromkeys(COSMOS, cosmos)}
