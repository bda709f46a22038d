"""Each copy is put back by itself, belongs to its owner from then on, and is never pulled out of another quarantine."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from functions.quarantine import engine
from functions.quarantine.handler import handle
from functions.quarantine.models import target_size
from shared.domain.ids import ChunkId, IncidentId
from shared.domain.incident import Incident, Plan, plan_id
from shared.domain.target import Chunk, Target, TargetState, chunk_id, target_id
from shared.pipeline.payloads import ChunkChanged, PullChunk, RestoreChunk
from shared.pipeline.stage import Done, RetryLater
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import ALERT, CHUNK, INCIDENT, LEASE_SECONDS, World, deliver, target_in

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1")
AGAIN = RESTORE.model_copy(update={"command_id": "cmd-2"})
OTHER = IncidentId("inc-2")
OTHER_PLAN = plan_id(OTHER, (ALERT,))
OTHER_CHUNK = chunk_id(OTHER_PLAN, 0)
OTHER_PULL = PullChunk(incident_id=OTHER, chunk_id=OTHER_CHUNK)
OTHER_RESTORE = RestoreChunk(incident_id=OTHER, chunk_id=OTHER_CHUNK, command_id="cmd-9")


class OwnerActs(Checkpoints):
    """At every place that is passed, the owner of a mailbox may do something."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[str], None] = lambda _: None

    def checkpoint(self, name: str) -> None:
        self.act(name)
        super().checkpoint(name)


async def pulled(*folders: str, checkpoints: Checkpoints | None = None) -> World:
    """Ann's copies in these folders are pulled."""
    world = World(checkpoints or Checkpoints())
    for number, folder in enumerate(folders, start=1):
        world.mail("ann", folder, number)
    await world.plan("ann")
    world.before = world.mailboxes.snapshot()
    await deliver(PULL, world)
    return world


async def other_case(world: World) -> None:
    """Another case with a target for the same mail in Ann's mailbox."""
    (plan,) = world.incidents.of(INCIDENT, Plan)
    own = {"id": OTHER_PLAN, "incident_id": OTHER}
    world.incidents.keep(Incident(id=OTHER, opened_at=world.now()), plan.model_copy(update=own))
    changes = {"id": target_id(OTHER, "ann", "msg-1"), "incident_id": OTHER, "plan_id": OTHER_PLAN}
    target = target_in("ann", OTHER_CHUNK).model_copy(update=changes)
    chunk = Chunk(id=OTHER_CHUNK, incident_id=OTHER, plan_id=OTHER_PLAN, targets=1)
    assert await world.targets.add_chunk(chunk, [target])


def of_case(world: World, incident: IncidentId) -> Target:
    return next(target for target in world.targets.all if target.incident_id == incident)


def folder_of(world: World, item: str = "ann/1") -> str:
    box = world.mailboxes.boxes["ann"]
    return box.folders[box.items[item].folder_id]


async def put(world: World, target: Target) -> None:
    """Replace a stored target."""
    header, _ = await world.targets.read_chunk(target.chunk_id)
    await world.targets.commit(header.value, header.etag, [target])


async def test_one_missing_copy_does_not_block_its_siblings() -> None:
    world = await pulled("Inbox", "Inbox/Invoices", "Deleted Items")
    missing = world.mailboxes.boxes["ann"].items.pop("ann/2")

    assert await handle(RESTORE, world.deps) == Done()

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.PARTLY_RESTORED, "restore_failed:copy_missing")
    assert [copy.restored_at is not None for copy in target.copies] == [True, False, True]
    assert (folder_of(world), folder_of(world, "ann/3")) == ("Inbox", "Deleted Items")
    assert missing.id == "ann/2"


async def test_a_new_undo_of_what_is_partly_restored_tries_only_what_is_left() -> None:
    world = await pulled("Inbox", "Inbox/Invoices")
    box = world.mailboxes.boxes["ann"]
    missing = box.items.pop("ann/2")
    await handle(RESTORE, world.deps)
    # Meanwhile the owner files the first copy and marks it; an administrator brings the second one back.
    mine = world.mail("ann", "Mine", 1, is_read=True, categories=("Owner",))
    box.items["ann/2"] = missing

    assert await handle(AGAIN, world.deps) == Done()

    assert world.target("ann").state is TargetState.RESTORED
    assert box.items == {"ann/1": mine, "ann/2": world.before["ann"]["ann/2"]}


async def test_when_no_copy_comes_back_the_target_stays_as_it_was_pulled() -> None:
    world = await pulled("Inbox")
    target = world.target("ann")
    partly = {
        "state": TargetState.PARTLY_QUARANTINED,
        "reason": "denied",
        "pull_state": TargetState.PARTLY_QUARANTINED,
        "pull_reason": "denied",
    }
    await put(world, target.model_copy(update=partly))
    world.mailboxes.boxes["ann"].items.clear()

    await handle(RESTORE, world.deps)

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.PARTLY_QUARANTINED, "restore_failed:copy_missing")


async def test_a_copy_that_is_refused_for_a_while_does_not_hold_back_its_siblings() -> None:
    world = await pulled("Inbox", "Inbox/Invoices")
    real = world.mailboxes._move

    def refuse_once(mailbox: str, item_id: str, folder: str) -> Answer[Item]:
        if item_id == "ann/1":
            world.mailboxes._move = real  # type: ignore[method-assign]  # another answer, for this test
            return Refusal(RefusalKind.TRANSIENT, "x", 503)
        return real(mailbox, item_id, folder)

    world.mailboxes._move = refuse_once  # type: ignore[method-assign]  # another answer, for this test

    assert isinstance(await handle(RESTORE, world.deps), RetryLater)
    assert [copy.restored_at is not None for copy in world.target("ann").copies] == [False, True]
    await deliver(RESTORE, world)
    assert world.mailboxes.snapshot() == world.before
    assert world.target("ann").state is TargetState.RESTORED


async def eight_pulled() -> tuple[World, list[str]]:
    """Eight people, and the world in which the mail of each is pulled."""
    world = World()
    people = [f"p{number:02}" for number in range(8)]
    for person in people:
        world.mail(person, "Inbox")
    await world.plan(*people)
    world.before = world.mailboxes.snapshot()
    await deliver(PULL, world)
    return world, people


async def test_a_put_back_that_failed_leaves_the_budget_of_a_round_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, people = await eight_pulled()
    # The first four never answer again, and a commit takes four targets.
    for person in people[:4]:
        world.mailboxes.boxes[person].items.clear()
    monkeypatch.setattr(engine, "_MAX_COMMIT", int(4.5 * target_size(world.target("p00"))))

    for _ in range(3):
        await handle(RESTORE, world.deps)
        world.now.advance(1)

    assert [world.target(person).state for person in people[4:]] == [TargetState.RESTORED] * 4
    assert all(world.target(person).reason == "restore_failed:copy_missing" for person in people[:4])


async def test_a_put_back_that_is_refused_for_hours_leaves_the_budget_of_a_round_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, people = await eight_pulled()
    real = world.mailboxes._move

    def refuse(mailbox: str, item_id: str, folder: str) -> Answer[Item]:
        if mailbox in people[:4]:
            return Refusal(RefusalKind.TRANSIENT, "x", 503)
        return real(mailbox, item_id, folder)

    world.mailboxes._move = refuse  # type: ignore[method-assign]  # another answer, for this test
    monkeypatch.setattr(engine, "_MAX_COMMIT", int(4.5 * target_size(world.target("p00"))))

    for _ in range(4):
        await handle(RESTORE, world.deps)
        world.now.advance(1)

    assert [world.target(person).state for person in people[4:]] == [TargetState.RESTORED] * 4


async def test_one_command_tries_once_what_cannot_be_put_back() -> None:
    world = await pulled("Inbox")
    item = world.mailboxes.boxes["ann"].items.pop("ann/1")
    await handle(RESTORE, world.deps)
    world.mailboxes.boxes["ann"].items["ann/1"] = item

    assert await handle(RESTORE, world.deps) == Done()
    assert world.target("ann").reason == "restore_failed:copy_missing"
    assert await handle(AGAIN, world.deps) == Done()
    assert world.mailboxes.snapshot() == world.before


async def test_what_the_owner_marked_between_write_ahead_and_move_is_what_undo_brings_back() -> None:
    owner = OwnerActs()
    world = World(owner)
    world.mail("ann", "Inbox", 1, is_read=False, categories=())
    await world.plan("ann")

    def act(place: str) -> None:
        if place == "before move":
            box = world.mailboxes.boxes["ann"]
            flag = {"flagStatus": "flagged"}
            box.items["ann/1"] = replace(box.items["ann/1"], is_read=True, flag=flag, categories=("Owner",))
            owner.act = lambda _: None

    owner.act = act
    await deliver(PULL, world)
    (copy,) = world.target("ann").copies
    assert (copy.original.is_read, copy.marks.is_read, copy.marks.categories) == (False, True, ("Owner",))
    # Something changes the marks in the hidden folder; the owner's come back.
    world.mail("ann", QUARANTINE, 1, is_read=False, categories=("Rule",))

    await deliver(RESTORE, world)

    item = world.mailboxes.boxes["ann"].items["ann/1"]
    assert (folder_of(world), item.is_read, item.categories) == ("Inbox", True, ("Owner",))
    assert item.flag == {"flagStatus": "flagged"}


async def test_the_marks_as_moved_are_known_too_when_the_answer_to_the_move_is_lost() -> None:
    owner = OwnerActs()
    world = World(owner)
    world.mail("ann", "Inbox", 1, is_read=False)
    await world.plan("ann")
    world.mailboxes.lost["ann"] = 1

    def act(place: str) -> None:
        if place == "before move":
            box = world.mailboxes.boxes["ann"]
            box.items["ann/1"] = replace(box.items["ann/1"], is_read=True)

    owner.act = act
    await deliver(PULL, world)

    assert world.target("ann").copies[0].marks.is_read is True


# Of a run in which nobody dies; should the engine get more of them, this number is to follow.
PLACES = 18


async def owner_takes_it(place: int | None) -> tuple[World, Item | None]:
    """The owner files and marks the copy as soon as it is seen outside; a worker dies at this place and comes back."""
    owner = OwnerActs()
    world = await pulled("Inbox/Invoices", checkpoints=owner)
    # Marks have to be set again.
    world.mail("ann", QUARANTINE, 1, is_read=True, categories=())
    owner.names.clear()
    kept: list[Item] = []

    def act(_: str) -> None:
        if folder_of(world) != QUARANTINE and not kept:
            kept.append(world.mail("ann", "Mine", 1, is_read=None, flag={"flagStatus": "complete"}, categories=("Me",)))

    owner.act = act
    if place is not None:
        owner.die_at = owner.passed + place
        with pytest.raises(ProcessDied):
            await handle(RESTORE, world.deps)
        owner.revive()
        world.now.advance(LEASE_SECONDS + 1)
    else:
        await handle(RESTORE, world.deps)
        assert len(owner.names) == PLACES
    for message in (RESTORE, RESTORE, PULL, AGAIN):
        await deliver(message, world)
    return world, kept[0] if kept else None


@pytest.mark.parametrize("place", [None, *range(PLACES)])
async def test_what_the_owner_does_after_a_put_back_stays_whatever_is_delivered_again(place: int | None) -> None:
    world, kept = await owner_takes_it(place)

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.RESTORED, None)
    assert world.mailboxes.boxes["ann"].items["ann/1"] == kept
    assert world.mailboxes.moves == {"ann/1": 2}
    assert target.copies[0].restored_at is not None


async def test_a_copy_that_its_owner_purged_after_the_put_back_is_restored() -> None:
    owner = OwnerActs()
    world = await pulled("Inbox", checkpoints=owner)

    def act(place: str) -> None:
        if place == "after move":
            world.mailboxes.boxes["ann"].items.clear()

    owner.act = act
    assert await handle(RESTORE, world.deps) == Done()
    assert world.target("ann").state is TargetState.RESTORED


async def test_what_somebody_took_out_of_the_hidden_folder_is_left_where_it_is_and_said() -> None:
    world = await pulled("Inbox")
    taken = world.mail("ann", "Mine", 1)

    assert await handle(RESTORE, world.deps) == Done()

    assert world.mailboxes.boxes["ann"].items["ann/1"] == taken
    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.RESTORED, "found_elsewhere")


async def test_marks_that_cannot_be_set_keep_the_copy_hidden_until_they_can() -> None:
    world = await pulled("Inbox")
    world.mail("ann", QUARANTINE, 1, is_read=None)
    real = world.mailboxes._set_marks

    def refuse(mailbox: str, wanted: Item) -> Refusal:
        return Refusal(RefusalKind.TRANSIENT, f"{mailbox}: {wanted.id}", 503)

    world.mailboxes._set_marks = refuse  # type: ignore[method-assign]  # another answer, for this test
    assert isinstance(await handle(RESTORE, world.deps), RetryLater)
    assert folder_of(world) == QUARANTINE
    world.mailboxes._set_marks = real  # type: ignore[method-assign]  # another answer, for this test
    await deliver(RESTORE, world)
    assert world.mailboxes.snapshot() == world.before


async def both_pulled(checkpoints: Checkpoints | None = None) -> World:
    """Two cases found the copy in the Inbox at the same time, and both moved it."""
    world = await pulled("Inbox", checkpoints=checkpoints)
    await other_case(world)
    ours = world.target("ann")
    theirs = of_case(world, OTHER)
    own = {"id": theirs.id, "incident_id": OTHER, "plan_id": OTHER_PLAN, "chunk_id": OTHER_CHUNK}
    await put(world, ours.model_copy(update=own))
    return world


async def test_a_copy_in_the_quarantine_of_another_case_is_left_there_and_the_reason_says_so() -> None:
    world = await both_pulled()

    assert await handle(RESTORE, world.deps) == Done()

    assert folder_of(world) == QUARANTINE
    target = of_case(world, INCIDENT)
    assert (target.state, target.reason) == (TargetState.QUARANTINED, "restore_failed:quarantined_by_other_case")
    assert of_case(world, OTHER).state is TargetState.QUARANTINED


async def test_the_last_case_that_is_undone_puts_the_copy_back_and_the_first_one_learns_of_it() -> None:
    world = await both_pulled()
    await handle(RESTORE, world.deps)
    world.queue.sent.clear()

    assert await handle(OTHER_RESTORE, world.deps) == Done()

    assert world.mailboxes.snapshot() == world.before
    assert of_case(world, OTHER).state is TargetState.RESTORED
    (told,) = [one for one in world.queue.sent if isinstance(one, RestoreChunk)]
    assert await handle(told, world.deps) == Done()
    assert (of_case(world, INCIDENT).state, of_case(world, INCIDENT).reason) == (TargetState.RESTORED, None)
    assert world.mailboxes.moves == {"ann/1": 2}


async def test_of_two_cases_that_are_undone_at_the_same_time_one_puts_the_copy_back() -> None:
    world = await both_pulled()
    # The other case has written ahead at the moment at which ours looks a second time.
    theirs = of_case(world, OTHER)
    marked = tuple(copy.model_copy(update={"released_at": world.now()}) for copy in theirs.copies)
    released = theirs.model_copy(update={"copies": marked})
    real = world.targets.holding
    calls: list[int] = []

    async def holding(items: Sequence[str]) -> list[Target]:
        calls.append(1)
        if len(calls) == 2:
            await put(world, released)
        return await real(items)

    world.targets.holding = holding  # type: ignore[method-assign]  # another answer, for this test
    assert await handle(RESTORE, world.deps) == Done()

    assert len(calls) == 2
    assert of_case(world, INCIDENT).state is TargetState.RESTORED
    assert folder_of(world) == "Inbox"


@pytest.mark.parametrize("first", [RESTORE, OTHER_RESTORE])
@pytest.mark.parametrize("place", range(12))
async def test_two_cases_that_are_undone_bring_the_copy_back_wherever_a_worker_dies(
    place: int, first: RestoreChunk
) -> None:
    checkpoints = Checkpoints()
    world = await both_pulled(checkpoints)
    checkpoints.die_at = checkpoints.passed + place
    with pytest.raises(ProcessDied):
        await handle(first, world.deps)
    checkpoints.revive()

    second = OTHER_RESTORE if first is RESTORE else RESTORE
    await deliver(second, world)
    world.now.advance(LEASE_SECONDS + 1)
    await deliver(first, world)
    for message in [one for one in world.queue.sent if isinstance(one, RestoreChunk)]:
        await deliver(message, world)

    assert world.mailboxes.snapshot() == world.before
    assert {target.state for target in world.targets.all} == {TargetState.RESTORED}
    assert world.mailboxes.moves == {"ann/1": 2}


@pytest.mark.parametrize("message", [RESTORE, AGAIN])
async def test_a_restore_that_is_tried_again_pulls_nothing_out_of_the_quarantine_of_another_case(
    message: RestoreChunk,
) -> None:
    checkpoints = Checkpoints()
    world = await pulled("Inbox", checkpoints=checkpoints)
    checkpoints.names.clear()
    dry = await pulled("Inbox", checkpoints=(dry_run := Checkpoints()))
    dry_run.names.clear()
    await handle(RESTORE, dry.deps)
    checkpoints.die_at = checkpoints.passed + dry_run.names.index("after move")
    with pytest.raises(ProcessDied):
        await handle(RESTORE, world.deps)
    checkpoints.revive()
    assert folder_of(world) == "Inbox"
    await other_case(world)
    await deliver(OTHER_PULL, world)
    assert of_case(world, OTHER).state is TargetState.QUARANTINED
    world.now.advance(LEASE_SECONDS + 1)

    await deliver(message, world)

    assert folder_of(world) == QUARANTINE
    target = of_case(world, INCIDENT)
    assert (target.state, target.reason) == (TargetState.QUARANTINED, "restore_failed:quarantined_by_other_case")


async def test_a_message_for_a_restored_target_leaves_the_quarantine_of_another_case_alone() -> None:
    world = await pulled("Inbox")
    await handle(RESTORE, world.deps)
    await other_case(world)
    await deliver(OTHER_PULL, world)

    for message in (RESTORE, AGAIN):
        assert await handle(message, world.deps) == Done()

    assert folder_of(world) == QUARANTINE
    assert of_case(world, INCIDENT).state is TargetState.RESTORED


async def test_named_copies_are_put_back_whatever_the_state_of_their_target() -> None:
    world = await pulled("Inbox", "Inbox/Invoices")
    # Version 0.1 could end a target so, though it had moved the copies.
    ended = {"state": TargetState.FAILED, "reason": "gave_up:x"}
    await put(world, world.target("ann").model_copy(update=ended))
    assert await handle(RESTORE, world.deps) == Done()
    assert world.target("ann").state is TargetState.FAILED

    assert await handle(AGAIN.model_copy(update={"items": ("ann/2",)}), world.deps) == Done()

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.PARTLY_RESTORED, "asked_for_in_part")
    assert (folder_of(world), folder_of(world, "ann/2")) == (QUARANTINE, "Inbox/Invoices")
    rest = AGAIN.model_copy(update={"items": ("ann/1",), "command_id": "cmd-3"})
    await handle(rest, world.deps)
    assert world.target("ann").state is TargetState.RESTORED
    assert world.mailboxes.snapshot() == world.before


async def test_named_copies_that_cannot_be_put_back_leave_the_target_as_it_was() -> None:
    world = await pulled("Inbox")
    ended = {"state": TargetState.DENIED, "reason": "x"}
    await put(world, world.target("ann").model_copy(update=ended))
    world.mailboxes.boxes["ann"].items.clear()

    for command in ("cmd-2", "cmd-3"):
        await handle(AGAIN.model_copy(update={"items": ("ann/1",), "command_id": command}), world.deps)
        target = world.target("ann")
        assert (target.state, target.reason) == (TargetState.DENIED, "restore_failed:copy_missing")
        assert (target.pull_state, target.pull_reason) == (TargetState.DENIED, "x")


async def test_a_target_that_is_looked_at_again_gives_back_what_it_has_in_the_hidden_folder() -> None:
    world = await pulled("Inbox")
    await put(world, world.target("ann").model_copy(update={"state": TargetState.PLANNED}))

    assert await handle(RESTORE, world.deps) == Done()

    assert world.mailboxes.snapshot() == world.before


async def test_an_undo_before_what_is_back_is_looked_at_again_prevents_that() -> None:
    world = await pulled("Inbox")
    await handle(RESTORE, world.deps)
    (copy,) = world.target("ann").copies
    assert (copy.moved_at, copy.unmoved) == (None, True)
    await put(world, world.target("ann").model_copy(update={"state": TargetState.PLANNED}))

    assert await handle(AGAIN, world.deps) == Done()

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.HELD, "undo_requested")
    assert world.mailboxes.snapshot() == world.before


async def test_a_restore_that_an_older_version_began_is_finished() -> None:
    world = await pulled("Inbox", "Inbox/Invoices")
    await put(world, world.target("ann").model_copy(update={"state": TargetState.RESTORING}))

    assert await handle(PULL, world.deps) == Done()

    assert world.mailboxes.snapshot() == world.before
    assert world.target("ann").state is TargetState.RESTORED
    assert ChunkChanged(incident_id=INCIDENT, chunk_id=ChunkId(CHUNK)) in world.queue.sent
