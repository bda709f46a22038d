"""The one clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment in UTC. Tests give their own."""


def utc_now() -> datetime:
    """The present moment, to the millisecond: what JSON, Cosmos DB and Graph all keep."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
