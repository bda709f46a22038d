"""`Mailboxes`: what every implementation must do."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from local.emulators.graph.model import Address, InboxRule
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import ForwardingRule, Item, QuarantineFolder, Where
from tests.contract.graph_worlds import (
    ANN,
    BEN,
    DELETIONS,
    FENCED,
    FLAGGED,
    HYBRID,
    NOBODY,
    PURGES,
    RECEIVED,
    FakeWorld,
    LocalWorld,
    Mail,
    World,
    local_world,
)

if TYPE_CHECKING:
    from shared.domain.ids import MailboxId

# Formed as an id of Exchange: another text is refused as malformed, and says nothing about the mailbox.
ABSENT = "AAMk" + "A" * 44

HOSTILE = (
    "<x' or 1 eq 1 or internetMessageId eq 'y@evil.example>",
    "<a+b@evil.example>",
    "<a b@evil.example>",
    "<a%2Bb@evil.example>",
    "<a&$top=1#b@evil.example>",
    "<a/../b?c@evil.example>",
    "<'@evil.example>",
    "<''@evil.example>",
    "<ünï\u202e🐟@evil.example>",
    '<\\"\n\x00@evil.example>',
    "<" + "l" * 900 + "@evil.example>",
)


@pytest.fixture(params=["fake", "local"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    async with local_world() as made:
        yield made


def ids(answer: tuple[Item, ...] | Refusal) -> set[str]:
    assert not isinstance(answer, Refusal), answer
    return {item.id for item in answer}


def kinds(answers: Mapping[Any, object]) -> list[RefusalKind | None]:
    return [answer.kind if isinstance(answer, Refusal) else None for answer in answers.values()]


async def find(world: World, mailbox: "MailboxId", message_id: str, where: Where = Where.VISIBLE) -> set[str]:
    """The ids of what is found in one mailbox."""
    return ids((await world.port.find(where, [(mailbox, message_id)]))[mailbox, message_id])


async def get(world: World, mailbox: "MailboxId", item_id: str) -> Item:
    item = (await world.port.get([(mailbox, item_id)]))[mailbox, item_id]
    assert isinstance(item, Item), item
    return item


async def quarantine_folder(world: World, mailbox: "MailboxId") -> str:
    folder = (await world.port.quarantine_folders([mailbox]))[mailbox]
    assert isinstance(folder, QuarantineFolder), folder
    return folder.id


def text(answer: str | Refusal) -> str:
    assert isinstance(answer, str), answer
    return answer


async def test_find_sees_every_visible_copy_and_only_this_message(world: World) -> None:
    world.make_folder(ANN, "Inbox/Invoices")
    mail = Mail("<Abc@evil.example>")
    wanted = {world.put(ANN, replace(mail, folder=f)) for f in ("Inbox", "Inbox/Invoices", "Deleted Items", "Inbox")}
    world.put(ANN, replace(mail, message_id="<aBC@evil.example>"))
    world.put(ANN, replace(mail, folder=DELETIONS))
    world.put(ANN, replace(mail, folder=PURGES))
    world.put(BEN, mail)

    assert await find(world, ANN, mail.message_id) == wanted


async def test_more_copies_than_a_page_are_all_found(world: World) -> None:
    wanted = {world.put(ANN, Mail()) for _ in range(120)}

    assert await find(world, ANN, Mail().message_id) == wanted


@pytest.mark.parametrize(("where", "folder"), [(Where.DELETIONS, DELETIONS), (Where.PURGES, PURGES)])
async def test_find_looks_into_recoverable_items_where_it_is_told_to(world: World, where: Where, folder: str) -> None:
    wanted = world.put(ANN, Mail(folder=folder))
    world.put(ANN, Mail())

    found = await world.port.find(where, [(ANN, Mail().message_id), (BEN, Mail().message_id)])

    assert {mailbox: ids(answer) for (mailbox, _), answer in found.items()} == {ANN: {wanted}, BEN: set()}


async def test_find_hidden_sees_what_was_moved_to_the_hidden_folder_and_makes_none(world: World) -> None:
    asked = [(ANN, Mail().message_id), (BEN, Mail().message_id), (NOBODY, Mail().message_id)]
    wanted = world.put(ANN, Mail())
    world.put(ANN, Mail())
    world.put(BEN, Mail())
    none_yet = await world.port.find_hidden(asked[:2])
    assert none_yet == dict.fromkeys(asked[:2], ())
    folder = await quarantine_folder(world, ANN)
    await world.port.move([(ANN, wanted, folder)])

    answers = await world.port.find_hidden(asked)

    assert ids(answers[asked[0]]) == {wanted}
    assert answers[asked[1]] == ()
    assert kinds({key: answers[key] for key in asked}) == [None, None, RefusalKind.MAILBOX_MISSING]
    assert await world.port.find_hidden([]) == {}


async def test_an_item_tells_what_undo_needs(world: World) -> None:
    wanted = world.put(ANN, Mail(is_read=True, flagged=True, categories=("Red", "Blue")))

    found = await world.port.find(Where.VISIBLE, [(ANN, Mail().message_id)])
    item = await get(world, ANN, wanted)

    assert found == {(ANN, Mail().message_id): (item,)}
    assert (item.sender, item.subject, item.received_at) == ("mallory@evil.example", "Invoice", RECEIVED)
    assert (item.is_read, item.flag, item.categories) == (True, FLAGGED, ("Red", "Blue"))
    assert await world.port.inboxes([ANN]) == {ANN: item.folder_id}


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("Mallory@Bücher.example", "mallory@xn--bcher-kva.example"),
        ('"mallory m"@evil.example', '"mallory m"@evil.example'),
        ("/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=MALLORY", None),
        ("", None),
    ],
)
async def test_an_item_tells_from_and_sender_in_one_spelling(world: World, shown: str, told: str | None) -> None:
    wanted = world.put(ANN, Mail(sender=shown, sent_by="Delegate@contoso.example"))
    other = world.put(ANN, Mail(sender="a@b.example", sent_by=shown))

    assert [(item.sender, item.sent_by) for item in (await get(world, ANN, wanted), await get(world, ANN, other))] == [
        (told, "delegate@contoso.example"),
        # Whoever has no Sender has sent it himself; an empty one is none.
        ("a@b.example", told if shown else "a@b.example"),
    ]


async def test_network_message_ids_are_read_where_exchange_wrote_them(world: World) -> None:
    wanted, other = world.put(ANN, Mail(network_message_id="0A1B-2c")), world.put(ANN, Mail())

    answers = await world.port.network_message_ids([(ANN, wanted), (ANN, other), (ANN, ABSENT), (FENCED, wanted)])

    assert (answers[ANN, wanted], answers[ANN, other]) == ("0a1b-2c", None)
    assert kinds(answers) == [None, None, RefusalKind.NOT_FOUND, RefusalKind.DENIED]


@pytest.mark.parametrize("message_id", HOSTILE)
async def test_a_hostile_message_id_finds_only_its_own_message(world: World, message_id: str) -> None:
    wanted = world.put(ANN, Mail(message_id))
    for other in (*HOSTILE, "<innocent@contoso.example>"):
        if other != message_id:
            world.put(ANN, Mail(other))

    assert await find(world, ANN, message_id) == {wanted}


async def test_a_lone_surrogate_finds_nothing_and_does_not_stop_the_others(world: World) -> None:
    wanted = world.put(ANN, Mail("<?@evil.example>"))

    asked = [(ANN, "<\ud83d@evil.example>"), (ANN, "<?@evil.example>")]

    found = await world.port.find(Where.VISIBLE, asked)

    assert [ids(found[key]) for key in asked] == [set(), {wanted}]


async def test_folder_paths_from_the_root_down(world: World) -> None:
    world.make_folder(ANN, "Inbox/Projects")
    world.make_folder(ANN, "Inbox/Projects/2026")
    for folder in ("Inbox", "Inbox/Projects/2026", "Deleted Items"):
        world.put(ANN, Mail(folder=folder))
    found = [await get(world, ANN, item) for item in await find(world, ANN, Mail().message_id)]

    paths = await world.port.folder_paths([(ANN, item.folder_id) for item in found] + [(ANN, ABSENT)])

    gone = paths.pop((ANN, ABSENT))
    assert sorted(str(path) for path in paths.values()) == ["Deleted Items", "Inbox", "Inbox/Projects/2026"]
    assert kinds({"gone": gone}) == [RefusalKind.NOT_FOUND]


async def test_quarantine_folders_are_made_once_and_each_mailbox_has_its_own(world: World) -> None:
    first = await asyncio.gather(*(world.port.quarantine_folders([ANN, BEN]) for _ in range(5)))
    again = await world.port.quarantine_folders([BEN, ANN])

    assert kinds(again) == [None] * 2
    ids_of = [{m: f.id for m, f in answers.items() if isinstance(f, QuarantineFolder)} for answers in (*first, again)]
    assert all(found == ids_of[0] for found in ids_of)
    assert ids_of[0][ANN] != ids_of[0][BEN]


async def test_paths_that_come_with_the_quarantine_folder_equal_folder_paths(world: World) -> None:
    world.make_folder(ANN, "Invoices")
    in_folder, in_inbox = world.put(ANN, Mail(folder="Invoices")), world.put(ANN, Mail())

    folder = (await world.port.quarantine_folders([ANN]))[ANN]

    assert isinstance(folder, QuarantineFolder)
    assert folder.paths[(await get(world, ANN, in_folder)).folder_id] == "Invoices"
    assert folder.paths[(await get(world, ANN, in_inbox)).folder_id] == "Inbox"
    asked = [(ANN, key) for key in folder.paths]
    assert await world.port.folder_paths(asked) == {key: folder.paths[key[1]] for key in asked}


async def test_a_moved_item_keeps_its_id_and_everything_else_of_it(world: World) -> None:
    wanted = world.put(ANN, Mail(is_read=True, flagged=True, categories=("Red",)))
    world.put(ANN, Mail())
    world.put(BEN, Mail())
    before = world.everything()
    folder = await quarantine_folder(world, ANN)

    moved = (await world.port.move([(ANN, wanted, folder)]))[ANN, wanted]

    assert isinstance(moved, Item)
    assert (moved.id, moved.folder_id) == (wanted, folder)
    assert moved == await get(world, ANN, wanted)
    after = world.everything()
    assert {key for key in before if before[key] != after[key]} == {wanted}
    assert after[wanted][1:] == before[wanted][1:]
    assert await world.port.folder_paths([(ANN, folder)]) == {(ANN, folder): after[wanted][0]}


async def test_a_move_back_restores_exactly_what_was(world: World) -> None:
    wanted = world.put(ANN, Mail(flagged=True, categories=("Red",)))
    before = world.everything()
    there = await quarantine_folder(world, ANN)
    inbox = text((await world.port.inboxes([ANN]))[ANN])

    await world.port.move([(ANN, wanted, there)])
    await world.port.move([(ANN, wanted, inbox)])

    assert world.everything() == before


async def test_what_is_missing_is_not_found_and_the_rest_is_done(world: World) -> None:
    wanted = world.put(ANN, Mail())
    folder = await quarantine_folder(world, ANN)

    answers = await world.port.move([(ANN, ABSENT, folder), (ANN, wanted, folder)])
    gone = await world.port.move([(ANN, wanted, ABSENT)])
    looked = await world.port.get([(BEN, wanted), (ANN, wanted)])

    assert kinds(answers) == [RefusalKind.NOT_FOUND, None]
    assert kinds(gone) == [RefusalKind.NOT_FOUND]
    assert kinds(looked) == [RefusalKind.NOT_FOUND, None]


async def test_a_lost_answer_is_transient_though_the_move_happened(world: World) -> None:
    lost, kept = world.put(ANN, Mail()), world.put(BEN, Mail())
    folders = {mailbox: await quarantine_folder(world, mailbox) for mailbox in (ANN, BEN)}
    world.lose_next_move(ANN)

    answers = await world.port.move([(ANN, lost, folders[ANN]), (BEN, kept, folders[BEN])])

    assert kinds(answers) == [RefusalKind.TRANSIENT, None]
    assert (await get(world, ANN, lost)).folder_id == folders[ANN]
    assert (await get(world, BEN, kept)).folder_id == folders[BEN]


async def test_marks_are_set_to_those_given(world: World) -> None:
    wanted, other = world.put(ANN, Mail()), world.put(ANN, Mail(is_read=True))
    before = world.everything()
    wish = replace(await get(world, ANN, wanted), is_read=True, flag=FLAGGED, categories=("Red", "Blue"))

    answers = await world.port.set_marks([(ANN, wish), (ANN, replace(wish, id=ABSENT))])

    assert kinds(answers) == [None, RefusalKind.NOT_FOUND]
    assert await get(world, ANN, wanted) == wish == answers[ANN, wanted]
    assert world.everything()[other] == before[other]


async def test_replies_and_forwards_come_with_their_recipients(world: World) -> None:
    parent = "<it's+1@evil.example>"
    sent = Mail(folder="Sent Items", sender="ann@contoso.example")
    reply = replace(
        sent, message_id="<re@contoso.example>", subject="RE: Invoice", in_reply_to=parent, to=("m@x.example",)
    )
    forward = replace(
        sent,
        message_id="<fw@contoso.example>",
        subject="WG: Invoice",
        in_reply_to="<between@x.example>",
        references=("<first@x.example>", parent),
        to=("Ben@contoso.example", "c@x.example"),
    )
    stranger = replace(
        sent, message_id="<s@contoso.example>", in_reply_to="<other@x.example>", references=("<o@x.example>",)
    )
    for mail in (reply, forward, stranger):
        world.put(ANN, mail)

    answers = await world.port.sent_descendants([(ANN, parent), (BEN, parent)])

    copies = answers[ANN, parent]
    assert not isinstance(copies, Refusal)
    assert answers[BEN, parent] == ()
    assert {copy.sender for copy in copies} == {"ann@contoso.example"}
    assert {c.internet_message_id: ({a.lower() for a in c.recipients}, c.is_forward) for c in copies} == {
        "<re@contoso.example>": ({"m@x.example"}, False),
        "<fw@contoso.example>": ({"ben@contoso.example", "c@x.example"}, True),
    }


async def test_two_conditions_that_are_too_complex_are_asked_one_by_one() -> None:
    async with local_world() as world:
        parent = "<parent@evil.example>"
        for name, mail in {"re": Mail(in_reply_to=parent), "fw": Mail(references=("<x@y.example>", parent))}.items():
            world.put(ANN, replace(mail, message_id=f"<{name}@contoso.example>", folder="Sent Items"))
        world.refuse_next(ANN, "InefficientFilter", 400)

        copies = (await world.port.sent_descendants([(ANN, parent)]))[ANN, parent]

    assert not isinstance(copies, Refusal)
    assert {copy.internet_message_id for copy in copies} == {"<re@contoso.example>", "<fw@contoso.example>"}


async def test_forwarding_rules_are_found(world: World) -> None:
    out = (Address("out@x.example"),)
    world.set_rules(
        ANN,
        InboxRule("on", sequence=1, forward_to=out, forward_as_attachment_to=(Address("b@x.example"),)),
        InboxRule("off", sequence=2, enabled=False, forward_to=out),
        InboxRule("again", sequence=3, redirect_to=out),
        InboxRule("tidy", sequence=4, move_to_folder="Archive"),
    )

    rules = await world.port.forwarding_rules([ANN, BEN])

    assert rules[BEN] == ()
    assert rules[ANN] == (
        ForwardingRule("on", ("out@x.example", "b@x.example"), redirects=False),
        ForwardingRule("again", ("out@x.example",), redirects=True),
    )


async def test_each_mailbox_is_refused_by_itself(world: World) -> None:
    wanted = world.put(BEN, Mail())
    asked: list[tuple[MailboxId, str]] = [(m, Mail().message_id) for m in (HYBRID, BEN, FENCED, NOBODY)]
    expected = [RefusalKind.ON_PREMISES, None, RefusalKind.DENIED, RefusalKind.MAILBOX_MISSING]

    found = await world.port.find(Where.VISIBLE, asked)
    mailboxes = [mailbox for mailbox, _ in asked]

    assert kinds(found) == expected
    assert ids(found[asked[1]]) == {wanted}
    assert kinds(await world.port.quarantine_folders(mailboxes)) == expected
    assert kinds(await world.port.inboxes(mailboxes)) == expected
    assert kinds(await world.port.forwarding_rules(mailboxes)) == expected
    assert kinds(await world.port.sent_descendants(asked)) == expected
    assert kinds(await world.port.find(Where.PURGES, asked)) == expected


async def test_throttling_says_how_long_to_wait(world: World) -> None:
    world.refuse_next(ANN, "ApplicationThrottled", 429, 7)

    answer = (await world.port.inboxes([ANN]))[ANN]
    next_time = (await world.port.inboxes([ANN]))[ANN]

    assert isinstance(answer, Refusal)
    assert (answer.kind, answer.code, answer.retry_after) == (RefusalKind.THROTTLED, "ApplicationThrottled", 7.0)
    assert isinstance(next_time, str)


async def test_a_mailbox_between_databases_is_moving(world: World) -> None:
    world.refuse_next(ANN, "ErrorMailboxMoveInProgress", 503)

    assert kinds(await world.port.inboxes([ANN])) == [RefusalKind.MAILBOX_MOVING]


async def test_an_empty_question_has_an_empty_answer(world: World) -> None:
    port = world.port

    reads = (
        port.get,
        port.network_message_ids,
        port.folder_paths,
        port.quarantine_folders,
        port.inboxes,
        port.sent_descendants,
    )
    assert await port.find(Where.VISIBLE, []) == {}
    assert [await ask([]) for ask in (*reads, port.forwarding_rules, port.move, port.set_marks)] == [{}] * 9


async def test_many_requests_to_one_mailbox_are_all_done(world: World) -> None:
    items = [world.put(ANN, Mail()) for _ in range(90)]
    folder = await quarantine_folder(world, ANN)

    moved, looked = await asyncio.gather(
        world.port.move([(ANN, item, folder) for item in items]),
        world.port.get([(ANN, item) for item in items]),
    )

    for answers in (moved, looked):
        assert [item.id for item in answers.values() if isinstance(item, Item)] == items


async def test_a_hidden_folder_that_somebody_deleted_is_made_again() -> None:
    async with local_world() as world:
        wanted = world.put(ANN, Mail())
        await world.port.quarantine_folders([ANN])
        world.delete_folder(ANN, "Clawback Quarantine")

        await world.port.move([(ANN, wanted, await quarantine_folder(world, ANN))])

        assert world.everything()[wanted][0] == "Clawback Quarantine"


async def test_a_visible_folder_of_the_same_name_is_not_used() -> None:
    async with local_world() as world:
        world.make_folder(ANN, "Clawback Quarantine")

        answers = await world.port.quarantine_folders([ANN, BEN])

        assert kinds(answers) == [RefusalKind.EXISTS, None]


async def test_no_mailbox_ever_sees_more_than_four_requests_at_a_time() -> None:
    async with local_world() as world:
        assert isinstance(world, LocalWorld)
        world.graph.latency = 0.002
        items = [world.put(ANN, Mail()) for _ in range(60)]

        looked = await asyncio.gather(*(world.port.get([(ANN, i) for i in items]) for _ in range(3)))

        assert all(kinds(answers) == [None] * 60 for answers in looked)
        assert world.graph.throttle.peak[ANN] == 4
        assert world.graph.throttle.refused == 0


async def test_all_that_lies_in_the_hidden_folder_is_listed_and_none_is_made(world: World) -> None:
    first, second, _ = (world.put(ANN, Mail(f"<{number}@evil.example>")) for number in range(3))
    nothing = await world.port.list_hidden([ANN, BEN])
    assert nothing == {ANN: (), BEN: ()}
    hidden = await quarantine_folder(world, ANN)
    await world.port.move([(ANN, first, hidden), (ANN, second, hidden)])

    listed = await world.port.list_hidden([ANN, BEN, ANN])

    assert (ids(listed[ANN]), ids(listed[BEN])) == ({first, second}, set())
    assert {item.folder_id for item in listed[ANN]} == {hidden}  # type: ignore[union-attr]
    assert kinds(await world.port.list_hidden([FENCED, NOBODY])) == [RefusalKind.DENIED, RefusalKind.MAILBOX_MISSING]
