"""Access tokens of the local cloud: Entra's claims, signed with a key that the cloud makes at its start.

The claims are those of an application's (managed identity's) version 1.0 token. Azurite looks at `iss`, `aud`,
`nbf`, `exp` and `iat` only; the local Cosmos DB and the local Graph check the signature and the rights too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

SIGNING_KEY_SETTING = "CLAWBACK_LOCAL_SIGNING_KEY"
"""Environment variable that gives the local services the key. Production code never sees it."""

LIFETIME = timedelta(hours=24)
"""A managed identity's token is valid for 24 hours (azure-identity refreshes it at half of that)."""

_ALGORITHM = "HS256"
# A token is valid from five minutes before it is issued, as Entra's are.
_BEFORE = timedelta(minutes=5)


class TokenError(ValueError):
    """The token is not valid; the message says why, for the text of the 401."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An application that calls: for one audience, with the roles that it has there."""

    app_id: str
    object_id: str
    audience: str
    roles: tuple[str, ...] = ()
    name: str = ""


def issue(
    caller: Caller, key: str, tenant_id: str, *, now: datetime | None = None, lifetime: timedelta = LIFETIME
) -> str:
    """A token with the claims of `caller`, valid for `lifetime`."""
    moment = now or datetime.now(UTC)
    claims = {
        "aud": caller.audience,
        "iss": f"https://sts.windows.net/{tenant_id}/",
        "iat": moment,
        "nbf": moment - _BEFORE,
        "exp": moment + lifetime,
        "appid": caller.app_id,
        "azp": caller.app_id,
        "idtyp": "app",
        "oid": caller.object_id,
        "sub": caller.object_id,
        "tid": tenant_id,
        "roles": list(caller.roles),
        "app_displayname": caller.name,
        "ver": "1.0",
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def verify(token: str, key: str, audience: str | Iterable[str]) -> Caller:
    """The caller whom the token names.

    Raises:
        TokenError: it is not signed with `key`, not for (one of) `audience`, not valid now, or lacks a claim.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=audience,
            options={"require": ["aud", "exp", "nbf", "iat", "oid", "appid"]},
        )
    except jwt.InvalidTokenError as error:
        raise TokenError(str(error)) from error
    return Caller(
        app_id=claims["appid"],
        object_id=claims["oid"],
        audience=claims["aud"],
        roles=tuple(claims.get("roles", ())),
        name=claims.get("app_displayname", ""),
    )
