"""Waiting: it is given up by time, each mailbox is left alone as long as it asks, and one message waits for a chunk."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.quarantine.handler import handle
from functions.quarantine.rules import refused
from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain.ids import MailboxId
from shared.domain.incident import Plan, PlanState
from shared.domain.target import Chunk, TargetState
from shared.errors import DeniedError, UnavailableError
from shared.pipeline.envelope import MAX_AGE
from shared.pipeline.payloads import PullChunk, RestoreChunk
from shared.pipeline.stage import Done, RetryLater
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item, ItemKey
from tests.fakes.clock import START
from tests.fakes.stored import Stored
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, LEASE_SECONDS, World, target_in

Moves = Sequence[tuple[MailboxId, str, str]]

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
RESTORE = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1")
RETRYABLE = [kind for kind in RefusalKind if kind.retryable]
PATIENCE = {kind: timedelta(hours=20 if kind is RefusalKind.MAILBOX_MOVING else 4) for kind in RETRYABLE}


async def pulling(*mailboxes: str) -> World:
    world = World()
    for mailbox in mailboxes:
        world.mail(mailbox, "Inbox")
    await world.plan(*mailboxes)
    return world


def sweep_deps(world: World) -> SweepDeps:
    return SweepDeps(targets=world.targets, incidents=world.incidents, queue=world.queue, now=world.now)


async def header_of(world: World) -> Chunk:
    header, _ = await world.targets.read_chunk(CHUNK)
    return header.value


async def retried(world: World, outcome: object) -> object:
    """The message comes back when it asked for it."""
    assert isinstance(outcome, RetryLater)
    world.now.advance(outcome.seconds or 0)
    return await handle(PULL, world.deps)


# Giving up counts time, not tries.


@given(
    st.lists(
        st.tuples(st.sampled_from(RETRYABLE), st.sampled_from([None, 0.0, 2.0, 3600.0]), st.integers(0, 7200)),
        min_size=1,
        max_size=400,
    )
)
def test_nothing_is_given_up_before_its_time(refusals: list[tuple[RefusalKind, float | None, int]]) -> None:
    target, now = target_in("ann"), START
    first: datetime | None = None
    longest = timedelta()
    for kind, retry_after, seconds in refusals:
        now += timedelta(seconds=seconds)
        first = first or now
        longest = max(longest, PATIENCE[kind])
        target = refused(target, Refusal(kind, "Code", 503, retry_after), now)
        if target.terminal:
            assert target.state is TargetState.FAILED
            assert now - first >= longest
            return
        assert now - first < longest
        assert target.trying_since == first


@pytest.mark.parametrize("kind", RETRYABLE)
async def test_retry_after_two_seconds_for_hours_fails_nothing_before_its_time(kind: RefusalKind) -> None:
    world = await pulling("ann", "bob", "eve")
    for name in world.mailboxes.boxes:
        world.mailboxes.always[name] = Refusal(kind, "TooManyRequests", 429, 2.0)
    began, messages = world.now(), 0
    outcome: object = await handle(PULL, world.deps)
    while outcome != Done():
        if world.now() - began < PATIENCE[kind]:
            assert set(world.states.values()) == {TargetState.PLANNED}
        outcome = await retried(world, outcome)
        messages += 1

    assert {(target.state, target.reason) for target in world.targets.all} == {
        (TargetState.FAILED, "gave_up:TooManyRequests")
    }
    assert world.now() - began >= PATIENCE[kind]
    assert messages < 300, "a service that refuses is asked less and less often"


async def test_a_mailbox_that_answers_after_hours_is_pulled() -> None:
    world = await pulling("ann")
    world.mailboxes.always["ann"] = Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429, 2.0)
    outcome: object = await handle(PULL, world.deps)
    while world.now() - START < timedelta(hours=3, minutes=30):
        outcome = await retried(world, outcome)
    world.mailboxes.always.clear()
    assert await retried(world, outcome) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_what_moves_between_databases_is_not_failed_by_one_429() -> None:
    world = await pulling("ann")
    world.mailboxes.always["ann"] = Refusal(RefusalKind.MAILBOX_MOVING, "ErrorMailboxMoveInProgress", 503)
    outcome: object = await handle(PULL, world.deps)
    while world.now() - START < timedelta(hours=10):
        outcome = await retried(world, outcome)
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=2)
    outcome = await retried(world, outcome)
    assert world.states == {"ann": TargetState.PLANNED}
    world.mailboxes.always.clear()
    assert await retried(world, outcome) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}


def test_it_is_given_up_before_its_message_is_too_old() -> None:
    assert max(PATIENCE.values()) < MAX_AGE


# Retry-After of a mailbox is kept for that mailbox.


async def throttled(world: World, mailbox: str = "ann", seconds: float = 600) -> None:
    """The mailbox is pulled, and then asks to be left alone before the pull is verified."""
    real = world.mailboxes._move

    def move(*asked: str) -> object:
        answer = real(*asked)
        if asked[0] == mailbox:
            world.mailboxes.refuse(mailbox, RefusalKind.THROTTLED, after=seconds)
        return answer

    world.mailboxes._move = move  # type: ignore[assignment,method-assign]  # it answers what the real one does
    assert await handle(PULL, world.deps) == RetryLater("targets left", seconds, service=True)
    world.mailboxes._move = real  # type: ignore[method-assign]  # as it was
    world.mailboxes.calls.clear()


async def test_an_undo_that_meets_a_waiting_pull_leaves_the_mailbox_alone() -> None:
    world = await pulling("ann", "bob")
    before = world.mailboxes.snapshot()
    await throttled(world)
    assert world.states == {"ann": TargetState.LOCATED, "bob": TargetState.QUARANTINED}
    world.now.advance(10)

    assert await handle(RESTORE, world.deps) == RetryLater("undo follows the pull", 590)

    assert set(world.mailboxes.calls) == {"bob"}
    assert world.states == {"ann": TargetState.LOCATED, "bob": TargetState.RESTORED}
    world.now.advance(590)
    assert await handle(RESTORE, world.deps) == RetryLater("undo follows the pull", 0)
    assert await handle(RESTORE, world.deps) == Done()
    assert world.mailboxes.snapshot() == before


async def test_an_undo_whose_mailbox_asks_to_wait_merges_with_the_pull_that_waits() -> None:
    world = await pulling("ann", "bob")
    await throttled(world)
    bob = RESTORE.model_copy(update={"targets": (world.target("bob").id,)})
    assert await handle(bob, world.deps) == Done()
    assert world.states == {"ann": TargetState.LOCATED, "bob": TargetState.RESTORED}
    world.now.advance(600)
    assert await handle(PULL, world.deps) == Done()
    assert world.states["ann"] is TargetState.QUARANTINED


async def test_other_targets_of_the_mailbox_wait_too_and_other_mailboxes_do_not() -> None:
    world = await pulling("ann", "bob")
    other = "<other@evil.example>"
    second = target_in("ann").model_copy(update={"id": "target-2", "internet_message_id": other})
    world.targets._targets[CHUNK][second.id] = Stored(second)
    world.mail("ann", "Inbox", 2, internet_message_id=other)
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=600)

    assert await handle(PULL, world.deps) == RetryLater("targets left", 600, service=True)

    states = {target.id: target.state for target in world.targets.all}
    assert states == {
        second.id: TargetState.PLANNED,
        world.targets.all[0].id: TargetState.PLANNED,
        world.targets.all[1].id: TargetState.QUARANTINED,
    }
    world.now.advance(600)
    assert await handle(PULL, world.deps) == Done()
    assert {target.state for target in world.targets.all} == {TargetState.QUARANTINED}


async def test_a_mailbox_that_is_due_sooner_does_not_wait_for_another() -> None:
    world = await pulling("ann", "bob")
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=600)
    world.mailboxes.refuse("bob", RefusalKind.THROTTLED, after=30)
    assert await handle(PULL, world.deps) == RetryLater("targets left", 30, service=True)
    world.now.advance(30)
    world.mailboxes.calls.clear()
    assert await handle(PULL, world.deps) == RetryLater("targets left", 570)
    assert set(world.mailboxes.calls) == {"bob"}
    assert world.states["bob"] is TargetState.QUARANTINED


async def test_mailboxes_that_are_due_at_about_the_same_time_are_done_in_one_round() -> None:
    world = await pulling("ann", "bob", "eve")
    for mailbox, seconds in {"ann": 600, "bob": 700, "eve": 1000}.items():
        world.mailboxes.refuse(mailbox, RefusalKind.THROTTLED, after=seconds)
    assert await handle(PULL, world.deps) == RetryLater("targets left", 700, service=True)
    world.now.advance(700)
    assert await handle(PULL, world.deps) == RetryLater("targets left", 300)


# Messages that wait for one chunk are merged into one.


async def test_duplicates_are_done_while_another_message_waits() -> None:
    world = await pulling("ann")
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=600)
    await handle(PULL, world.deps)
    world.mailboxes.calls.clear()

    assert [await handle(PULL, world.deps) for _ in range(5)] == [Done()] * 5
    assert world.mailboxes.calls == []

    world.now.advance(600)
    assert await handle(PULL, world.deps) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_a_message_that_comes_a_moment_early_is_not_taken_for_a_duplicate() -> None:
    world = await pulling("ann")
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=600)
    await handle(PULL, world.deps)
    world.now.advance(599)
    assert await handle(PULL, world.deps) == RetryLater("targets left", 1)


async def test_if_the_message_that_waits_is_lost_the_sweep_sends_one_of_the_same_age() -> None:
    world = await pulling("ann")
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=600)
    await handle(PULL, world.deps)
    world.now.advance(600)
    assert await sweep(sweep_deps(world)) == 0, "the message may still come"
    world.now.advance(121)

    assert await sweep(sweep_deps(world)) == 1

    (sent,) = world.queue.waiting[-1:]
    assert (sent.envelope.payload, sent.envelope.sent_at) == (PULL.to_document(), START)
    assert await handle(PULL, world.deps) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}
    assert await sweep(sweep_deps(world)) == 0
    assert (await header_of(world)).waiting_since is None


async def test_a_message_that_is_too_old_is_not_what_others_merge_with() -> None:
    """It may be a dead letter: what is sent again by hand must find work."""
    world = await pulling("ann")
    header, _ = await world.targets.read_chunk(CHUNK)
    world.now.advance(MAX_AGE.total_seconds() + 1)
    due = world.now() + timedelta(minutes=10)
    waits = header.value.model_copy(update={"waiting_since": START, "next_at": due})
    await world.targets.commit(waits, header.etag, [])
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=30)

    assert await handle(PULL, world.deps) == RetryLater("targets left", 30, service=True)
    assert (await header_of(world)).sweep_at is None
    assert await handle(PULL, world.deps) == RetryLater("targets left", 30)


# While a service is down.


async def test_while_graph_is_down_the_sweep_sends_a_chunk_once_in_twenty_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await pulling("ann")
    deps = sweep_deps(world)
    header, _ = await world.targets.read_chunk(CHUNK)
    dead = header.value.model_copy(update={"lease_until": START, "sweep_at": START, "waiting_since": START})
    await world.targets.commit(dead, header.etag, [])

    for _ in range(120):
        world.now.advance(60)
        await sweep(deps)

    assert len(world.queue.waiting) == 6
    assert {sent.envelope.sent_at for sent in world.queue.waiting} == {START}


async def test_the_sweep_stops_when_the_message_is_too_old() -> None:
    world = await pulling("ann")
    header, _ = await world.targets.read_chunk(CHUNK)
    dead = header.value.model_copy(update={"sweep_at": START, "waiting_since": START})
    await world.targets.commit(dead, header.etag, [])
    world.now.advance(MAX_AGE.total_seconds() + 1)
    assert await sweep(sweep_deps(world)) == 1
    world.now.advance(MAX_AGE.total_seconds())
    assert await sweep(sweep_deps(world)) == 0


async def test_a_sweep_that_dies_after_it_sent_sends_again() -> None:
    world = await pulling("ann")
    header, _ = await world.targets.read_chunk(CHUNK)
    await world.targets.commit(header.value.model_copy(update={"sweep_at": START}), header.etag, [])
    world.now.advance(60)
    kept = world.targets.commit

    async def dies(*_args: object) -> None:
        raise UnavailableError("the process is gone")

    world.targets.commit = dies  # type: ignore[assignment,method-assign]  # it writes nothing
    with pytest.raises(UnavailableError):
        await sweep(sweep_deps(world))
    world.targets.commit = kept  # type: ignore[method-assign]  # as it was
    assert await sweep(sweep_deps(world)) == 1
    assert len(world.queue.waiting) == 2


@pytest.mark.parametrize("call", ["move", "find"])
async def test_a_service_that_cannot_be_asked_within_a_round_keeps_no_lease(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await pulling("ann")

    async def down(*_asked: object) -> None:
        raise UnavailableError("Graph: no connection", 7.0)

    with monkeypatch.context() as while_down:
        while_down.setattr(world.mailboxes, call, down)
        assert await handle(PULL, world.deps) == RetryLater("Graph: no connection", 7.0, service=True)
        assert (await header_of(world)).lease_until is None
        assert await handle(PULL, world.deps) == Done(), "the other message waits"

    world.now.advance(7)
    assert await handle(PULL, world.deps) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_each_round_without_graph_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await pulling("ann")

    async def down(*_asked: object) -> None:
        raise UnavailableError("Graph: no token")

    monkeypatch.setattr(world.mailboxes, "find", down)
    waits = []
    for _ in range(8):
        outcome = await handle(PULL, world.deps)
        assert isinstance(outcome, RetryLater)
        waits.append(outcome.seconds or 0)
        world.now.advance(waits[-1])
    assert waits[0] <= 5
    assert waits[-1] > 300


async def test_an_unknown_error_within_a_round_gives_the_lease_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await pulling("ann")

    async def fails(*_asked: object) -> None:
        raise DeniedError("Graph: no token")

    with monkeypatch.context() as while_down:
        while_down.setattr(world.mailboxes, "move", fails)
        with pytest.raises(DeniedError):
            await handle(PULL, world.deps)
    assert (await header_of(world)).lease_until is None
    assert await handle(PULL, world.deps) == Done()
    assert world.states == {"ann": TargetState.QUARANTINED}


async def test_work_that_takes_longer_than_its_lease_is_stopped_and_goes_on_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await pulling("ann")
    real = world.mailboxes._move

    async def slow(*_asked: object) -> None:
        real("ann", "ann/1", world.mailboxes.folder("ann", "Clawback Quarantine"))
        raise TimeoutError

    with monkeypatch.context() as while_slow:
        while_slow.setattr(world.mailboxes, "move", slow)
        outcome = await handle(PULL, world.deps)
    assert isinstance(outcome, RetryLater)
    assert outcome.service
    assert (await header_of(world)).lease_until is None
    world.now.advance(LEASE_SECONDS)
    assert await handle(PULL, world.deps) == Done()
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_pull_that_is_approved_while_another_worker_has_the_lease_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await pulling("ann", "bob")
    world.mailboxes.lost["ann"] = 1
    world.mailboxes.refuse("bob", RefusalKind.TRANSIENT)
    outcome = await handle(PULL, world.deps)
    assert world.states == {"ann": TargetState.LOCATED, "bob": TargetState.PLANNED}
    assert isinstance(outcome, RetryLater)
    (plan,) = world.incidents.of(INCIDENT, Plan)
    stopped = plan.model_copy(update={"state": PlanState.AWAITING_APPROVAL, "stopped_at": START})
    world.incidents.put(INCIDENT, stopped)
    real = world.mailboxes.move

    async def and_it_is_approved(moves: Moves) -> dict[ItemKey, Answer[Item]]:
        world.incidents.put(INCIDENT, stopped.model_copy(update={"state": PlanState.RUNNING, "approved_by": "dana"}))
        assert await handle(PULL, world.deps) == Done()
        return await real(moves)

    monkeypatch.setattr(world.mailboxes, "move", and_it_is_approved)
    world.now.advance(outcome.seconds or 0)
    assert await handle(PULL, world.deps) == RetryLater("approved meanwhile", 0.0)
    monkeypatch.undo()
    assert await handle(PULL, world.deps) == Done()
    assert set(world.states.values()) == {TargetState.QUARANTINED}
