"""Limits, with the numbers that Microsoft documents (reference/graph.md 7.1)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from local.emulators.graph.errors import GraphError

MAILBOX_CONCURRENCY = 4
"""Requests at a time per app and mailbox, and Outlook's share of one batch at a time."""
_MAILBOX_REQUESTS, _MAILBOX_SECONDS = 10_000, 600
_TRACE_REQUESTS, _TRACE_SECONDS = 100, 300
_DIRECTORY_SECONDS = 10
_SMALL, _MEDIUM = 50, 500
_CONCURRENCY_RETRY_AFTER = 1
"""Seconds. Exchange's value varies and is not documented. After one second four requests have usually ended."""
_DEFAULT_TOP = 20
"""A `$top` below this costs one resource unit less."""


def directory_units(users: int) -> int:
    """Resource units per app and tenant in ten seconds, by the tenant's size: S, M or L."""
    if users < _SMALL:
        return 3500
    return 5000 if users <= _MEDIUM else 8000


def cost(template: str, options: Mapping[str, str]) -> int:
    """Resource units of a read in the directory."""
    base = 1
    if template.endswith("/transitivemembers"):
        base = 5
    elif template.endswith("/members") or template == "/directoryobjects/getbyids":
        base = 3
    elif template == "/users":
        base = 2
    top = options.get("$top", "")
    # The request may still be refused: any text can be given as `$top`.
    few = top.isascii() and top.isdigit() and len(top) <= len(str(_DEFAULT_TOP)) and int(top) < _DEFAULT_TOP
    return max(1, base - ("$select" in options) + ("$expand" in options) - few)


@dataclass(slots=True)
class _Window:
    """The use of a limit in a period, which begins with the first request."""

    ends: float = 0.0
    used: int = 0


@dataclass
class Throttle:
    """Counts the requests of each app. Refused requests count too, as in Graph."""

    clock: Callable[[], float] = monotonic
    in_flight: Counter[tuple[str, str]] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    """The highest number of concurrent requests of one app for each mailbox, without refused ones."""
    refused: int = 0
    _windows: dict[tuple[str, ...], _Window] = field(default_factory=dict)

    @contextmanager
    def mailbox(self, app: str, user_id: str) -> Iterator[None]:
        """Count a request to a mailbox as long as it runs; 429 ApplicationThrottled if four are running."""
        self._spend(("mailbox", app, user_id), 1, _MAILBOX_REQUESTS, _MAILBOX_SECONDS, "ApplicationThrottled")
        key = (app, user_id)
        if self.in_flight[key] >= MAILBOX_CONCURRENCY:
            self.refused += 1
            raise GraphError(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
                retry_after=_CONCURRENCY_RETRY_AFTER,
            )
        self.in_flight[key] += 1
        self.peak[user_id] = max(self.peak[user_id], self.in_flight[key])
        try:
            yield
        finally:
            self.in_flight[key] -= 1

    def directory(self, app: str, units: int, users: int) -> None:
        """429 if the app has used up the directory's resource units."""
        self._spend(("directory", app), units, directory_units(users), _DIRECTORY_SECONDS, "TooManyRequests")

    def trace(self) -> None:
        """429 if the tenant has used up its message traces."""
        self._spend(("trace",), 1, _TRACE_REQUESTS, _TRACE_SECONDS, "TooManyRequests")

    def _spend(self, key: tuple[str, ...], units: int, limit: int, seconds: int, code: str) -> None:
        now = self.clock()
        window = self._windows.get(key)
        if window is None or now >= window.ends:
            window = self._windows[key] = _Window(now + seconds)
        window.used += units
        if window.used > limit:
            self.refused += 1
            message = f"Application is over its limit of {limit} in {seconds} seconds."
            raise GraphError(429, code, message, retry_after=int(window.ends - now) + 1)

    def reset_statistics(self) -> None:
        """Reset peaks and refusals. The use of limits stays as it is."""
        self.peak.clear()
        self.refused = 0
