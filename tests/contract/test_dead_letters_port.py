"""`DeadLetters`: what every implementation must do."""

import base64
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.names import Stage
from shared.ports.dead_letters import DeadLetter, DeadLetters
from shared.ports.health import ProbeResult
from tests.fakes.clock import START
from tests.fakes.dead_letters import FakeDeadLetters

GARBAGE = b"\x00\xff not JSON, not text"


@pytest.fixture
def dead_letters(services: Services | None) -> DeadLetters:
    return FakeDeadLetters() if services is None else services.dead_letters


async def _of(dead_letters: DeadLetters, message_id: str) -> list[DeadLetter]:
    return [message async for message in dead_letters.all() if message.message_id == message_id]


async def test_a_message_is_kept_with_its_reason(dead_letters: DeadLetters) -> None:
    key = uuid4().hex

    await dead_letters.add(Stage.ENRICH, key, GARBAGE, reason="envelope", detail="v: missing", at=START)

    (message,) = await _of(dead_letters, key)
    assert base64.b64decode(message.body) == GARBAGE
    assert (message.stage, message.reason, message.detail) == (Stage.ENRICH, "envelope", "v: missing")
    assert (message.dead_lettered_at, message.replayed_at) == (START, None)


async def test_a_message_dead_lettered_twice_is_there_once(dead_letters: DeadLetters) -> None:
    key = uuid4().hex
    await dead_letters.add(Stage.ENRICH, key, b"body", reason="first", detail="", at=START)
    (letter,) = await _of(dead_letters, key)
    await dead_letters.replace(letter.model_copy(update={"replayed_at": START}))

    # The delivery that died before the host could delete the message comes again.
    await dead_letters.add(Stage.ENRICH, key, b"body", reason="second", detail="", at=START + timedelta(hours=1))

    (message,) = await _of(dead_letters, key)
    assert (message.reason, message.replayed_at) == ("first", START)


async def test_each_stage_has_its_own_messages(dead_letters: DeadLetters) -> None:
    key = uuid4().hex
    for stage in Stage:
        await dead_letters.add(stage, key, b"body", reason="poison", detail="", at=START)

    messages = await _of(dead_letters, key)

    assert {message.stage for message in messages} == set(Stage)
    assert len({message.id for message in messages}) == len(Stage)


async def test_a_replayed_message_says_so(dead_letters: DeadLetters) -> None:
    key = uuid4().hex
    await dead_letters.add(Stage.REPORT, key, b"body", reason="poison", detail="", at=START)
    (message,) = await _of(dead_letters, key)
    replayed = message.model_copy(update={"replayed_at": START + timedelta(minutes=5)})

    await dead_letters.replace(replayed)

    assert await _of(dead_letters, key) == [replayed]


async def test_looking_finds_it_well_and_keeps_nothing(dead_letters: DeadLetters) -> None:
    before = {message.id async for message in dead_letters.all()}

    assert {probe.result for probe in await dead_letters.probe()} == {ProbeResult.OK}

    assert {message.id async for message in dead_letters.all()} == before
