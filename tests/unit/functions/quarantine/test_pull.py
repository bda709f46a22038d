"""Locate, record, move, verify: what becomes of a target, and that nothing else is touched."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from functions.quarantine.handler import handle
from shared.domain.ids import MailboxId
from shared.domain.incident import PlanState
from shared.domain.target import ReadState, TargetState
from shared.pipeline.payloads import ChunkChanged, PullChunk, RestoreChunk
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item, ItemKey, Where
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import CHUNK, DELIVERED, INCIDENT, LEASE_SECONDS, World

Moves = Sequence[tuple[MailboxId, str, str]]

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)


async def wait_as_asked(outcome: Outcome, world: World) -> None:
    """Let the time pass that the outcome asks for."""
    assert isinstance(outcome, RetryLater)
    world.now.advance(outcome.seconds or 0)


async def test_a_copy_is_moved_to_the_hidden_folder_seen_there_and_reported() -> None:
    world = World()
    world.mail("ann", "Inbox/Invoices")
    other = world.mail("ann", "Inbox", 2, internet_message_id="<other@example.com>")
    await world.plan("ann")
    world.now.advance(5)

    assert await handle(PULL, world.deps) == Done()

    target = world.target("ann")
    assert (target.state, target.read) == (TargetState.QUARANTINED, ReadState.UNREAD)
    assert (target.delivered_at, target.pulled_at) == (DELIVERED, world.now())
    assert target.exposed_seconds == 605
    assert target.copies[0].original.folder_path == "Inbox/Invoices"
    box = world.mailboxes.boxes["ann"]
    assert box.items["ann/1"].folder_id == world.mailboxes.folder("ann", QUARANTINE)
    assert box.items["ann/2"] == other
    assert world.queue.sent == [ChunkChanged(incident_id=INCIDENT, chunk_id=CHUNK)]


async def test_all_copies_are_pulled_wherever_clients_can_reach_them() -> None:
    world = World()
    for number, folder in enumerate(("Inbox", "Deleted Items", str(Where.DELETIONS), "Inbox/Projects"), start=1):
        world.mail("ann", folder, number)
    await world.plan("ann")

    await handle(PULL, world.deps)

    assert len(world.target("ann").copies) == 4
    assert world.target("ann").read is ReadState.READ
    hidden = world.mailboxes.folder("ann", QUARANTINE)
    assert {item.folder_id for item in world.mailboxes.boxes["ann"].items.values()} == {hidden}


async def test_the_mail_of_another_sender_under_the_same_message_id_is_left_alone() -> None:
    world = World()
    world.mail("ann", "Inbox", sender="payroll@contoso.example")
    await world.plan("ann")
    before = world.mailboxes.snapshot()

    await handle(PULL, world.deps)

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.HELD, "sender_differs")
    assert world.mailboxes.snapshot() == before


async def test_more_copies_than_the_limit_allows_are_left_alone() -> None:
    world = World()
    for number in range(world.deps.policy.limits.copies_per_mailbox + 1):
        world.mail("ann", "Inbox", number)
    await world.plan("ann")

    await handle(PULL, world.deps)

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.HELD, "too_many_copies")
    assert not world.mailboxes.moves


async def test_purged_mail_and_mail_that_never_arrived_have_different_states() -> None:
    world = World()
    world.mail("ann", str(Where.PURGES))
    world.mailboxes.add_box("bob")
    await world.plan("ann", "bob", "nobody")

    await handle(PULL, world.deps)

    assert world.states == {
        "ann": TargetState.GONE_BY_USER,
        "bob": TargetState.NOT_FOUND,
        "nobody": TargetState.MAILBOX_MISSING,
    }


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (RefusalKind.ON_PREMISES, TargetState.ON_PREMISES),
        (RefusalKind.MAILBOX_MISSING, TargetState.MAILBOX_MISSING),
        (RefusalKind.DENIED, TargetState.DENIED),
        (RefusalKind.PERMANENT, TargetState.FAILED),
    ],
)
async def test_a_permanent_refusal_ends_the_target_with_its_code(kind: RefusalKind, state: TargetState) -> None:
    world = World()
    world.mail("ann", "Inbox")
    world.mail("bob", "Inbox")
    await world.plan("ann", "bob")
    world.mailboxes.refuse("ann", kind, code="TheCode")

    assert await handle(PULL, world.deps) == Done()

    assert (world.target("ann").state, world.target("ann").reason) == (state, "TheCode")
    assert world.target("bob").state is TargetState.QUARANTINED


async def test_a_throttled_mailbox_waits_as_long_as_it_asked_and_the_others_do_not() -> None:
    world = World()
    world.mail("ann", "Inbox")
    world.mail("bob", "Inbox")
    await world.plan("ann", "bob")
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=17.0)

    assert await handle(PULL, world.deps) == RetryLater("targets left", 17.0, service=True)
    assert world.states == {"ann": TargetState.PLANNED, "bob": TargetState.QUARANTINED}
    assert world.target("ann").attempts == 1

    world.now.advance(17)
    assert await handle(PULL, world.deps) == Done()
    assert world.states["ann"] is TargetState.QUARANTINED


async def test_a_move_whose_answer_was_lost_is_not_done_again() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    world.mailboxes.lost["ann"] = 1

    await wait_as_asked(await handle(PULL, world.deps), world)
    assert world.target("ann").state is TargetState.LOCATED
    assert await handle(PULL, world.deps) == Done()

    assert world.target("ann").state is TargetState.QUARANTINED
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_copy_that_returns_before_the_last_search_is_not_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    real = world.mailboxes.move

    async def and_a_rule_moves_it_back(moves: Moves) -> dict[ItemKey, Answer[Item]]:
        answers = await real(moves)
        box = world.mailboxes.boxes["ann"]
        box.items["ann/1"] = world.mail("ann", "Inbox")
        monkeypatch.setattr(world.mailboxes, "move", real)
        return answers

    monkeypatch.setattr(world.mailboxes, "move", and_a_rule_moves_it_back)

    await wait_as_asked(await handle(PULL, world.deps), world)
    assert world.target("ann").state is TargetState.LOCATED
    assert await handle(PULL, world.deps) == Done()
    assert world.target("ann").state is TargetState.QUARANTINED


@pytest.mark.parametrize("wrong", [("folder_id", "ann:Inbox"), ("id", "another")])
async def test_an_answer_that_does_not_show_the_copy_in_the_hidden_folder_is_no_proof(
    wrong: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    real = world.mailboxes.move

    async def answer_wrongly(moves: Moves) -> dict[ItemKey, Answer[Item]]:
        monkeypatch.setattr(world.mailboxes, "move", real)
        answers = await real(moves)
        ((key, item),) = answers.items()
        assert isinstance(item, Item)
        name, value = wrong
        return {key: replace(item, folder_id=value) if name == "folder_id" else replace(item, id=value)}

    monkeypatch.setattr(world.mailboxes, "move", answer_wrongly)

    await wait_as_asked(await handle(PULL, world.deps), world)
    assert world.target("ann").state is TargetState.LOCATED
    assert await handle(PULL, world.deps) == Done()
    assert world.target("ann").state is TargetState.QUARANTINED
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_what_undo_needs_is_committed_before_anything_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.mail("ann", "Inbox/Invoices", 2)
    await world.plan("ann")
    seen: list[object] = []
    real = world.mailboxes.move

    async def check_first(moves: Moves) -> dict[ItemKey, Answer[Item]]:
        target = world.target("ann")
        original = target.copies[0].original
        seen.append((target.state, original.folder_path, original.is_read, original.flag))
        return await real(moves)

    monkeypatch.setattr(world.mailboxes, "move", check_first)
    await handle(PULL, world.deps)

    assert seen == [(TargetState.LOCATED, "Inbox/Invoices", True, {"flagStatus": "notFlagged"})]


async def test_nothing_moves_before_a_plan_is_approved() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", state=PlanState.AWAITING_APPROVAL)

    assert await handle(PULL, world.deps) == Reject("plan_not_approved")
    assert not world.mailboxes.moves


async def test_a_pull_that_meets_a_lease_is_done_and_an_undo_waits_for_its_end() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    header, _ = await world.targets.read_chunk(CHUNK)
    until = world.now.now.replace(minute=1)
    await world.targets.commit(header.value.model_copy(update={"lease_until": until}), header.etag, [])

    assert await handle(PULL, world.deps) == Done()
    undo = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1")
    assert await handle(undo, world.deps) == RetryLater("leased", LEASE_SECONDS)
    assert not world.mailboxes.moves


async def test_the_same_message_twice_pulls_once() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    await handle(PULL, world.deps)
    first = world.target("ann")
    world.now.advance(60)

    assert await handle(PULL, world.deps) == Done()

    assert world.target("ann") == first
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_refused_move_ends_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann")
    real = world.mailboxes.move

    async def no(moves: Moves) -> dict[ItemKey, Answer[Item]]:
        monkeypatch.setattr(world.mailboxes, "move", real)
        return {(mailbox, item): Refusal(RefusalKind.DENIED, "ErrorAccessDenied", 403) for mailbox, item, _ in moves}

    monkeypatch.setattr(world.mailboxes, "move", no)
    await handle(PULL, world.deps)

    assert (world.target("ann").state, world.target("ann").reason) == (TargetState.DENIED, "ErrorAccessDenied")
