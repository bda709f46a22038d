"""While a person has paused pulling, or policy lets the installation only plan, nothing is pulled and undo works."""

from dataclasses import replace
from datetime import datetime

import pytest

from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain.incident import PlanState
from shared.domain.target import TargetState
from shared.domain.tenant import Pause, PauseChange
from shared.pipeline.payloads import ApprovePlan, ChunkChanged, PullChunk, RestoreChunk
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater
from shared.policy import Mode
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, LEASE_SECONDS, PLAN, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1")
PAUSED = RetryLater("paused", 60.0, for_person=True)


def change_pause(world: World, at: datetime, *, paused: bool = True) -> None:
    told = PauseChange(command_id=f"cmd-{at.timestamp()}", paused=paused, by="ann", at=at, reason="wrong mail")
    pause = world.tenant.now(Pause)
    world.tenant.put(pause.after(told) or pause)


async def planned(*mailboxes: str, checkpoints: Checkpoints | None = None) -> World:
    world = World(checkpoints or Checkpoints())
    for number, mailbox in enumerate(mailboxes, start=1):
        world.mail(mailbox, "Inbox", number)
    await world.plan(*mailboxes)
    world.before = world.mailboxes.snapshot()
    return world


def observing(world: World) -> Deps:
    return replace(world.deps, policy=world.deps.policy.model_copy(update={"mode": Mode.OBSERVE}))


async def test_while_paused_nothing_is_looked_for_or_moved() -> None:
    checkpoints = Checkpoints()
    world = await planned("ann", "bob", checkpoints=checkpoints)
    change_pause(world, world.now())
    checkpoints.names.clear()

    assert await handle(PULL, world.deps) == PAUSED

    assert checkpoints.names == ["read pause"]
    assert world.mailboxes.snapshot() == world.before
    assert set(world.states.values()) == {TargetState.PLANNED}
    assert world.queue.sent == []


async def test_after_a_resume_everything_is_pulled() -> None:
    world = await planned("ann", "bob")
    change_pause(world, world.now())
    assert await handle(PULL, world.deps) == PAUSED
    world.now.advance(5)
    change_pause(world, world.now(), paused=False)

    assert await handle(PULL, world.deps) == Done()

    assert set(world.states.values()) == {TargetState.QUARANTINED}
    assert [target.attempts for target in world.targets.all] == [0, 0]


async def test_a_pause_that_comes_while_mailboxes_are_searched_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await planned("ann")
    find = world.mailboxes.find

    async def found(*arguments: object) -> object:
        change_pause(world, world.now())
        return await find(*arguments)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(world.mailboxes, "find", found)
    assert await handle(PULL, world.deps) == PAUSED
    assert not world.mailboxes.moves
    assert world.states == {"ann": TargetState.PLANNED}


async def test_a_chunk_between_write_ahead_and_move_finishes_that_move(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await planned("ann", "bob")
    move = world.mailboxes.move

    async def moved(*arguments: object) -> object:
        assert set(world.states.values()) == {TargetState.LOCATED}
        change_pause(world, world.now())
        return await move(*arguments)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(world.mailboxes, "move", moved)
    assert await handle(PULL, world.deps) == Done()
    assert set(world.states.values()) == {TargetState.QUARANTINED}


@pytest.mark.parametrize("by_policy", [True, False])
async def test_undo_works_meanwhile_and_pulls_nothing_else_of_its_chunk(by_policy: bool) -> None:
    world = await planned("ann", "bob", "eve")
    await handle(PULL, world.deps)
    planned_again = world.target("eve").model_copy(update={"state": TargetState.PLANNED, "copies": ()})
    header, _ = await world.targets.read_chunk(CHUNK)
    await world.targets.commit(header.value, header.etag, [planned_again])
    world.mail("eve", "Inbox", 9)
    deps = observing(world) if by_policy else world.deps
    if not by_policy:
        change_pause(world, world.now())
    world.queue.sent.clear()

    named = RESTORE.model_copy(update={"targets": (world.target("ann").id,)})
    assert await handle(named, deps) == Done()

    assert world.states == {
        "ann": TargetState.RESTORED,
        "bob": TargetState.QUARANTINED,
        "eve": TargetState.PLANNED,
    }
    assert world.mailboxes.snapshot()["ann"] == world.before["ann"]
    assert world.mailboxes.boxes["eve"].items["eve/9"].folder_id == world.mailboxes.folder("eve", "Inbox")
    assert world.queue.sent == [ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK)]


async def test_what_was_not_pulled_yet_is_called_back_while_paused() -> None:
    world = await planned("ann")
    change_pause(world, world.now())
    assert await handle(RESTORE, world.deps) == Done()
    assert world.states == {"ann": TargetState.HELD}
    assert world.mailboxes.snapshot() == world.before


async def died_before_the_move(*mailboxes: str) -> World:
    """A worker died after its write-ahead, and then pulling was paused."""
    checkpoints = Checkpoints()
    world = await planned(*mailboxes, checkpoints=checkpoints)
    dry = Checkpoints()
    await handle(PULL, (await planned(*mailboxes, checkpoints=dry)).deps)
    checkpoints.passed, checkpoints.die_at = 0, dry.names.index("before move") - dry.names.index("read pause")
    with pytest.raises(ProcessDied):
        await handle(PULL, world.deps)
    checkpoints.revive()
    world.now.advance(LEASE_SECONDS + 1)
    change_pause(world, world.now())
    assert set(world.states.values()) == {TargetState.LOCATED}
    return world


async def until_done(message: RestoreChunk, world: World) -> Outcome:
    for _ in range(5):
        outcome = await handle(message, world.deps)
        if not isinstance(outcome, RetryLater):
            return outcome
        world.now.advance(outcome.seconds or 1)
    raise AssertionError(outcome)


async def test_what_a_dead_worker_had_written_down_waits_until_the_resume() -> None:
    world = await died_before_the_move("ann", "bob")
    assert await handle(PULL, world.deps) == PAUSED
    assert world.mailboxes.snapshot()["ann"] == world.before["ann"]


async def test_what_a_dead_worker_had_written_down_can_be_undone_while_paused() -> None:
    world = await died_before_the_move("ann", "bob")
    named = RESTORE.model_copy(update={"targets": (world.target("ann").id,)})

    assert await until_done(named, world) == Done()

    assert world.states["ann"] is TargetState.RESTORED
    assert world.states["bob"] is TargetState.LOCATED
    hidden = world.mailboxes.folder("bob", QUARANTINE)
    assert all(item.folder_id != hidden for item in world.mailboxes.boxes["bob"].items.values())


async def test_the_sweep_adds_no_messages_while_paused() -> None:
    world = await died_before_the_move("ann")
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    assert await sweep(deps) == 0
    world.now.advance(5)
    change_pause(world, world.now(), paused=False)
    assert await sweep(deps) == 1


async def test_an_installation_that_only_plans_pulls_nothing_not_even_what_ran_before() -> None:
    world = await planned("ann")
    assert await handle(PULL, observing(world)) == RetryLater("observe", 60.0, for_person=True)
    assert world.mailboxes.snapshot() == world.before


async def test_an_approval_that_comes_all_the_same_is_refused_while_observing() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)
    approval = ApprovePlan(
        incident_id=INCIDENT, plan_id=PLAN, plan_hash="f" * 64, command_id="cmd-2", by="ann", at=world.now()
    )
    outcome = await handle(approval, observing(world))
    assert isinstance(outcome, Reject)
    assert outcome.reason == "observe"
    assert world.queue.sent == []
