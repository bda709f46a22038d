"""Who is signed in, and with which role, as App Service Authentication passes it in headers.

Where it is switched on (it says so itself in a setting), it removes these headers from requests from outside. Elsewhere
any caller can set them, and only the function key protects.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from enum import IntEnum

from shared.web.problems import Problem


class AppRole(IntEnum):
    """The app roles of infra/bicep/graph/main.bicep. Each includes the rights of those before it."""

    READER = 1
    RESPONDER = 2
    ADMINISTRATOR = 3


_ROLES = {role.name.title(): role for role in AppRole}
# Claim types that carry app roles: as Entra names it, and as App Service may rename it.
_TYPES = {"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}


def switched_on() -> bool:
    """Whether the platform signs people in."""
    return os.environ.get("WEBSITE_AUTH_ENABLED") == "True"


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header; names are compared without case."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def require(headers: Mapping[str, str], least: AppRole) -> None:
    """Check that the signed-in person has this role or a higher one.

    Raises:
        Problem: not-allowed.
    """
    if switched_on() and max(_roles(headers), default=0) < least:
        raise Problem(403, "not-allowed", "Your role does not allow this", f"It takes {least.name.title()}.")


def _roles(headers: Mapping[str, str]) -> list[AppRole]:
    try:
        principal = json.loads(base64.b64decode(header(headers, "x-ms-client-principal") or "", validate=True))
        claims = [claim for claim in principal["claims"] if claim["typ"] in _TYPES]
        return [_ROLES[claim["val"]] for claim in claims if claim["val"] in _ROLES]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return []
