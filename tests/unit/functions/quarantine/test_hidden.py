"""Whatever lies in a hidden folder is listed and can be put back, whatever the records say."""

from typing import Any

import pytest

from functions.quarantine import hidden
from functions.quarantine.handler import handle
from shared.domain.hidden import HiddenAsked, HiddenFound, HiddenReport, asked_path, found_path, report_path
from shared.domain.ids import IncidentId
from shared.domain.incident import Command
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import Target, TargetState
from shared.pipeline.payloads import HiddenMail, IncidentChanged, PullChunk, RestoreChunk
from shared.pipeline.stage import Done, Reject, RetryLater
from shared.ports.answers import RefusalKind
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.mailboxes import QUARANTINE
from tests.unit.functions.quarantine.world import CHUNK, INCIDENT, MESSAGE_ID, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
ASKED = HiddenAsked(id="hidden-" + "0" * 32, by="Ann Analyst", at=World().now(), reason="false positive", mailbox="ann")
MESSAGE = HiddenMail(id=ASKED.id)


async def pulled(checkpoints: Checkpoints | None = None) -> World:
    """Ann's two copies and Bob's are pulled; in Ann's hidden folder lies one more mail, which no target knows."""
    world = World(checkpoints or Checkpoints())
    world.mail("ann", "Inbox/Invoices", 1)
    world.mail("ann", "Inbox", 2)
    world.mail("bob", "Inbox", 3)
    await world.plan("ann", "bob")
    world.before = world.mailboxes.snapshot()
    await handle(PULL, world.deps)
    world.mail("ann", QUARANTINE, 9, internet_message_id="<stranger@example.com>", subject="Hi\u202e\x1b[2J")
    world.queue.sent.clear()
    return world


async def ask(world: World, **changes: Any) -> HiddenReport:
    keep(world, **changes)
    assert await handle(MESSAGE, world.deps) == Done()
    return report_of(world)


def keep(world: World, **changes: Any) -> None:
    asked = HiddenAsked(**{**ASKED.model_dump(by_alias=False), **changes})
    world.evidence.blobs[asked_path(asked.id)] = asked.model_dump_json().encode()


def report_of(world: World) -> HiddenReport:
    return HiddenReport.model_validate_json(world.evidence.blobs[report_path(ASKED.id)])


async def undo_all(world: World) -> None:
    """Deliver what the answer sent."""
    for message in [one for one in world.queue.sent if isinstance(one, RestoreChunk)]:
        for _ in range(5):
            if not isinstance(await handle(message, world.deps), RetryLater):
                break


async def put(world: World, target: Target) -> None:
    header, _ = await world.targets.read_chunk(target.chunk_id)
    await world.targets.commit(header.value, header.etag, [target])


def folder_of(world: World, item: str) -> str:
    box = world.mailboxes.boxes["ann"]
    return box.folders[box.items[item].folder_id]


async def test_all_that_lies_in_the_hidden_folder_is_listed_with_its_targets_and_where_it_was() -> None:
    world = await pulled()

    found = (await ask(world)).found

    assert [(one.item, one.mailbox_id) for one in found.items] == [("ann/1", "ann"), ("ann/2", "ann"), ("ann/9", "ann")]
    assert (found.total, found.refused, found.left_off) == (3, (), 0)
    (owner,) = found.items[0].owners
    assert (owner.incident_id, owner.target_id) == (INCIDENT, world.target("ann").id)
    assert (owner.state, owner.folder, owner.holds) == ("quarantined", "Inbox/Invoices", True)
    assert found.items[2].owners == ()
    assert found.items[2].subject == "Hi [2J"
    assert world.queue.sent == []
    assert sum(world.mailboxes.moves.values()) == 3


async def test_the_mailbox_may_be_named_by_its_address() -> None:
    world = await pulled()
    person = Recipient(RecipientKind.USER, "ann@contoso.example", "ann", addresses=("ann@contoso.example",))
    world.directory.people["ann@contoso.example"] = person
    found = (await ask(world, mailbox="ann@contoso.example")).found
    assert {one.mailbox for one in found.items} == {"ann@contoso.example"}
    assert found.total == 3


async def test_what_is_no_mailbox_or_refuses_is_said() -> None:
    world = await pulled()
    found = (await ask(world, mailbox="nobody@contoso.example")).found
    assert [(one.mailbox, one.code) for one in found.refused] == [("nobody@contoso.example", "directory:unknown")]
    world = await pulled()
    world.mailboxes.refuse("ann", RefusalKind.DENIED, code="ErrorAccessDenied")
    found = (await ask(world)).found
    assert ([(one.mailbox, one.code) for one in found.refused], found.total) == ([("ann", "ErrorAccessDenied")], 0)


async def test_by_case_only_the_mail_of_the_case_is_listed_in_all_of_its_mailboxes() -> None:
    world = await pulled()
    # One that was moved, but whose move was never written down.
    world.mail("bob", QUARANTINE, 4)
    found = (await ask(world, mailbox=None, incident_id=INCIDENT)).found
    assert [one.item for one in found.items] == ["ann/1", "ann/2", "bob/3", "bob/4"]
    assert {one.mailbox for one in found.items} == {"ann@contoso.example", "bob@contoso.example"}
    assert found.items[3].internet_message_id == MESSAGE_ID


async def test_mailboxes_beyond_the_limit_of_one_request_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "MAX_MAILBOXES", 1)
    world = await pulled()
    found = (await ask(world, mailbox=None, incident_id=INCIDENT)).found
    assert (len({one.mailbox for one in found.items}), found.left_off) == (1, 1)


async def test_mail_of_a_target_is_put_back_by_its_chunk_and_the_command_is_in_its_case() -> None:
    world = await pulled()

    report = await ask(world, restore=True, items=("ann/1",))

    (done,) = report.restored
    assert (done.item, done.result, done.incident_ids) == ("ann/1", "asked", (INCIDENT,))
    (command,) = world.incidents.of(INCIDENT, Command)
    assert (command.command, command.by, command.reason) == ("restore_hidden", "Ann Analyst", "false positive")
    assert IncidentChanged(incident_id=INCIDENT) in world.queue.sent
    await undo_all(world)
    target = world.target("ann")
    assert (target.state, target.reason) == (TargetState.PARTLY_RESTORED, "asked_for_in_part")
    assert folder_of(world, "ann/1") == "Inbox/Invoices"
    assert folder_of(world, "ann/2") == folder_of(world, "ann/9") == QUARANTINE


ENDS = [TargetState.HELD, TargetState.DENIED, TargetState.FAILED, TargetState.NOT_FOUND, TargetState.QUARANTINED]


@pytest.mark.parametrize("state", ENDS)
async def test_mail_is_put_back_whatever_the_state_of_its_target(state: TargetState) -> None:
    world = await pulled()
    await put(world, world.target("ann").model_copy(update={"state": state, "reason": "gave_up:x"}))

    await ask(world, restore=True, items=("ann/1", "ann/2"))
    await undo_all(world)

    assert world.target("ann").state is TargetState.RESTORED
    items = world.mailboxes.boxes["ann"].items
    assert {key: items[key] for key in ("ann/1", "ann/2")} == world.before["ann"]


async def test_mail_that_no_target_knows_goes_to_the_inbox() -> None:
    world = await pulled()

    (done,) = (await ask(world, restore=True, items=("ann/9",))).restored

    assert (done.result, done.folder, done.incident_ids) == ("put_back", "Inbox", ())
    assert folder_of(world, "ann/9") == "Inbox"
    assert not [one for one in world.queue.sent if isinstance(one, RestoreChunk)]


async def test_mail_that_was_put_back_before_and_is_hidden_again_goes_to_the_folder_that_its_target_knows() -> None:
    world = await pulled()
    await handle(RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1"), world.deps)
    world.mail("ann", QUARANTINE, 1)

    (done,) = (await ask(world, restore=True, items=("ann/1",))).restored

    assert (done.result, done.folder) == ("put_back", "Inbox/Invoices")
    assert folder_of(world, "ann/1") == "Inbox/Invoices"


async def test_if_that_folder_is_gone_it_goes_to_the_inbox() -> None:
    world = await pulled()
    await handle(RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, command_id="cmd-1"), world.deps)
    world.mail("ann", QUARANTINE, 1)
    del world.mailboxes.boxes["ann"].folders["ann:Inbox/Invoices"]
    (done,) = (await ask(world, restore=True, items=("ann/1",))).restored
    assert (done.result, done.folder) == ("put_back", "Inbox")


async def test_all_is_put_back_only_if_it_is_as_many_as_the_person_saw() -> None:
    world = await pulled()
    report = await ask(world, restore=True, count=2)
    assert (report.problem, report.restored) == ("count_differs", ())
    assert world.queue.sent == []
    world = await pulled()
    report = await ask(world, restore=True, count=3)
    assert (report.problem, len(report.restored)) == (None, 3)
    await undo_all(world)
    assert QUARANTINE not in {folder_of(world, item) for item in ("ann/1", "ann/2", "ann/9")}


async def test_more_than_one_answer_lists_is_counted_and_not_put_back_as_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "MAX_FOUND", 2)
    world = await pulled()
    report = await ask(world, restore=True, count=3)
    assert (len(report.found.items), report.found.total, report.problem) == (2, 3, "count_differs")


async def test_what_is_not_there_is_said() -> None:
    world = await pulled()
    (done,) = (await ask(world, restore=True, items=("ann/77",))).restored
    assert done.result == "not_there"


async def test_what_was_not_asked_by_anybody_is_rejected() -> None:
    assert await handle(MESSAGE, World().deps) == Reject("unknown_question")


async def test_a_refusal_for_a_while_is_tried_again_and_another_one_is_said() -> None:
    world = await pulled()
    keep(world, restore=True, items=("ann/9",))
    world.evidence.blobs[found_path(ASKED.id)] = await found_now(world)
    world.mailboxes.refuse("ann", RefusalKind.THROTTLED, code="x", after=7.0)
    assert await handle(MESSAGE, world.deps) == RetryLater("x", 7.0, service=True)
    assert report_path(ASKED.id) not in world.evidence.blobs
    world.mailboxes.refuse("ann", RefusalKind.DENIED, code="ErrorAccessDenied")
    assert await handle(MESSAGE, world.deps) == Done()
    assert report_of(world).restored[0].result == "ErrorAccessDenied"


async def found_now(world: World) -> bytes:
    """What a look finds."""
    found: HiddenFound = await hidden._look(ASKED, world.deps)
    return found.model_dump_json().encode()


async def test_an_answer_is_given_once() -> None:
    world = await pulled()
    first = await ask(world)
    world.mail("ann", "Inbox", 9)
    assert await handle(MESSAGE, world.deps) == Done()
    assert report_of(world) == first


async def places() -> int:
    checkpoints = Checkpoints()
    world = await pulled(checkpoints)
    before = checkpoints.passed
    await ask(world, restore=True, count=3)
    return checkpoints.passed - before


# Of a run without a crash; should the answer take more of them, this number is to follow.
PLACES = 22


async def test_a_crash_is_tried_at_every_await() -> None:
    assert await places() == PLACES


@pytest.mark.parametrize("place", range(PLACES))
async def test_a_crash_while_hidden_mail_is_put_back_changes_nothing_about_its_result(place: int) -> None:
    checkpoints = Checkpoints()
    world = await pulled(checkpoints)
    keep(world, restore=True, count=3)
    checkpoints.die_at = checkpoints.passed + place
    with pytest.raises(ProcessDied):
        await handle(MESSAGE, world.deps)
    checkpoints.revive()
    world.now.advance(100)

    for _ in range(2):
        assert await handle(MESSAGE, world.deps) == Done()
    await undo_all(world)

    assert world.target("ann").state is TargetState.RESTORED
    assert folder_of(world, "ann/9") == "Inbox"
    assert world.mailboxes.moves == {"ann/1": 2, "ann/2": 2, "bob/3": 1, "ann/9": 1}
    assert [one.result for one in report_of(world).restored] == ["asked", "asked", "put_back"]
    assert [one.id for one in world.incidents.of(INCIDENT, Command)] == [ASKED.id]


async def test_a_case_that_has_no_targets_has_no_hidden_mail() -> None:
    found = (await ask(await pulled(), mailbox=None, incident_id=IncidentId("inc-9"))).found
    assert (found.items, found.total) == ((), 0)
