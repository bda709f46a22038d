"""Who is signed in, and with which role: what App Service Authentication tells in headers.

It takes these headers away from whoever sends them from outside; but only where it is switched on, which it says
itself. Elsewhere they are anybody's claim, and the function key is all that is asked for.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from enum import IntEnum

from shared.web.problems import Problem


class AppRole(IntEnum):
    """The app roles of infra/bicep/graph/main.bicep; each may what the ones before it may."""

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
    """A header, whatever the case of its name."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def require(headers: Mapping[str, str], least: AppRole) -> None:
    """Go on only if whoever is signed in has this role or a higher one.

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
