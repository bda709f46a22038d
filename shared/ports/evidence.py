"""Bytes that are kept as they came, and large lists that queue messages only name."""

from typing import Protocol

from shared.domain.alert import RawPayload
from shared.ports.health import Probe


class EvidenceStore(Protocol):
    """Write-once blobs.

    Raises:
        UnavailableError: the service is throttling or unreachable.
    """

    async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
        """Keep `content` under `path`, unless something is there: that stays then, and is what is told.

        A caller that needs its own bytes kept compares the returned hash, or reads what won.
        """
        ...

    async def read(self, path: str) -> bytes:
        """The bytes under `path`.

        Raises:
            NotFoundError: nothing is there.
        """
        ...

    async def probe(self) -> list[Probe]:
        """How it is with reading from each container."""
        ...
