"""A target that has ended is looked at again: by a new alert, by a command, by the watch."""

from datetime import datetime, timedelta

import pytest

from functions.quarantine.handler import handle
from functions.quarantine.looks import opens
from functions.quarantine.sweep import SweepDeps, sweep, sweep_watches
from functions.report.audit_events import of_targets
from shared.domain.exposure import Counts, finished_targets
from shared.domain.ids import IncidentId
from shared.domain.incident import Command, PlanState, Watch
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.domain.target import (
    LOOKED_AT_AGAIN,
    MAX_AUTOMATIC_LOOKS,
    TERMINAL,
    Mailbox,
    Target,
    TargetState,
)
from shared.domain.undone import UndoClass, UndoEntry
from shared.pipeline.payloads import ExpandRecipients, IncidentChanged, LookAgain, LookAtChunk, PullChunk
from shared.pipeline.stage import Done, RetryLater
from shared.ports.mailboxes import Where
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import START
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, LEASE_SECONDS, PLAN, World, deliver, target_in

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
BY_ALERT = LookAtChunk(incident_id=INCIDENT, chunk_id=CHUNK, opener="plan-2")
BY_OTHER = LookAtChunk(incident_id=INCIDENT, chunk_id=CHUNK, opener="cmd-1", automatic=False)
ASKED = LookAgain(incident_id=INCIDENT, command_id="cmd-1", by="eve", at=START, reason="it came late")


async def pulled(checkpoints: Checkpoints | None = None) -> World:
    """Ann's mail is pulled; Eve had none."""
    world = World(checkpoints or Checkpoints())
    world.mail("ann", "Inbox", 1)
    world.mailboxes.add_box("eve")
    await world.plan("ann", "eve")
    await deliver(PULL, world)
    assert world.states == {"ann": TargetState.QUARANTINED, "eve": TargetState.NOT_FOUND}
    world.now.advance(3600)
    return world


def counted(world: World) -> Counts:
    """The counts after the audit events of all targets, each once."""
    events = {one.event.id: one for one in of_targets(world.targets.all, world.now())}
    return Counts().with_all([one.target for one in events.values() if one.target is not None], counted_to=1)


async def test_late_mail_is_pulled_by_the_next_look() -> None:
    world = await pulled()
    world.mail("eve", "Inbox", 2)
    assert await deliver(BY_ALERT, world) == Done()
    eve = world.target("eve")
    assert (eve.state, eve.look) == (TargetState.QUARANTINED, 2)
    assert [(one.number, one.state) for one in eve.past_looks] == [(1, TargetState.NOT_FOUND)]


async def test_the_same_message_id_again_is_pulled_and_the_first_copy_is_kept() -> None:
    world = await pulled()
    first = world.target("ann")
    world.mail("ann", "Inbox", 3)
    await deliver(BY_ALERT, world)
    ann = world.target("ann")
    assert (ann.state, ann.look) == (TargetState.QUARANTINED, 2)
    assert [copy.id for copy in ann.copies] == ["ann/1", "ann/3"]
    assert ann.copies[0] == first.copies[0]
    assert world.mailboxes.moves == {"ann/1": 1, "ann/3": 1}


async def test_a_quarantined_target_without_a_further_copy_stays_quarantined() -> None:
    world = await pulled()
    before = world.target("ann")
    await deliver(BY_ALERT, world)
    after = world.target("ann")
    assert (after.state, after.look) == (TargetState.QUARANTINED, 2)
    assert (after.copies, after.pulled_at, after.delivered_at) == (before.copies, before.pulled_at, before.delivered_at)
    assert world.mailboxes.moves == {"ann/1": 1}


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_what_is_looked_at_again(state: TargetState) -> None:
    target = target_in("ann").model_copy(update={"state": state})
    assert opens(target, BY_OTHER) == (state in LOOKED_AT_AGAIN)
    if state not in LOOKED_AT_AGAIN:
        with pytest.raises(ValueError, match="no look again"):
            target.look_again("cmd-1", automatic=False)


def test_what_a_person_undid_or_decides_is_not_looked_at_again() -> None:
    assert not {TargetState.RESTORED, TargetState.HELD} & LOOKED_AT_AGAIN
    wanted = target_in("ann").model_copy(update={"state": TargetState.QUARANTINED, "reason": "restore_failed:denied"})
    assert not opens(wanted, BY_OTHER)


async def test_each_look_is_in_the_chain_once_and_the_newest_counts() -> None:
    world = await pulled()
    assert counted(world).states == {"quarantined": 1, "not_found": 1}
    first = {one.event.id for one in of_targets(world.targets.all, world.now())}
    world.mail("eve", "Inbox", 2)
    await deliver(BY_ALERT, world)
    events = of_targets(world.targets.all, world.now())
    assert first < {one.event.id for one in events}
    assert [(one.event.kind, one.event.data.get("look")) for one in events] == [
        ("quarantined", None),
        ("quarantined", 2),
        ("not_found", None),
        ("quarantined", 2),
    ]
    counts = counted(world)
    assert (counts.states, counts.targets, counts.unread + counts.read) == ({"quarantined": 2}, 2, 2)
    assert counts.exposed_targets == 2
    assert sum(finished_targets([one.target for one in events if one.target]).values()) == len(world.targets.all)


async def test_a_look_after_a_pull_in_part_is_recorded_as_what_each_was() -> None:
    world = await pulled()
    whole = world.target("ann")
    partly = whole.model_copy(
        update={
            "state": TargetState.PARTLY_QUARANTINED,
            "reason": "denied",
            "pull_state": TargetState.PARTLY_QUARANTINED,
            "pull_reason": "denied",
        }
    )
    first = of_targets([partly], world.now())
    again = partly.look_again("plan-2", automatic=True).to(TargetState.QUARANTINED)
    events = of_targets([again], world.now())
    assert [one.event.kind for one in events] == ["partly_quarantined", "quarantined"]
    assert events[0].event.id == first[0].event.id
    counts = Counts().with_all([one.target for one in events if one.target], counted_to=2)
    assert (counts.states, counts.exposed_targets) == ({"quarantined": 1}, 1)


async def test_the_outcome_of_a_look_is_recorded_also_while_the_next_one_is_open() -> None:
    world = await pulled()
    open_again = world.target("eve").look_again("plan-2", automatic=True)
    assert [one.event.kind for one in of_targets([open_again], world.now())] == ["not_found"]


async def test_a_message_that_comes_twice_opens_one_look() -> None:
    world = await pulled()
    for _ in range(3):
        await deliver(BY_ALERT, world)
    assert {target.look for target in world.targets.all} == {2}


async def test_two_openers_open_two_looks_one_after_the_other() -> None:
    world = await pulled()
    await deliver(BY_ALERT, world)
    await deliver(BY_OTHER, world)
    await deliver(BY_ALERT, world)
    assert {target.look for target in world.targets.all} == {3}


async def test_an_opener_that_finds_a_look_open_is_served_by_it() -> None:
    world = await pulled()
    header, targets = await world.targets.read_chunk(CHUNK)
    opened = [target.look_again("plan-2", automatic=True) for target in targets]
    await world.targets.commit(header.value, header.etag, opened)
    await deliver(BY_OTHER, world)
    await deliver(BY_OTHER, world)
    assert {target.look for target in world.targets.all} == {2}
    assert all(target.openers == ("plan-2", "cmd-1") for target in world.targets.all)


async def test_a_look_waits_for_the_lease_of_the_chunk() -> None:
    world = await pulled()
    header, _ = await world.targets.read_chunk(CHUNK)
    leased = header.value.model_copy(update={"lease_until": world.now() + timedelta(seconds=30)})
    await world.targets.commit(leased, header.etag, [])
    assert await handle(BY_ALERT, world.deps) == RetryLater("leased", 30.0)


async def test_looks_that_no_person_asked_for_are_bounded() -> None:
    world = await pulled()
    for number in range(MAX_AUTOMATIC_LOOKS + 3):
        await deliver(BY_ALERT.model_copy(update={"opener": f"plan-{number}"}), world)
    assert {target.look for target in world.targets.all} == {1 + MAX_AUTOMATIC_LOOKS}
    await deliver(BY_OTHER, world)
    assert {target.look for target in world.targets.all} == {2 + MAX_AUTOMATIC_LOOKS}


async def test_an_alert_that_came_before_the_last_look_opens_none() -> None:
    world = await pulled()
    await deliver(BY_ALERT.model_copy(update={"since": START}), world)
    assert {target.look for target in world.targets.all} == {1}
    await deliver(BY_ALERT.model_copy(update={"since": world.now()}), world)
    assert {target.look for target in world.targets.all} == {2}


async def test_a_delivery_opens_one_look_and_none_where_its_copy_is_known() -> None:
    world = await pulled()
    ann, eve = world.target("ann"), world.target("eve")
    received = ann.copies[0].original.received_at
    assert isinstance(received, datetime)
    at = {ann.id: received, eve.id: received}
    for run in range(2):
        await deliver(BY_ALERT.model_copy(update={"opener": f"watch:{run}", "delivered": at}), world)
    assert (world.target("ann").look, world.target("eve").look) == (1, 2)
    later = {ann.id: world.now()}
    await deliver(BY_ALERT.model_copy(update={"opener": "watch:3", "delivered": later}), world)
    assert (world.target("ann").look, world.target("eve").look) == (2, 2)


async def test_the_watch_leaves_alone_what_is_pulled_if_it_is_asked_to() -> None:
    world = await pulled()
    await deliver(BY_ALERT.model_copy(update={"pulled_too": False}), world)
    assert (world.target("ann").look, world.target("eve").look) == (1, 2)


async def test_a_look_follows_the_approval_of_the_plan_of_its_target() -> None:
    world = await pulled()
    plan = world.incidents.cases[INCIDENT]
    found = await world.incidents.plan(INCIDENT, PLAN)
    assert found is not None
    plan.put(PLAN, found.value.model_copy(update={"state": PlanState.AWAITING_APPROVAL}))
    assert await handle(BY_OTHER, world.deps) == Done()
    assert {target.look for target in world.targets.all} == {1}


async def test_nothing_is_opened_by_itself_in_a_closed_case() -> None:
    world = await pulled()
    case = await world.incidents.read(INCIDENT)
    world.incidents.put(INCIDENT, case.changed(closed_at=world.now()))
    assert await handle(BY_ALERT, world.deps) == Done()
    assert {target.look for target in world.targets.all} == {1}


async def test_a_command_is_recorded_once_and_asks_each_chunk() -> None:
    world = await pulled()
    world.queue.sent.clear()
    for _ in range(2):
        assert await handle(ASKED, world.deps) == Done()
    (command,) = world.incidents.of(INCIDENT, Command)
    assert (command.command, command.by, command.reason) == ("look_again", "eve", "it came late")
    assert world.queue.sent[:2] == [IncidentChanged(incident_id=INCIDENT), BY_OTHER]
    named = ASKED.model_copy(update={"targets": (world.target("eve").id,)})
    await handle(named, world.deps)
    asked = world.queue.sent[-1]
    assert isinstance(asked, LookAtChunk)
    await deliver(asked, world)
    assert (world.target("ann").look, world.target("eve").look) == (1, 2)


async def test_mail_that_a_person_undid_is_not_looked_at_again_without_a_person() -> None:
    world = await pulled()
    entry = UndoEntry(
        command_id="cmd-9",
        incident_id=IncidentId("inc-9"),
        by="ann",
        at=world.now(),
        reason="our newsletter",
        undo_class=UndoClass.FALSE_POSITIVE,
    )
    await world.deps.undone.remember({"msg-1"}, entry)
    assert await handle(BY_ALERT, world.deps) == Done()
    assert {target.look for target in world.targets.all} == {1}


async def without_mailbox(world: World) -> Target:
    """Eve's address led nowhere when the plan was made."""
    header, _ = await world.targets.read_chunk(CHUNK)
    gone = world.target("eve").model_copy(
        update={
            "mailbox": Mailbox(address="eve@contoso.example", protected=True),
            "state": TargetState.MAILBOX_MISSING,
            "reason": "unknown_address",
        }
    )
    await world.targets.commit(header.value, header.etag, [gone])
    return gone


async def test_an_address_that_has_a_mailbox_now_is_looked_at_there() -> None:
    world = await pulled()
    await without_mailbox(world)
    address = "eve@contoso.example"
    world.directory.people[address] = Recipient(RecipientKind.USER, address, "eve2")
    world.directory.kinds["eve2"] = MailboxKind.USER
    world.mail("eve2", "Inbox", 7)
    await deliver(BY_OTHER, world)
    found = world.target("eve2")
    assert (found.state, found.look, found.mailbox.protected) == (TargetState.QUARANTINED, 2, True)


async def test_an_address_that_has_no_mailbox_now_either_ends_as_before_with_one_more_look() -> None:
    world = await pulled()
    gone = await without_mailbox(world)
    await deliver(BY_OTHER, world)
    (after,) = [target for target in world.targets.all if target.id == gone.id]
    assert (after.state, after.reason, after.look) == (gone.state, gone.reason, 2)
    kinds = [(one.event.kind, one.event.data.get("look")) for one in of_targets([after], world.now())]
    assert kinds == [("mailbox_missing", None), ("mailbox_missing", 2)]


async def places() -> list[str]:
    checkpoints = Checkpoints()
    world = await late(checkpoints)
    checkpoints.names.clear()
    await deliver(BY_ALERT, world)
    return list(checkpoints.names)


async def late(checkpoints: Checkpoints) -> World:
    """Mail came after the pull, for both."""
    world = await pulled(checkpoints)
    world.mail("eve", "Inbox", 2)
    world.mail("ann", str(Where.DELETIONS), 3)
    return world


# The dry run says how many places there are; should a look get more of them, this number is to follow.
LOOK_PLACES = 31


async def test_a_crash_is_tried_at_every_await_of_a_look() -> None:
    assert len(await places()) == LOOK_PLACES


@pytest.mark.parametrize("place", range(LOOK_PLACES))
async def test_a_crash_during_a_look_opens_no_second_one_and_leaves_nothing(place: int) -> None:
    checkpoints = Checkpoints()
    world = await late(checkpoints)
    checkpoints.die_at = checkpoints.passed + place
    with pytest.raises(ProcessDied):
        await handle(BY_ALERT, world.deps)
    checkpoints.revive()

    world.now.advance(LEASE_SECONDS + 1)
    for _ in range(2):
        await deliver(BY_ALERT, world)

    assert world.states == {"ann": TargetState.QUARANTINED, "eve": TargetState.QUARANTINED}
    assert {target.look for target in world.targets.all} == {2}
    assert world.mailboxes.moves == {"ann/1": 1, "ann/3": 1, "eve/2": 1}


async def test_a_look_whose_message_is_lost_is_taken_up_by_the_sweep() -> None:
    checkpoints = Checkpoints()
    world = await late(checkpoints)
    checkpoints.die_at = checkpoints.passed + (await places()).index("after commit chunk")
    with pytest.raises(ProcessDied):
        await handle(BY_ALERT, world.deps)
    checkpoints.revive()
    world.now.advance(121)
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    assert await sweep(deps) == 1
    await deliver(PULL, world)
    assert set(world.states.values()) == {TargetState.QUARANTINED}


async def test_the_sweep_sends_cases_whose_watch_is_due() -> None:
    world = await pulled()
    until = world.now() + timedelta(hours=72)
    world.incidents.put(INCIDENT, Watch(incident_id=INCIDENT, until=until, next_at=world.now()))
    deps = SweepDeps(
        targets=world.targets, incidents=world.incidents, tenant=world.tenant, queue=world.queue, now=world.now
    )
    assert await sweep_watches(deps) == 0
    world.now.advance(60)
    world.queue.sent.clear()
    assert await sweep_watches(deps) == 1
    assert world.queue.sent == [ExpandRecipients(incident_id=INCIDENT)]
