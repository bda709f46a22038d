"""One round takes no more than one commit does."""

import pytest

from functions.quarantine import engine
from functions.quarantine.handler import handle
from shared.domain.target import TargetState
from shared.pipeline.payloads import PullChunk, RestoreChunk
from shared.pipeline.stage import Done, RetryLater
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1")
# By mailbox; the last has none of its own.
COPIES = {"ann": 2, "ben": 3, "cleo": 5, "dora": 1, "emil": 0}


async def a_crowd() -> World:
    world = World()
    for mailbox, copies in COPIES.items():
        world.mailboxes.add_box(mailbox)
        for number in range(copies):
            world.mail(mailbox, "Inbox", number)
    await world.plan(*COPIES)
    return world


async def rounds(world: World, message: PullChunk | RestoreChunk, most: int) -> int:
    """How many it takes; none changes more copies than one commit may, but for one target that has more by itself."""
    for number in range(1, 20):
        before = {target.id: target for target in world.targets.all}
        outcome = await handle(message, world.deps)
        sizes = [len(target.copies) for target in world.targets.all if target != before[target.id]]
        assert sum(sizes) <= most or len([size for size in sizes if size]) == 1
        if outcome == Done():
            return number
        assert isinstance(outcome, RetryLater)
        world.now.advance(1)
    raise AssertionError("it does not end")


@pytest.mark.parametrize(("most", "needed"), [(500, 1), (5, 3), (3, 4), (1, 4)])
async def test_more_copies_than_one_commit_takes_are_pulled_in_several_rounds(
    most: int, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_MAX_COPIES", most)
    world = await a_crowd()
    before = world.mailboxes.snapshot()

    assert await rounds(world, PULL, most) == needed

    assert {name: len(world.target(name).copies) for name in COPIES} == COPIES
    quarantined = {name for name, state in world.states.items() if state is TargetState.QUARANTINED}
    assert quarantined == {name for name, copies in COPIES.items() if copies}
    assert set(world.mailboxes.moves.values()) == {1}

    await rounds(world, RESTORE, most)

    assert world.mailboxes.snapshot() == before
    assert set(world.mailboxes.moves.values()) == {2}
