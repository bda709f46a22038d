"""Once a copy is moved, no state says that nothing was: what lies in the hidden folder is known, whatever happens."""

from collections.abc import Callable, Sequence

import pytest

from functions.quarantine import engine
from functions.quarantine.handler import handle
from shared.domain.ids import MailboxId
from shared.domain.target import TargetState
from shared.pipeline.payloads import PullChunk
from shared.pipeline.stage import Done, RetryLater
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item, ItemKey, Where
from tests.fakes.checkpoints import ProcessDied
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, LEASE_SECONDS, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
HOURS = 3600


async def one_mail(*mailboxes: str) -> World:
    world = World()
    for mailbox in mailboxes or ("ann",):
        world.mail(mailbox, "Inbox")
    await world.plan(*mailboxes or ("ann",))
    return world


def after_the_move(world: World, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Something happens once, between the next move and the search after it."""
    real = world.mailboxes.move

    async def move(moves: Sequence[tuple[MailboxId, str, str]]) -> dict[ItemKey, Answer[Item]]:
        monkeypatch.setattr(world.mailboxes, "move", real)
        answers = await real(moves)
        do()
        return answers

    monkeypatch.setattr(world.mailboxes, "move", move)


def is_hidden(world: World, key: str = "ann/1") -> bool:
    mailbox = key.partition("/")[0]
    return world.mailboxes.boxes[mailbox].items[key].folder_id == world.mailboxes.folder(mailbox, QUARANTINE)


def ended(world: World, mailbox: str = "ann") -> tuple[TargetState, str | None]:
    return world.target(mailbox).state, world.target(mailbox).reason


async def pull_until_done(world: World) -> None:
    for _ in range(200):
        outcome = await handle(PULL, world.deps)
        if outcome == Done() and world.target("ann").terminal:
            return
        world.now.advance(outcome.seconds or 0 if isinstance(outcome, RetryLater) else LEASE_SECONDS + 1)
    raise AssertionError("it does not end")


async def dies(world: World, where: str) -> None:
    """A worker takes the message, and dies at this place."""
    real = world.checkpoints.checkpoint

    def checkpoint(name: str) -> None:
        real(name)
        if name == where:
            raise ProcessDied(name)

    world.mailboxes._checkpoint = checkpoint
    with pytest.raises(ProcessDied):
        await handle(PULL, world.deps)
    world.mailboxes._checkpoint = real
    world.now.advance(LEASE_SECONDS + 1)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RefusalKind.DENIED, "ErrorAccessDenied"),
        (RefusalKind.PERMANENT, "ErrorInvalidRequest"),
        (RefusalKind.MAILBOX_MISSING, "MailboxNotEnabledForRESTAPI"),
        (RefusalKind.ON_PREMISES, "MailboxNotHostedInExchangeOnline"),
    ],
)
async def test_one_refusal_during_verification_leaves_the_mail_partly_quarantined(
    kind: RefusalKind, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await one_mail()
    after_the_move(world, monkeypatch, lambda: world.mailboxes.refuse("ann", kind, code=code))

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, code)
    assert is_hidden(world)
    assert world.target("ann").copies[0].moved_at == world.now()


async def test_one_429_during_verification_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()
    after_the_move(world, monkeypatch, lambda: world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=20))

    assert await handle(PULL, world.deps) == RetryLater("targets left", 20.0, service=True)
    assert world.target("ann").copies[0].moved_at == world.now()
    world.now.advance(20)
    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)


async def test_429_for_hours_during_verification_leaves_the_mail_partly_quarantined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await one_mail()

    def throttle() -> None:
        world.mailboxes.refuse("ann", RefusalKind.THROTTLED, times=300, code="TooManyRequests", after=2)

    after_the_move(world, monkeypatch, throttle)

    await pull_until_done(world)

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "gave_up:TooManyRequests")
    assert is_hidden(world)


async def test_a_crash_after_the_move_and_benign_mail_of_the_same_message_id_beside_it() -> None:
    world = await one_mail()
    await dies(world, "after move")
    benign = world.mail("ann", "Inbox", 2, sender="payroll@contoso.example")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)
    assert is_hidden(world)
    assert world.mailboxes.boxes["ann"].items["ann/2"] == benign
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_too_many_copies_after_some_were_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()

    def more_arrive() -> None:
        for number in range(2, 2 + world.deps.policy.limits.copies_per_mailbox):
            world.mail("ann", "Inbox", number)

    after_the_move(world, monkeypatch, more_arrive)
    await pull_until_done(world)

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "too_many_copies")
    assert is_hidden(world)
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_record_that_grows_too_large_after_a_move(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()

    def more_arrive() -> None:
        for number in range(2, 6):
            world.mail("ann", "Inbox", number)

    after_the_move(world, monkeypatch, more_arrive)
    await handle(PULL, world.deps)
    monkeypatch.setattr(engine, "_MAX_COMMIT", 1_600)
    await pull_until_done(world)

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "record_too_large")
    assert [copy.id for copy in world.target("ann").copies if copy.moved_at] == ["ann/1"]
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_record_that_is_too_large_before_any_move_says_that_nothing_was_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await one_mail()
    monkeypatch.setattr(engine, "_MAX_COMMIT", 800)
    assert await handle(PULL, world.deps) == Done()
    assert ended(world) == (TargetState.FAILED, "record_too_large")
    assert not world.mailboxes.moves


async def test_one_copy_moved_and_the_other_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()
    world.mail("ann", "Deleted Items", 2)
    real = world.mailboxes._move

    def move(mailbox: str, item_id: str, folder: str) -> Answer[Item]:
        answer = real(mailbox, item_id, folder)
        world.mailboxes.refuse("ann", RefusalKind.PERMANENT, code="ErrorInvalidRequest")
        return answer

    monkeypatch.setattr(world.mailboxes, "_move", move)
    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "ErrorInvalidRequest")
    first, second = world.target("ann").copies
    assert (first.moved_at, second.moved_at, second.unmoved) == (world.now(), None, True)


async def test_a_lost_answer_and_then_a_mailbox_that_refuses_for_good() -> None:
    world = await one_mail()
    world.mailboxes.lost["ann"] = 1
    outcome = await handle(PULL, world.deps)
    assert isinstance(outcome, RetryLater)
    world.now.advance(outcome.seconds or 0)
    world.mailboxes.refuse("ann", RefusalKind.DENIED, times=100, code="ErrorAccessDenied")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "move_unknown:ErrorAccessDenied")


async def test_after_a_lost_answer_what_is_known_of_the_copy_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()
    world.mailboxes.lost["ann"] = 1
    outcome = await handle(PULL, world.deps)
    assert isinstance(outcome, RetryLater)
    world.now.advance(outcome.seconds or 0)

    def refused(*_asked: object) -> Refusal:
        return Refusal(RefusalKind.DENIED, "ErrorAccessDenied", 403)

    # Searches are refused; the read of the copy by its id is not.
    monkeypatch.setattr(world.mailboxes, "_find", refused)

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "ErrorAccessDenied")
    assert world.target("ann").copies[0].moved_at == world.now()


async def test_a_crash_after_the_move_and_then_a_mailbox_that_refuses_for_good() -> None:
    world = await one_mail()
    await dies(world, "after move")
    world.mailboxes.refuse("ann", RefusalKind.DENIED, times=100, code="ErrorAccessDenied")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "move_unknown:ErrorAccessDenied")


async def test_a_move_that_was_refused_was_certainly_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()
    real = world.mailboxes._quarantine

    def then_throttled(mailbox: str) -> object:
        world.mailboxes.refuse("ann", RefusalKind.THROTTLED, times=1, after=20)
        return real(mailbox)

    monkeypatch.setattr(world.mailboxes, "_quarantine", then_throttled)
    monkeypatch.setattr(world.mailboxes, "folder_paths", _paths_of(world))
    assert await handle(PULL, world.deps) == RetryLater("targets left", 20.0, service=True)
    assert world.target("ann").copies[0].unmoved
    world.now.advance(20)
    world.mailboxes.refuse("ann", RefusalKind.DENIED, times=100, code="ErrorAccessDenied")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.DENIED, "ErrorAccessDenied")
    assert not world.mailboxes.moves


def _paths_of(world: World) -> object:
    async def folder_paths(folders: Sequence[tuple[MailboxId, str]]) -> dict[tuple[MailboxId, str], Answer[str]]:
        return {key: world.mailboxes._path(*key) for key in folders}

    return folder_paths


async def test_a_copy_that_a_rule_moves_back_each_time_is_not_called_quarantined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await one_mail()
    real = world.mailboxes.move

    async def and_back(moves: Sequence[tuple[MailboxId, str, str]]) -> dict[ItemKey, Answer[Item]]:
        answers = await real(moves)
        world.mail("ann", "Inbox")
        return answers

    monkeypatch.setattr(world.mailboxes, "move", and_back)
    began = world.now()
    await pull_until_done(world)

    assert ended(world) == (TargetState.FAILED, "gave_up:still_there")
    assert (world.now() - began).total_seconds() >= 4 * HOURS
    assert not is_hidden(world)


async def test_a_planned_target_whose_copies_were_moved_before_is_verified() -> None:
    """A look opens a target again: planned, with its copies kept."""
    world = await one_mail()
    await dies(world, "after move")
    world.mailboxes.refuse("ann", RefusalKind.DENIED, times=3, code="ErrorAccessDenied")
    await handle(PULL, world.deps)
    assert ended(world)[0] is TargetState.PARTLY_QUARANTINED
    await look_again(world)

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)
    assert world.target("ann").copies[0].original.folder_path == "Inbox"
    assert world.mailboxes.moves == {"ann/1": 1}


async def test_a_look_that_is_refused_does_not_forget_what_was_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await one_mail()
    after_the_move(world, monkeypatch, lambda: world.mailboxes.refuse("ann", RefusalKind.DENIED, code="Denied"))
    await handle(PULL, world.deps)
    await look_again(world)
    world.mailboxes.refuse("ann", RefusalKind.PERMANENT, times=100, code="ErrorOther")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.PARTLY_QUARANTINED, "ErrorOther")


async def look_again(world: World) -> None:
    header, (target,) = await world.targets.read_chunk(CHUNK)
    await world.targets.commit(header.value, header.etag, [target.to(TargetState.PLANNED)])


@pytest.mark.parametrize("searches_hidden", [True, False])
@pytest.mark.parametrize("beside", [None, str(Where.PURGES)])
async def test_what_another_case_has_in_quarantine_is_said_to_be_there(
    beside: str | None, *, searches_hidden: bool
) -> None:
    world = World()
    world.mailboxes.searches_hidden = searches_hidden
    world.mail("ann", "Inbox", 9, internet_message_id="<other@example.com>")
    world.mail("ann", QUARANTINE)
    if beside is not None:
        world.mail("ann", beside, 2)
    await world.plan("ann")
    before = world.mailboxes.snapshot()

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.ALREADY_QUARANTINED, None)
    assert world.target("ann").copies == ()
    assert world.mailboxes.snapshot() == before


@pytest.mark.parametrize("searches_hidden", [True, False])
async def test_what_is_in_reach_is_pulled_although_another_case_has_a_copy(*, searches_hidden: bool) -> None:
    world = await one_mail()
    world.mailboxes.searches_hidden = searches_hidden
    world.mail("ann", QUARANTINE, 2)

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)
    assert [copy.id for copy in world.target("ann").copies] == ["ann/1"]


async def test_no_hidden_folder_is_made_where_nothing_is_found() -> None:
    world = World()
    world.mailboxes.add_box("ann")
    await world.plan("ann")
    assert await handle(PULL, world.deps) == Done()
    assert ended(world) == (TargetState.NOT_FOUND, None)
    assert QUARANTINE not in world.mailboxes.boxes["ann"].folders.values()


async def a_move_that_was_throttled() -> World:
    """Located, and not moved; then no search shows the copy any more."""
    world = await one_mail()
    await dies(world, "before move")
    world.mailboxes.unindexed.add("ann/1")
    return world


async def test_a_recorded_copy_that_only_its_id_finds_counts_as_found() -> None:
    world = await a_move_that_was_throttled()
    world.mail("ann", "Inbox/Moved meanwhile")

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)
    assert is_hidden(world)
    assert world.target("ann").copies[0].original.folder_path == "Inbox/Moved meanwhile"


async def test_a_recorded_copy_that_was_purged_is_gone() -> None:
    world = await a_move_that_was_throttled()
    world.mail("ann", str(Where.PURGES))
    world.mailboxes.unindexed.clear()

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.GONE_BY_USER, "purged")
    assert not world.mailboxes.moves


async def test_a_recorded_copy_that_left_the_mailbox_is_not_found() -> None:
    world = await a_move_that_was_throttled()
    del world.mailboxes.boxes["ann"].items["ann/1"]

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.NOT_FOUND, None)


async def test_mail_in_a_hidden_folder_that_somebody_deleted_is_moved_again() -> None:
    world = await one_mail()
    box = world.mailboxes.boxes["ann"]
    box.folders["old"] = QUARANTINE
    await dies(world, "after move")
    assert box.items["ann/1"].folder_id == "old"
    # A folder that is deleted keeps its id, and lies in Deleted Items for all to see.
    box.folders["old"] = f"Deleted Items/{QUARANTINE}"

    assert await handle(PULL, world.deps) == Done()

    assert ended(world) == (TargetState.QUARANTINED, None)
    assert is_hidden(world)
    assert world.target("ann").copies[0].original.folder_path == "Inbox"
