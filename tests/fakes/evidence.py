"""Write-once blobs in a dictionary."""

import hashlib

from shared.domain.alert import RawPayload
from shared.errors import NotFoundError
from shared.names import EVIDENCE_CONTAINER, RAW_CONTAINER
from shared.ports.evidence import EvidenceStore
from shared.ports.health import Probe, ProbeResult
from tests.fakes.checkpoints import Checkpoints


class FakeEvidence(EvidenceStore):
    """`EvidenceStore`; `blobs` is what it holds."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
        self._checkpoint(f"before keep {path}")
        kept = self.blobs.setdefault(path, content)
        self._checkpoint(f"after keep {path}")
        return RawPayload(path=path, sha256=hashlib.sha256(kept).hexdigest(), size=len(kept))

    async def read(self, path: str) -> bytes:
        self._checkpoint(f"read {path}")
        if path not in self.blobs:
            raise NotFoundError(path)
        return self.blobs[path]

    async def probe(self) -> list[Probe]:
        self._checkpoint("probe evidence")
        return [
            Probe(what=f"container {name}: read", result=ProbeResult.OK) for name in (RAW_CONTAINER, EVIDENCE_CONTAINER)
        ]
