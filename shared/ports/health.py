"""What a look at one thing that Clawback touches finds."""

from collections.abc import Awaitable
from enum import StrEnum
from typing import Protocol

from shared.domain.base import Frozen
from shared.errors import ClawbackError, DeniedError, NotFoundError


class ProbeResult(StrEnum):
    """How it is with one thing."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    """The identity lacks the right."""
    UNAVAILABLE = "unavailable"
    """It cannot be reached, or it refuses for now."""
    WRONG = "wrong"
    """It is there, and not as it should be."""


class Probe(Frozen):
    """One thing, such as `queue enrich-poison`, and how it is with it."""

    what: str
    result: ProbeResult
    detail: str = ""


class Probed(Protocol):
    """An adapter that can look at what it needs, changing nothing."""

    async def probe(self) -> list[Probe]:
        """One probe for each thing; never raises because of how it is with one."""
        ...


class GraphToken(Protocol):
    """What the identity was granted in Graph."""

    async def roles(self) -> tuple[str, ...]:
        """The application permissions in a token of now.

        Raises:
            UnavailableError, DeniedError: there is no token.
        """
        ...


async def look(what: str, call: Awaitable[object]) -> Probe:
    """The probe that a call's outcome makes."""
    try:
        await call
    except NotFoundError as error:
        return Probe(what=what, result=ProbeResult.MISSING, detail=str(error))
    except DeniedError as error:
        return Probe(what=what, result=ProbeResult.DENIED, detail=str(error))
    except ClawbackError as error:
        return Probe(what=what, result=ProbeResult.UNAVAILABLE, detail=str(error))
    except Exception as error:  # noqa: BLE001 - one thing that is broken in a new way must not hide the others
        return Probe(what=what, result=ProbeResult.WRONG, detail=type(error).__name__)
    return Probe(what=what, result=ProbeResult.OK)
