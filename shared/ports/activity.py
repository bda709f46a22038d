"""The activity: one hash chain per incident.

Every method may raise UnavailableError; those that write under an ETag raise ConflictError when it is stale.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from shared.domain.activity import Entry, Head
from shared.domain.ids import IncidentId
from shared.ports.versioned import Versioned


class ActivityStore(Protocol):
    """Container `activity`: one hash chain per incident."""

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        """The end of the chain; None if the incident has no entry yet."""
        ...

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        """Which of these facts are already in the chain."""
        ...

    async def append(self, head: Head, etag: str | None, entries: Sequence[Entry]) -> None:
        """Add at most 99 entries and move the head, all or nothing. `etag` is None for the first.

        Raises:
            ConflictError: somebody else appended first, or one of the entries is already there.
        """
        ...

    def entries(self, incident_id: IncidentId) -> AsyncIterator[Entry]:
        """The whole chain, in order."""
        ...
