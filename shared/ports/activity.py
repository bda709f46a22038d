"""The activity: one hash chain per incident.

Every method may raise UnavailableError; those that write under an ETag raise ConflictError when it is stale.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from shared.domain.activity import Document, Entry, Head
from shared.domain.ids import IncidentId, PlanId
from shared.ports.versioned import Versioned


class ActivityStore(Protocol):
    """Container `activity`: one hash chain per incident."""

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        """The end of the chain; None if the incident has no entry yet."""
        ...

    async def plan_count(self, incident_id: IncidentId, plan_id: PlanId) -> int:
        """How many targets of the plan have reached a terminal state; 0 if none was counted."""
        ...

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        """Which of these audit events are already in the chain."""
        ...

    async def append(
        self, head: Head, etag: str | None, entries: Sequence[Entry], plan_counts: Mapping[PlanId, int]
    ) -> None:
        """Add entries, set the counts of these plans and move the head, all or nothing.

        A count may only be set to what it was after the head was read with `etag`, and more: whoever changes a count
        moves the head, so that a count that is no longer true meets a head that has moved.

        Args:
            head: the new head.
            etag: of the head that the entries follow; None if they are the first.
            entries: what follows it. Together with the head and the counts at most `MAX_BATCH` records.
            plan_counts: for each plan, how many of its targets have now reached a terminal state.

        Raises:
            ConflictError: somebody else appended first, or one of the entries is already there.
            ValueError: more than one batch takes (`shared.domain.batch`).
        """
        ...

    def entries(self, incident_id: IncidentId, after: int = 0, to: int | None = None) -> AsyncIterator[Document]:
        """The documents of the entries, in order of their sequence numbers, as they are stored.

        Args:
            incident_id: the incident.
            after: only entries with a larger sequence number than this.
            to: only entries with at most this sequence number; None means the whole rest.
        """
        ...
