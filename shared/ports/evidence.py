"""Write-once blobs: raw payloads as they came, and large lists that queue messages only name."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol

from shared.domain.alert import RawPayload
from shared.ports.health import Probe


class EvidenceStore(Protocol):
    """Write-once blobs.

    Raises:
        UnavailableError: the service is throttling or unreachable.
    """

    async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
        """Keep `content` under `path`. If something is there already, that stays, and is what the answer describes.

        A caller that needs its own bytes kept compares the returned hash, or reads what won.
        """
        ...

    async def once(self, path: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The bytes under `path`, made and kept if nothing was there; of two who make them, both get what was kept."""
        ...

    async def keep_lines(self, path: str, lines: Iterable[bytes]) -> None:
        """As `keep`, for what is too large to be held at once. What was kept first stays."""
        ...

    def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines under `path`, each with its line end, one after the other.

        Raises:
            NotFoundError: nothing is there.
        """
        ...

    async def read(self, path: str) -> bytes:
        """The bytes under `path`.

        Raises:
            NotFoundError: nothing is there.
        """
        ...

    def names(self, folder: str) -> AsyncIterator[str]:
        """The paths of everything in this folder, which ends with `/`."""
        ...

    async def probe(self) -> list[Probe]:
        """Whether each container can be read."""
        ...
