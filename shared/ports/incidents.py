"""The incidents, and which incident a message belongs to.

Every method may raise UnavailableError; those that write under an ETag raise ConflictError when it is stale.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from shared.domain.ids import IncidentId
from shared.domain.incident import Incident
from shared.ports.versioned import Versioned


class IncidentStore(Protocol):
    """Container `incidents`: the incidents, and which incident a message belongs to."""

    async def claim_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """The incident that this message belongs to: `incident_id` if it had none so far."""
        ...

    async def move_claim(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """The message now belongs to `new`, unless somebody else has already taken it from `old`."""
        ...

    async def add(self, incident: Incident) -> bool:
        """Keep a new incident; False if it is already there."""
        ...

    async def read(self, incident_id: IncidentId) -> Versioned[Incident]:
        """Raises NotFoundError."""
        ...

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        """Raises ConflictError if the incident has changed since it was read with `etag`."""
        ...

    def newest(self, limit: int) -> AsyncIterator[Incident]:
        """Incidents by `opened_at`, newest first."""
        ...
