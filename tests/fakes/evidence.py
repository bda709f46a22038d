"""Write-once blobs in a dictionary."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from shared.domain.alert import RawPayload
from shared.errors import NotFoundError
from shared.names import EVIDENCE_CONTAINER, RAW_CONTAINER
from shared.ports.health import Probe, ProbeResult
from tests.fakes.checkpoints import Checkpoints


class FakeEvidence:
    """`EvidenceStore`; `blobs` is what it holds."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
        self._checkpoint(f"before keep {path}")
        kept = self.blobs.setdefault(path, content)
        self._checkpoint(f"after keep {path}")
        return RawPayload(path=path, sha256=hashlib.sha256(kept).hexdigest(), size=len(kept))

    async def once(self, path: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        self._checkpoint(f"read {path}")
        if path not in self.blobs:
            await self.keep(path, await make())
        return self.blobs[path]

    async def keep_lines(self, path: str, lines: Iterable[bytes]) -> None:
        await self.keep(path, b"".join(lines))

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        for line in (await self.read(path)).splitlines(keepends=True):
            yield line

    async def read(self, path: str) -> bytes:
        self._checkpoint(f"read {path}")
        if path not in self.blobs:
            raise NotFoundError(path)
        return self.blobs[path]

    async def names(self, folder: str) -> AsyncIterator[str]:
        self._checkpoint(f"list {folder}")
        for path in sorted(self.blobs):
            if path.startswith(folder):
                yield path

    async def probe(self) -> list[Probe]:
        self._checkpoint("probe evidence")
        return [
            Probe(what=f"container {name}: read", result=ProbeResult.OK) for name in (RAW_CONTAINER, EVIDENCE_CONTAINER)
        ]
