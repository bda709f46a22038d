"""Probes: what is found when one thing that Clawback uses is looked at."""

from collections.abc import Awaitable
from enum import StrEnum
from typing import Protocol

from shared.domain.base import Frozen
from shared.errors import ClawbackError, DeniedError, NotFoundError


class ProbeResult(StrEnum):
    """The result of a probe."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    """The identity lacks the right."""
    UNAVAILABLE = "unavailable"
    """It cannot be reached, or it refuses for now."""
    WRONG = "wrong"
    """It is there, and not as it should be."""


class Probe(Frozen):
    """One thing that was looked at, such as `queue enrich-poison`, and the result."""

    what: str
    result: ProbeResult
    detail: str = ""


class Probed(Protocol):
    """An adapter that can look at what it needs, changing nothing."""

    async def probe(self) -> list[Probe]:
        """One probe for each thing; a bad result is in the probe, and raises nothing."""
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
