"""`EvidenceStore`: what every implementation must do."""

import asyncio
import hashlib
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.errors import NotFoundError
from shared.ports.evidence import EvidenceStore
from shared.ports.health import ProbeResult
from tests.fakes.evidence import FakeEvidence

# No text in any encoding, and what a careless store would cut at or translate.
BYTES = b'\x00\xff\xfe{"a":1}\r\n\x1a' * 1000


@pytest.fixture
def evidence(services: Services | None) -> EvidenceStore:
    return FakeEvidence() if services is None else services.evidence


@pytest.mark.parametrize("folder", ["raw/test/2026-03-02", "rejected/test", "plans/inc-1"])
async def test_bytes_come_back_as_they_were(evidence: EvidenceStore, folder: str) -> None:
    path = f"{folder}/{uuid4().hex}.json"

    kept = await evidence.keep(path, BYTES, "application/json")

    assert (kept.path, kept.size) == (path, len(BYTES))
    assert kept.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert await evidence.read(path) == BYTES


async def test_what_is_there_stays_and_is_told(evidence: EvidenceStore) -> None:
    path = f"plans/{uuid4().hex}.json"
    first = await evidence.keep(path, b"first")

    second = await evidence.keep(path, b"second")

    assert second == first
    assert await evidence.read(path) == b"first"


async def test_of_many_at_once_one_wins_and_all_are_told_which(evidence: EvidenceStore) -> None:
    path = f"plans/{uuid4().hex}.json"

    told = await asyncio.gather(*(evidence.keep(path, b"writer %d" % i) for i in range(8)))

    (winner,) = {kept.sha256 for kept in told}
    assert hashlib.sha256(await evidence.read(path)).hexdigest() == winner


async def test_nothing_at_all_can_be_kept(evidence: EvidenceStore) -> None:
    path = f"raw/test/{uuid4().hex}.json"

    assert (await evidence.keep(path, b"")).size == 0
    assert await evidence.read(path) == b""


async def test_what_was_never_kept_is_not_found(evidence: EvidenceStore) -> None:
    with pytest.raises(NotFoundError):
        await evidence.read(f"plans/{uuid4().hex}.json")


async def test_looking_finds_both_containers_well(evidence: EvidenceStore) -> None:
    assert [(probe.what, probe.result) for probe in await evidence.probe()] == [
        ("container raw: read", ProbeResult.OK),
        ("container evidence: read", ProbeResult.OK),
    ]
