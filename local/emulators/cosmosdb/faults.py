"""Faults that a test asks for, and counts of requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from local.emulators.cosmosdb.errors import RATE_TOO_LARGE, CosmosError


@dataclass(slots=True)
class Fault:
    """The answer to the next `times` requests of `operation` (None: any) to `container` (None: any).

    `done` lets the request be carried out first: only its answer is lost. `delay` is in seconds.
    """

    status: int = 0
    operation: str | None = None
    container: str | None = None
    times: int = 1
    retry_after_ms: int | None = None
    done: bool = False
    delay: float = 0.0

    def fits(self, operation: str, container: str | None) -> bool:
        """Whether this request meets the fault."""
        return (
            self.times > 0
            and (self.operation is None or self.operation == operation)
            and (self.container is None or self.container == container)
        )

    def error(self) -> CosmosError:
        """The answer."""
        substatus = RATE_TOO_LARGE if self.status == 429 else 0  # noqa: PLR2004 - too many requests
        return CosmosError(self.status, "An injected fault.", substatus=substatus, retry_after_ms=self.retry_after_ms)


@dataclass(slots=True)
class RequestLog:
    """Faults that wait for their request, and counts of requests since the last reset."""

    faults: list[Fault] = field(default_factory=list)
    by_operation: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    charge: float = 0.0

    def add(self, document: Any) -> None:
        """A fault as JSON; TypeError if it names something that faults do not have."""
        self.faults.append(Fault(**document))

    def take(self, operation: str, container: str | None) -> Fault | None:
        """The fault that this request meets."""
        fault = next((one for one in self.faults if one.fits(operation, container)), None)
        if fault is not None:
            fault.times -= 1
            self.faults = [one for one in self.faults if one.times > 0]
        return fault

    def reset(self) -> None:
        """Set the counts to zero; faults stay."""
        self.by_operation.clear()
        self.by_status.clear()
        self.charge = 0.0

    def report(self) -> dict[str, Any]:
        """The counts since the last reset."""
        return {
            "requests": sum(self.by_operation.values()),
            "byOperation": dict(self.by_operation),
            "byStatus": dict(self.by_status),
            "requestCharge": round(self.charge, 2),
        }
