"""Who may do what: the caller behind a request's token, and the data actions that it was granted.

A role of the token is `<container>:<action>`, where the action is the last part of a data action of the service
(`items/read`), and the container may be `*` (tools/grants.py).
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Final

from local.emulators.cosmosdb.errors import AAD_NOT_AUTHORIZED, RBAC_DATA_DENIED, CosmosError
from local.emulators.identity.tokens import Caller, TokenError

Authorize = Callable[[str], Caller]

READ_METADATA: Final = "readMetadata"
QUERY: Final = "executeQuery"
READ_FEED: Final = "readChangeFeed"
READ: Final = "items/read"
CREATE: Final = "items/create"
REPLACE: Final = "items/replace"
UPSERT: Final = "items/upsert"
DELETE: Final = "items/delete"

_PREFIX: Final = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/"


def caller_of(header: str, authorize: Authorize) -> Caller:
    """The caller behind `Authorization: type=aad&ver=1.0&sig=<token>`.

    Raises:
        CosmosError: 401 for no token, another kind of token, or one that is not good.
    """
    fields = dict(part.partition("=")[::2] for part in urllib.parse.unquote(header).split("&"))
    if fields.get("type") != "aad" or not fields.get("sig"):
        # Local authentication is off, as in the templates: no account keys.
        raise CosmosError(401, "Local Authorization is disabled. Use an AAD token to authorize all requests.")
    try:
        return authorize(fields["sig"])
    except TokenError as error:
        raise CosmosError(401, f"The AAD token is not valid: {error}") from None


def require(caller: Caller, action: str, container: str | None = None) -> None:
    """Check that the caller was granted the action.

    Raises:
        CosmosError: 403, as the service words it.
    """
    for role in caller.roles:
        where, _, what = role.partition(":")
        if what == action and (container is None or where in (container, "*")):
            return
    raise CosmosError(
        403,
        f"Request blocked by Auth: principal [{caller.object_id}] does not have required RBAC permissions to perform "
        f"action [{_PREFIX}{action}] on resource [{container or 'account'}].",
        substatus=RBAC_DATA_DENIED if container else AAD_NOT_AUTHORIZED,
    )
