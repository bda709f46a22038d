"""One commit takes no more than Cosmos DB does."""

from collections.abc import Sequence

import pytest

from functions.quarantine import engine
from functions.quarantine.handler import handle
from functions.quarantine.models import sent_size
from shared.domain.target import Chunk, Target, TargetState
from shared.pipeline.payloads import PullChunk, RestoreChunk
from shared.pipeline.stage import Done, RetryLater
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, all=True, command_id="cmd-1")
# By mailbox; the last has none of its own.
COPIES = {"ann": 2, "ben": 3, "cleo": 5, "dora": 1, "emil": 0}
COSMOS_DB_LIMIT = 2 * 2**20


async def a_crowd(folder: str = "Inbox") -> World:
    world = World()
    for mailbox, copies in COPIES.items():
        world.mailboxes.add_box(mailbox)
        for number in range(copies):
            world.mail(mailbox, folder, number)
    await world.plan(*COPIES)
    return world


def commits_of(world: World, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The sizes of the targets in each commit from now on, in bytes."""
    commits: list[list[int]] = []
    real = world.targets.commit

    async def commit(chunk: Chunk, etag: str, changed: Sequence[Target]) -> object:
        commits.append([sent_size(target) for target in changed])
        return await real(chunk, etag, changed)

    monkeypatch.setattr(world.targets, "commit", commit)
    return commits


async def messages_until_done(world: World, message: PullChunk | RestoreChunk) -> int:
    for number in range(1, 20):
        outcome = await handle(message, world.deps)
        if outcome == Done():
            return number
        assert isinstance(outcome, RetryLater)
        world.now.advance(1)
    raise AssertionError("it does not end")


@pytest.mark.parametrize(("most", "needed"), [(1_000_000, 1), (3_500, 2)])
async def test_targets_that_do_not_fit_into_one_commit_are_pulled_by_several_messages(
    most: int, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_MAX_COMMIT", most)
    world = await a_crowd()
    before = world.mailboxes.snapshot()
    commits = commits_of(world, monkeypatch)

    assert await messages_until_done(world, PULL) == needed

    assert {name: len(world.target(name).copies) for name in COPIES} == COPIES
    quarantined = {name for name, state in world.states.items() if state is TargetState.QUARANTINED}
    assert quarantined == {name for name, copies in COPIES.items() if copies}
    assert set(world.mailboxes.moves.values()) == {1}

    await messages_until_done(world, RESTORE)

    assert world.mailboxes.snapshot() == before
    assert set(world.mailboxes.moves.values()) == {2}
    assert max(sum(sizes) for sizes in commits) < most * 1.1, "what is seen after the move is a little more"


async def test_characters_outside_ascii_count_with_their_size_as_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    # Folder names of 255 characters at any depth, each of twelve bytes as sent: 240 KB for each path.
    world = await a_crowd("/".join(["🐟" * 255] * 80))
    for number in range(25):
        world.mail("ann", "Inbox", number, categories=("🐟" * 255,) * 20)
    commits = commits_of(world, monkeypatch)

    assert await messages_until_done(world, PULL) > 1

    assert {name for name, state in world.states.items() if state is TargetState.QUARANTINED} == set(COPIES) - {"emil"}
    assert max(sum(sizes) for sizes in commits) < COSMOS_DB_LIMIT


async def test_a_target_too_large_for_a_document_fails_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_crowd()
    world.mail("ann", "Inbox", 1, categories=("🐟" * 255,) * 1_000)
    before = world.mailboxes.snapshot()

    assert await messages_until_done(world, PULL) == 1

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.FAILED, "record_too_large")
    assert world.mailboxes.snapshot()["ann"] == before["ann"]
    assert world.states["ben"] is TargetState.QUARANTINED
