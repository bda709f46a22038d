"""Faults that tests ask for: errors, delays and dropped connections, as the network and Graph have them."""

import re
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from local.emulators.graph.errors import DroppedConnectionError, GraphError

_CODES = {429: "ApplicationThrottled", 503: "ErrorServerBusy", 504: "UnknownError"}


class FaultError(ValueError):
    """A malformed fault; the message says what is wrong."""


@dataclass(slots=True)
class Fault:
    """One rule. It fits a request, or a sub-request of a batch, that meets all of its conditions.

    Args:
        method: HTTP method; None fits all.
        path: regular expression, searched in the path and query as received (`/users/…/move`, `/$batch`).
        mailbox: object id of a user; None fits all.
        skip: number of fitting requests that are answered normally before the first fault.
        times: number of faults; None means no end.
        status: status of the answer; 0 means that the request is answered normally (after `delay`).
        code: `error.code`.
        retry_after: seconds.
        done: the request is carried out, and its answer is replaced.
        drop: the connection closes without an answer.
        delay: seconds before anything else happens.
    """

    method: str | None = None
    path: str = ""
    mailbox: str | None = None
    skip: int = 0
    times: int | None = 1
    status: int = 0
    code: str = ""
    message: str = "An injected fault."
    retry_after: int | None = None
    done: bool = False
    drop: bool = False
    delay: float = 0.0
    id: int = 0
    hits: int = 0
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise FaultError(f"path: {error}") from None
        if not (self.status or self.drop or self.delay):
            raise FaultError("a fault has a status, drop or delay")

    @property
    def spent(self) -> bool:
        """Whether it has happened `times` times."""
        return self.times is not None and self.hits >= self.times

    def fits(self, method: str, target: str, mailbox: str | None) -> bool:
        """Whether the request meets its conditions."""
        return (
            (self.method is None or self.method.upper() == method)
            and (self.mailbox is None or self.mailbox == mailbox)
            and self._pattern.search(target) is not None
        )

    def fail(self) -> None:
        """Raise its error, or drop the connection; a fault that only delays does neither."""
        if self.drop:
            raise DroppedConnectionError
        if not self.status:
            return
        code = self.code or _CODES.get(self.status, "UnknownError")
        raise GraphError(self.status, code, self.message, retry_after=self.retry_after)

    def describe(self) -> dict[str, Any]:
        """As JSON, for the list of faults."""
        return {"id": self.id, **{name: getattr(self, name) for name in _FIELDS.values()}, "hits": self.hits}


_FIELDS = {
    "method": "method", "path": "path", "mailbox": "mailbox", "skip": "skip", "times": "times", "status": "status",
    "code": "code", "message": "message", "retryAfter": "retry_after", "done": "done", "drop": "drop",
    "delay": "delay",
}  # fmt: skip
"""JSON names → fields."""


class Faults:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._numbers = count(1)

    def add(self, document: Any) -> Fault:
        """Add a rule from JSON: the arguments of `Fault`, in camelCase. `FaultError` for an unknown one."""
        if not isinstance(document, dict):
            raise FaultError("a fault is an object")
        if unknown := document.keys() - _FIELDS.keys():
            raise FaultError(f"unknown: {sorted(unknown)}; known: {sorted(_FIELDS)}")
        fault = Fault(**{_FIELDS[name]: value for name, value in document.items()}, id=next(self._numbers))
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all rules."""
        self.rules.clear()

    def take(self, method: str, target: str, mailbox: str | None) -> Fault | None:
        """The first rule that fits and is not spent. It is counted as having happened."""
        for fault in self.rules:
            if fault.spent or not fault.fits(method, target, mailbox):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            return fault
        return None
