"""Who is signed in, and with which role, as App Service Authentication passes it in headers.

Where it is switched on (it says so itself in a setting), it removes these headers from requests from outside. Elsewhere
any caller can set them: nobody is signed in there. People have to be signed in unless a setting of ours says `off`, and
App Service Authentication is not there; a setting that is missing or misspelt is not `off`.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from enum import IntEnum

from shared.settings import SIGN_IN, SignInMode
from shared.web.problems import Problem


class AppRole(IntEnum):
    """The app roles of infra/bicep/graph/main.bicep. Each includes the rights of those before it."""

    READER = 1
    RESPONDER = 2
    ADMINISTRATOR = 3


_ROLES = {role.name.title(): role for role in AppRole}
# Claim types that carry app roles: as Entra names it, and as App Service may rename it.
_TYPES = {"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}


def required() -> bool:
    """Whether people have to be signed in."""
    return os.environ.get(SIGN_IN) != SignInMode.OFF or _platform_signs_in()


def _platform_signs_in() -> bool:
    return os.environ.get("WEBSITE_AUTH_ENABLED") == "True"


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header; names are compared without case."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def require(headers: Mapping[str, str], least: AppRole) -> None:
    """Check that the signed-in person has this role or a higher one.

    Raises:
        Problem: nobody-asks, not-allowed.
    """
    if required() and max(_roles(headers), default=0) < least:
        raise Problem(403, "not-allowed", "Your role does not allow this", f"It takes {least.name.title()}.")


def signed_in(headers: Mapping[str, str]) -> str:
    """The name of the person who is signed in, untouched.

    Raises:
        Problem: nobody-asks.
    """
    name = header(headers, "x-ms-client-principal-name")
    if not _platform_signs_in() or not name:
        raise nobody()
    return name


def nobody() -> Problem:
    """Nobody is signed in: the platform signs nobody in, or what it says of the person is missing or cannot be read."""
    return Problem(401, "nobody-asks", "Nobody is signed in")


def _roles(headers: Mapping[str, str]) -> list[AppRole]:
    """The roles of the person who is signed in; those that we do not know are none.

    Raises:
        Problem: nobody-asks.
    """
    if not _platform_signs_in():
        raise nobody()
    try:
        principal = json.loads(base64.b64decode(header(headers, "x-ms-client-principal") or "", validate=True))
        claims = [claim for claim in principal["claims"] if claim["typ"] in _TYPES]
        return [_ROLES[claim["val"]] for claim in claims if claim["val"] in _ROLES]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise nobody() from None
