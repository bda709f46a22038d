"""The way back: same folder, read state, flag and categories, verified; and what cannot be done is said."""

import pytest

from functions.quarantine.handler import handle
from shared.domain.incident import Command, IncidentState, Plan, PlanCounts, PlanState
from shared.domain.target import TargetState
from shared.pipeline.payloads import ApprovePlan, IncidentChanged, PullChunk, RestoreChunk, UndoPull
from shared.pipeline.stage import Done, Reject, RetryLater
from shared.ports.answers import RefusalKind
from shared.ports.mailboxes import Where
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, PLAN, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, all=True, command_id="cmd-1")


async def pulled(*folders: str) -> World:
    """Ann's copies in these folders are pulled, and so is Bob's."""
    world = World()
    for number, folder in enumerate(folders, start=1):
        world.mail("ann", folder, number)
    world.mail("bob", "Inbox", 7)
    await world.plan("ann", "bob")
    world.before = world.mailboxes.snapshot()
    await handle(PULL, world.deps)
    return world


async def test_undo_leaves_every_mailbox_exactly_as_it_was() -> None:
    world = await pulled("Inbox/Invoices", "Deleted Items", str(Where.DELETIONS))
    world.now.advance(3600)

    assert await handle(RESTORE, world.deps) == Done()

    assert world.mailboxes.snapshot() == world.before
    assert set(world.states.values()) == {TargetState.RESTORED}
    assert world.target("ann").restored_at == world.now()
    assert world.target("ann").reason is None


async def test_only_the_named_targets_are_restored() -> None:
    world = await pulled("Inbox")
    named = RESTORE.model_copy(update={"all": False, "targets": (world.target("ann").id,)})

    await handle(named, world.deps)

    assert world.states == {"ann": TargetState.RESTORED, "bob": TargetState.QUARANTINED}


async def test_marks_that_the_move_changed_are_set_again() -> None:
    world = await pulled("Inbox")
    box = world.mailboxes.boxes["ann"]
    world.mail("ann", QUARANTINE, 1, is_read=True, flag={"flagStatus": "complete"}, categories=())

    assert await handle(RESTORE, world.deps) == Done()

    assert box.items["ann/1"] == world.before["ann"]["ann/1"]


async def test_mail_of_a_deleted_folder_goes_to_the_inbox_and_the_reason_says_so() -> None:
    world = await pulled("Inbox/Invoices")
    del world.mailboxes.boxes["ann"].folders["ann:Inbox/Invoices"]

    await handle(RESTORE, world.deps)

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.RESTORED, "original_folder_gone")
    assert target.copies[0].restored_folder_path == "Inbox"
    assert world.mailboxes.boxes["ann"].items["ann/1"].folder_id == world.mailboxes.folder("ann", "Inbox")


async def test_a_copy_that_cannot_be_restored_stays_quarantined_with_a_reason() -> None:
    world = await pulled("Inbox")
    del world.mailboxes.boxes["ann"].items["ann/1"]

    assert await handle(RESTORE, world.deps) == Done()

    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.QUARANTINED, "restore_failed:copy_missing")
    assert world.target("bob").state is TargetState.RESTORED


@pytest.mark.parametrize("kind", [RefusalKind.THROTTLED, RefusalKind.TRANSIENT, RefusalKind.MAILBOX_MOVING])
async def test_a_temporary_refusal_is_retried(kind: RefusalKind) -> None:
    world = await pulled("Inbox")
    world.mailboxes.refuse("ann", kind, after=9.0)

    assert await handle(RESTORE, world.deps) == RetryLater("targets left", 9.0, service=True)
    assert world.states == {"ann": TargetState.RESTORING, "bob": TargetState.RESTORED}
    assert await handle(RESTORE, world.deps) == Done()
    assert world.mailboxes.snapshot() == world.before


async def test_undo_before_the_pull_prevents_the_pull() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)

    assert await handle(RESTORE, world.deps) == Done()
    await handle(approval(), world.deps)
    await handle(PULL, world.deps)

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.HELD, "undo_requested")
    assert not world.mailboxes.moves


async def test_a_late_pull_message_does_not_pull_restored_mail_again() -> None:
    world = await pulled("Inbox")
    await handle(RESTORE, world.deps)

    assert await handle(PULL, world.deps) == Done()

    assert world.mailboxes.snapshot() == world.before
    assert world.states["ann"] is TargetState.RESTORED


async def test_undo_in_the_middle_of_a_pull_finishes_it_first() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    before = world.mailboxes.snapshot()
    world.mailboxes.lost["ann"] = 1
    await handle(PULL, world.deps)
    assert world.states == {"ann": TargetState.LOCATED}

    outcomes = [await handle(RESTORE, world.deps) for _ in range(2)]

    assert outcomes == [RetryLater("undo follows the pull", 0.0), Done()]
    assert world.states["ann"] is TargetState.RESTORED
    assert world.mailboxes.snapshot() == before


def approval(**changes: str) -> ApprovePlan:
    fields = {"plan_hash": "f" * 64, "command_id": "cmd-2", "by": "Ann Analyst", **changes}
    return ApprovePlan(incident_id=INCIDENT, plan_id=PLAN, at=World().now(), **fields)


async def test_an_approval_releases_the_plan_that_it_names_once() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)

    for _ in range(2):
        assert await handle(approval(), world.deps) == Done()

    (incident,), (plan,) = world.incidents.all, world.incidents.of(INCIDENT, Plan)
    assert (plan.state, plan.approved_by, plan.unrecorded) == (PlanState.RUNNING, "Ann Analyst", True)
    assert (incident.plans, incident.state) == (PlanCounts(running=1), IncidentState.PULLING)
    assert [command.id for command in world.incidents.of(INCIDENT, Command)] == ["cmd-2"]
    # Sent again, since the first delivery may have died before it sent.
    assert world.queue.sent == [IncidentChanged(incident_id=INCIDENT), PULL] * 2


async def test_an_approval_of_another_plan_is_rejected() -> None:
    world = World()
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)

    outcome = await handle(approval(plan_hash="0" * 64), world.deps)

    assert isinstance(outcome, Reject)
    assert outcome.reason == "plan_differs"
    assert [plan.state for plan in world.incidents.of(INCIDENT, Plan)] == [PlanState.AWAITING_APPROVAL]
    assert world.incidents.of(INCIDENT, Command) == []


async def test_what_a_person_approved_is_not_held_against_later_plans() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", "bob", state=PlanState.AWAITING_APPROVAL)
    (case,) = world.incidents.all
    # Two of this plan, and three of an automatic one before it.
    world.incidents.put(INCIDENT, case.changed(unapproved_targets=5, unapproved_mailboxes=5))
    for _ in range(2):
        await handle(approval(), world.deps)
    (case,) = world.incidents.all
    assert (case.unapproved_targets, case.unapproved_mailboxes) == (3, 3)


async def test_nothing_is_approved_in_a_closed_case_but_an_approval_before_is_sent_again() -> None:
    world = World()
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)
    (case,) = world.incidents.all
    world.incidents.put(INCIDENT, case.changed(closed_at=world.now()))
    assert await handle(approval(), world.deps) == Reject("incident_closed")
    assert world.queue.sent == []
    world.incidents.put(INCIDENT, case)
    await handle(approval(), world.deps)
    (case,) = world.incidents.all
    world.incidents.put(INCIDENT, case.changed(closed_at=world.now()))
    assert await handle(approval(), world.deps) == Done()
    assert world.queue.sent == [IncidentChanged(incident_id=INCIDENT), PULL] * 2


async def test_an_approval_that_others_overtake_is_decided_on_what_they_wrote() -> None:
    world = World()
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)
    times = iter([1])

    def close_now() -> None:
        for _ in times:
            (case,) = world.incidents.all
            world.incidents.put(INCIDENT, case.changed(closed_at=world.now()))

    world.incidents.before_write = close_now
    assert await handle(approval(), world.deps) == Reject("incident_closed")
    assert world.incidents.of(INCIDENT, Command) == []


async def test_undo_is_recorded_once_and_asks_each_chunk() -> None:
    world = await pulled("Inbox")
    world.queue.sent.clear()
    wish = UndoPull(
        incident_id=INCIDENT, all=True, command_id="cmd-1", by="Ann Analyst", at=world.now(), reason="false positive"
    )

    for _ in range(2):
        assert await handle(wish, world.deps) == Done()

    assert [(c.id, c.by, c.reason) for c in world.incidents.of(INCIDENT, Command)] == [
        ("cmd-1", "Ann Analyst", "false positive")
    ]
    assert world.queue.sent == [IncidentChanged(incident_id=INCIDENT), RESTORE] * 2
