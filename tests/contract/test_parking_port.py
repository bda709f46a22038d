"""`Parking`: what every implementation must do."""

import base64
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.names import Stage
from shared.ports.health import Found
from shared.ports.parking import ParkedMessage, Parking
from tests.fakes.clock import START
from tests.fakes.parking import FakeParking

GARBAGE = b"\x00\xff not JSON, not text"


@pytest.fixture
def parking(services: Services | None) -> Parking:
    return FakeParking() if services is None else services.parking


async def _of(parking: Parking, message_id: str) -> list[ParkedMessage]:
    return [message async for message in parking.parked() if message.message_id == message_id]


async def test_a_message_is_kept_with_its_reason(parking: Parking) -> None:
    key = uuid4().hex

    await parking.park(Stage.ENRICH, key, GARBAGE, reason="envelope", detail="v: missing", at=START)

    (message,) = await _of(parking, key)
    assert base64.b64decode(message.body) == GARBAGE
    assert (message.stage, message.reason, message.detail) == (Stage.ENRICH, "envelope", "v: missing")
    assert (message.parked_at, message.replayed_at) == (START, None)


async def test_a_message_parked_twice_is_there_once(parking: Parking) -> None:
    key = uuid4().hex
    await parking.park(Stage.ENRICH, key, b"body", reason="first", detail="", at=START)
    (parked,) = await _of(parking, key)
    await parking.replace(parked.model_copy(update={"replayed_at": START}))

    # The delivery that died before the host could delete the message comes again.
    await parking.park(Stage.ENRICH, key, b"body", reason="second", detail="", at=START + timedelta(hours=1))

    (message,) = await _of(parking, key)
    assert (message.reason, message.replayed_at) == ("first", START)


async def test_each_stage_has_its_own_messages(parking: Parking) -> None:
    key = uuid4().hex
    for stage in Stage:
        await parking.park(stage, key, b"body", reason="poison", detail="", at=START)

    messages = await _of(parking, key)

    assert {message.stage for message in messages} == set(Stage)
    assert len({message.id for message in messages}) == len(Stage)


async def test_a_replayed_message_says_so(parking: Parking) -> None:
    key = uuid4().hex
    await parking.park(Stage.REPORT, key, b"body", reason="poison", detail="", at=START)
    (message,) = await _of(parking, key)
    replayed = message.model_copy(update={"replayed_at": START + timedelta(minutes=5)})

    await parking.replace(replayed)

    assert await _of(parking, key) == [replayed]


async def test_looking_finds_it_well_and_keeps_nothing(parking: Parking) -> None:
    before = {message.id async for message in parking.parked()}

    assert {probe.found for probe in await parking.probe()} == {Found.OK}

    assert {message.id async for message in parking.parked()} == before
