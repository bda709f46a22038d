"""Bytes that are kept as they came, and large lists that queue messages only name."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.domain.alert import RawPayload
from shared.errors import NotFoundError
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

    async def once(self, path: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The bytes under `path`; if nothing is there, JSON that is made and kept.

        Whoever makes them at the same time gets the same bytes: those that were kept first. What `make` raises is
        raised, and nothing is kept then.
        """
        try:
            return await self.read(path)
        except NotFoundError:
            content = await make()
        kept = await self.keep(path, content, "application/json")
        if kept.sha256 == hashlib.sha256(content).hexdigest():
            return content
        return await self.read(path)

    async def probe(self) -> list[Probe]:
        """How it is with reading from each container."""
        ...
