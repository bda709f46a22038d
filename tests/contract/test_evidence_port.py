"""`EvidenceStore`: what every implementation must do."""

import asyncio
import hashlib
from itertools import count
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.errors import NotFoundError, UnavailableError
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


async def test_what_is_made_is_made_once(evidence: EvidenceStore) -> None:
    path, made = f"plans/{uuid4().hex}.json", count(1)

    async def make() -> bytes:
        return b"%d" % next(made)

    assert [await evidence.once(path, make) for _ in range(3)] == [b"1", b"1", b"1"]
    assert await evidence.read(path) == b"1"


async def test_of_many_that_make_it_at_once_all_get_the_same(evidence: EvidenceStore) -> None:
    path, made = f"plans/{uuid4().hex}.json", count(1)

    async def make() -> bytes:
        await asyncio.sleep(0)
        return b"%d" % next(made)

    (winner,) = set(await asyncio.gather(*(evidence.once(path, make) for _ in range(8))))
    assert await evidence.read(path) == winner


async def test_what_could_not_be_made_is_not_kept(evidence: EvidenceStore) -> None:
    path = f"plans/{uuid4().hex}.json"

    async def make() -> bytes:
        raise UnavailableError("trace")

    with pytest.raises(UnavailableError):
        await evidence.once(path, make)
    with pytest.raises(NotFoundError):
        await evidence.read(path)


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


async def test_a_folder_names_what_is_in_it_and_nothing_else(evidence: EvidenceStore) -> None:
    folder = f"anchors/{uuid4().hex}"
    for name in ("b", "a"):
        await evidence.keep(f"{folder}/{name}.json", b"{}")
    await evidence.keep(f"{folder}-other/c.json", b"{}")

    assert sorted([path async for path in evidence.names(f"{folder}/")]) == [f"{folder}/a.json", f"{folder}/b.json"]
    assert [path async for path in evidence.names(f"anchors/{uuid4().hex}/")] == []
