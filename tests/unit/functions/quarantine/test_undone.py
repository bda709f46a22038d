"""What a person undid: it is remembered by message before any chunk is asked, and no plan goes on by itself."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from functions.quarantine.handler import handle
from shared.domain.ids import ChunkId, IncidentId
from shared.domain.incident import CaseMessage, Command, IncidentState, Plan, PlanState
from shared.domain.message import Message
from shared.domain.target import TargetState
from shared.domain.undone import UndoClass, UndoEntry, by_message
from shared.pipeline.payloads import ApprovePlan, IncidentChanged, PullChunk, RestoreChunk, UndoPull
from shared.pipeline.stage import Done
from tests.fakes.checkpoints import ProcessDied
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, MESSAGE_ID, PLAN, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
KEYS = {"msg-1", Message(internet_message_id=MESSAGE_ID).key}
NETWORK_ID = Message(network_message_id="nmid-1")
OTHER = Message(internet_message_id="<other@evil.example>")


async def ready(*people: str, state: PlanState = PlanState.RUNNING) -> World:
    """A plan for these people; the alerts of the case name its mail, and another one."""
    world = World()
    for name in people:
        world.mail(name, "Inbox")
    await world.plan(*people, state=state)
    named = Message(internet_message_id=MESSAGE_ID, network_message_id="nmid-1")
    messages = (CaseMessage(id=m.key, incident_id=INCIDENT, message=m) for m in (named, OTHER))
    world.incidents.put(INCIDENT, *messages)
    return world


def wish(world: World, *people: str) -> UndoPull:
    """Ann wants these people's mail back, or that of all."""
    return UndoPull(
        incident_id=INCIDENT,
        targets=tuple(world.target(name).id for name in people),
        all=not people,
        command_id="cmd-1",
        by="Ann",
        at=world.now(),
        reason="our newsletter",
        undo_class=UndoClass.FALSE_POSITIVE,
    )


def entry(world: World) -> UndoEntry:
    """What is remembered of it."""
    return UndoEntry(
        command_id="cmd-1",
        incident_id=INCIDENT,
        by="Ann",
        at=world.now(),
        reason="our newsletter",
        undo_class=UndoClass.FALSE_POSITIVE,
    )


async def elsewhere(world: World) -> None:
    """The same mail is undone in another case."""
    other = entry(world).model_copy(update={"incident_id": IncidentId("inc-2")})
    await world.undone.remember(by_message([], [MESSAGE_ID]), other)


def remembered(world: World) -> dict[str, tuple[UndoEntry, ...]]:
    return {one.message_key: one.entries for one in world.undone.all}


async def test_an_undo_of_named_targets_is_remembered_under_all_keys_of_their_message_and_of_no_other() -> None:
    world = await ready("ann", "bob")
    assert await handle(wish(world, "ann"), world.deps) == Done()
    assert remembered(world) == dict.fromkeys(KEYS | {NETWORK_ID.key}, (entry(world),))


async def test_an_undo_of_all_is_remembered_for_all_messages_of_the_case() -> None:
    world = await ready("ann", "bob")
    assert await handle(wish(world), world.deps) == Done()
    assert remembered(world).keys() == KEYS | {NETWORK_ID.key, OTHER.key}
    (command,) = world.incidents.of(INCIDENT, Command)
    assert (command.all, command.undo_class, command.reason) == (True, UndoClass.FALSE_POSITIVE, "our newsletter")


async def test_an_undo_that_is_delivered_again_or_dies_on_the_way_is_remembered_once() -> None:
    for place in range(1, 200):
        world = await ready("ann", "bob")
        world.checkpoints.die_at = world.checkpoints.passed + place
        died = False
        try:
            await handle(wish(world), world.deps)
        except ProcessDied:
            died = True
        asked = [one for one in world.queue.sent if isinstance(one, RestoreChunk)]
        world.checkpoints.revive()
        # Whatever is asked to be put back is remembered before.
        assert not asked or remembered(world).keys() == KEYS | {NETWORK_ID.key, OTHER.key}
        await handle(wish(world), world.deps)
        await handle(wish(world), world.deps)
        assert set(remembered(world).values()) == {(entry(world),)}
        assert len(world.incidents.of(INCIDENT, Command)) == 1
        if not died:
            return
    raise AssertionError("it never ended")


async def test_a_message_without_targets_and_without_all_is_rejected() -> None:
    known = {"incidentId": INCIDENT, "commandId": "cmd-1"}
    for said in ({"all": False}, {"all": False, "targets": []}, {"all": True, "targets": ["target-1"]}):
        with pytest.raises(ValidationError):
            UndoPull.model_validate({**known, "by": "Ann", "at": "2026-03-02T09:00:00Z", **said})
        with pytest.raises(ValidationError):
            RestoreChunk.model_validate({**known, "chunkId": CHUNK, **said})


async def test_a_message_of_the_last_release_without_targets_still_means_all() -> None:
    world = await ready("ann", "bob")
    await handle(PULL, world.deps)
    world.queue.sent.clear()
    old = UndoPull.model_validate(
        {"incidentId": INCIDENT, "commandId": "cmd-1", "by": "Ann", "at": world.now().isoformat(), "targets": []}
    )
    assert old.all is None
    assert await handle(old, world.deps) == Done()
    restore = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, all=True, command_id="cmd-1")
    assert world.queue.sent == [IncidentChanged(incident_id=INCIDENT), restore]
    older = RestoreChunk.model_validate({"incidentId": INCIDENT, "chunkId": CHUNK, "commandId": "cmd-1"})
    await handle(older, world.deps)
    assert set(world.states.values()) == {TargetState.RESTORED}


async def test_an_undo_that_is_recorded_after_the_plan_stops_it_before_anything_is_looked_for() -> None:
    world = await ready("ann", "bob")
    await elsewhere(world)

    assert await handle(PULL, world.deps) == Done()

    (plan,) = world.incidents.of(INCIDENT, Plan)
    assert (plan.state, plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, ("undone_before: 1",))
    assert (plan.stopped_at, plan.unrecorded) == (world.now(), True)
    assert [one.text for one in plan.undone] == [
        f"undone by Ann at {world.now():%Y-%m-%dT%H:%M:%SZ} in inc-2 (false_positive) because our newsletter"
    ]
    assert world.incidents.all[0].state is IncidentState.AWAITING_APPROVAL
    assert IncidentChanged(incident_id=INCIDENT) in world.queue.sent
    assert not world.mailboxes.moves
    assert set(world.states.values()) == {TargetState.PLANNED}
    # Its other messages do nothing, and are no dead letters.
    assert await handle(PULL, world.deps) == Done()
    assert not world.mailboxes.moves


async def test_a_worker_that_dies_after_it_stopped_a_plan_leaves_the_telling_to_the_next_delivery() -> None:
    world = await ready("ann")
    await elsewhere(world)
    await handle(PULL, world.deps)
    # As if the first worker had died between its commit and its message.
    world.queue.sent.clear()
    await handle(PULL, world.deps)
    assert IncidentChanged(incident_id=INCIDENT) in world.queue.sent


async def test_a_person_who_approves_afterwards_releases_that_plan_and_clears_nothing() -> None:
    world = await ready("ann")
    await elsewhere(world)
    await handle(PULL, world.deps)
    approval = ApprovePlan(
        incident_id=INCIDENT, plan_id=PLAN, plan_hash="f" * 64, command_id="cmd-2", by="Dana", at=world.now()
    )

    assert await handle(approval, world.deps) == Done()
    assert await handle(PULL, world.deps) == Done()

    assert world.states == {"ann": TargetState.QUARANTINED}
    assert remembered(world).keys() == {Message(internet_message_id=MESSAGE_ID).key}


async def test_what_was_written_down_before_the_undo_is_brought_to_an_end_and_nothing_else_is_looked_for() -> None:
    world = await ready("ann", "bob")
    # Ann's copy is moved and the answer is lost; Bob's mailbox refuses to be searched.
    world.mailboxes.lost["ann"] = 1
    await handle(PULL, world.deps)
    (header, targets) = await world.targets.read_chunk(CHUNK)
    bob = next(one for one in targets if one.mailbox.id == "bob")
    again = bob.model_copy(update={"state": TargetState.PLANNED, "copies": (), "verified_at": None})
    await world.targets.commit(header.value, header.etag, [again])
    moved = dict(world.mailboxes.moves)
    assert world.states == {"ann": TargetState.LOCATED, "bob": TargetState.PLANNED}
    await elsewhere(world)
    world.now.advance(timedelta(hours=1).total_seconds())

    assert await handle(PULL, world.deps) == Done()

    assert world.states == {"ann": TargetState.QUARANTINED, "bob": TargetState.PLANNED}
    assert world.mailboxes.moves == moved


async def test_an_undo_of_one_mailbox_stops_the_rest_of_a_plan_that_nobody_approved() -> None:
    world = await ready("ann", "bob")
    await handle(wish(world, "ann"), world.deps)
    for message in [one for one in world.queue.sent if isinstance(one, RestoreChunk)]:
        assert await handle(message, world.deps) == Done()
    assert await handle(PULL, world.deps) == Done()
    assert world.states == {"ann": TargetState.HELD, "bob": TargetState.PLANNED}
    assert not world.mailboxes.moves


async def test_a_plan_that_a_person_approved_goes_on() -> None:
    world = await ready("ann")
    (plan,) = world.incidents.of(INCIDENT, Plan)
    world.incidents.put(INCIDENT, plan.model_copy(update={"approved_by": "Dana", "approved_at": world.now()}))
    await elsewhere(world)
    await handle(PULL, world.deps)
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_a_plan_that_a_person_approves_in_the_same_moment_is_not_stopped() -> None:
    world = await ready("ann")
    await elsewhere(world)

    def approved() -> None:
        world.incidents.before_write = lambda: None
        (plan,) = world.incidents.of(INCIDENT, Plan)
        known = {"approved_by": "Dana", "approved_at": world.now()}
        world.incidents.put(INCIDENT, plan.model_copy(update=known), world.incidents.all[0])

    world.incidents.before_write = approved
    await handle(PULL, world.deps)
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_an_undo_of_more_chunks_than_are_read_at_once_finds_the_messages_of_all() -> None:
    world = await ready("ann")
    (header, targets) = await world.targets.read_chunk(CHUNK)
    for number in range(1, 130):
        chunk = header.value.model_copy(update={"id": ChunkId(f"{PLAN}.{number:04d}")})
        known = {"id": f"target-{number}", "chunk_id": chunk.id, "internet_message_id": f"<{number}@evil.example>"}
        await world.targets.add_chunk(chunk, [targets[0].model_copy(update=known)])
    await handle(wish(world), world.deps)
    wanted = by_message([], [f"<{number}@evil.example>" for number in range(1, 130)])
    assert remembered(world).keys() >= wanted.keys()
    assert sum(isinstance(one, RestoreChunk) for one in world.queue.sent) == 130
