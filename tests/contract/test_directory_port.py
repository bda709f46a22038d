"""`Directory`: what every implementation must do."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from local.emulators.graph.model import Group, Mailbox, OrgContact, Tenant, TraceStatus, User
from local.emulators.graph.model import MailboxKind as Kind
from local.emulators.graph.model import TraceRow as Row
from shared.adapters.graph.directory import GraphDirectory
from shared.domain.ids import MailboxId
from shared.domain.message import visible
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.errors import DeniedError
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.directory import Directory, TraceRow
from tests.contract.graph_worlds import App, local_graph
from tests.fakes.directory import FakeDirectory

ANN, ODD, SHARED, GUEST, HYBRID, NOBODY = (MailboxId(f"{n:08d}-0000-4000-8000-000000000001") for n in range(1, 7))
SALES, NESTED, HIDDEN, LARGE = (f"{n:08d}-0000-4000-8000-000000000002" for n in range(1, 5))
OUTSIDE = "00000001-0000-4000-8000-000000000003"
# Apostrophe, plus, ampersand and hash are allowed in the local part of an address.
ODD_ADDRESS = "o'brien+1#x&y@contoso.example"
NOW = datetime.now(UTC).replace(microsecond=0)
MESSAGE_ID = "<it's+1&#@evil.example>"


def _user(
    key: str,
    address: str,
    *aliases: str,
    department: str | None = None,
    job_title: str | None = None,
    user_type: str = "Member",
    name: str = "",
) -> User:
    proxies = (*(f"smtp:{alias}" for alias in aliases), f"SMTP:{address}")
    return User(
        key, address, name or address.partition("@")[0], mail=address.lower(), proxy_addresses=proxies,
        department=department, job_title=job_title, user_type=user_type,
    )  # fmt: skip


USERS = (
    _user(ANN, "Ann@contoso.example", "a.example@contoso.example", department="Sales", job_title="Lead"),
    _user(ODD, ODD_ADDRESS, department="A\u202eccounts", name="O\u200b'Brien"),
    _user(SHARED, "info@contoso.example"),
    _user(GUEST, "guest@partner.example", user_type="Guest"),
    _user(HYBRID, "hybrid@contoso.example"),
)
CROWD = tuple(_user(f"{n:08d}-0000-4000-8000-000000000009", f"user{n}@contoso.example") for n in range(1200))


def _group(key: str, name: str, *members: str, visibility: str | None = None) -> Group:
    address = f"{name}@contoso.example"
    return Group(
        key, name, mail=address, proxy_addresses=(f"SMTP:{address}",), mail_enabled=True, members=members,
        visibility=visibility,
    )  # fmt: skip


GROUPS = (
    _group(SALES, "sales", ANN, NESTED, OUTSIDE, GUEST),
    _group(NESTED, "nested", ODD, SALES),
    _group(HIDDEN, "hidden", ANN, visibility="HiddenMembership"),
    _group(LARGE, "large", *(user.id for user in CROWD)),
)
CONTACTS = (OrgContact(OUTSIDE, "out", mail="out@x.example", proxy_addresses=("SMTP:out@x.example",)),)
ROWS = (
    Row("net-1", MESSAGE_ID, "mallory@evil.example", "ann@contoso.example", NOW - timedelta(hours=3), "Invoice"),
    Row("net-1", MESSAGE_ID, "mallory@evil.example", "sales@contoso.example", NOW - timedelta(hours=3), "Invoice",
        TraceStatus.EXPANDED),
    Row("net-2", "<other@evil.example>", "mallory@evil.example", "info@contoso.example", NOW - timedelta(hours=2), "x"),
)  # fmt: skip
TENANT = Tenant(
    id="00000000-0000-4000-8000-00000000000a",
    display_name="Contoso",
    domain="contoso.example",
    users=(*USERS, *CROWD),
    groups=GROUPS,
    contacts=CONTACTS,
    mailboxes=(
        Mailbox(ANN),
        Mailbox(ODD),
        Mailbox(SHARED, Kind.SHARED),
        Mailbox(HYBRID, Kind.ON_PREMISES),
    ),
    trace=ROWS,
)


def _fake() -> FakeDirectory:
    """What the fake is told, which is what the adapter has to find out."""
    fake = FakeDirectory()
    by_id: dict[str, Recipient] = {}
    kinds = {User: RecipientKind.USER, Group: RecipientKind.GROUP, OrgContact: RecipientKind.CONTACT}
    objects: tuple[User | Group | OrgContact, ...] = (*TENANT.users, *TENANT.groups, *TENANT.contacts)
    for found in objects:
        proxies = sorted(found.proxy_addresses, key=lambda proxy: proxy.startswith("smtp:"))
        addresses = tuple(proxy[len("smtp:") :].lower() for proxy in proxies)
        guest = getattr(found, "user_type", "") == "Guest"
        by_id[found.id] = Recipient(
            RecipientKind.GUEST if guest else kinds[type(found)],
            addresses[0],
            found.id,
            visible(found.display_name),
            visible(getattr(found, "department", None)),
            getattr(found, "job_title", None),
            addresses,
            hidden_membership=getattr(found, "visibility", None) == "HiddenMembership",
        )
        fake.people |= dict.fromkeys(addresses, by_id[found.id])
    fake.groups = {group.id: [by_id[member] for member in group.members] for group in GROUPS}
    fake.groups[HIDDEN] = []
    fake.kinds = {
        SHARED: MailboxKind.SHARED,
        HYBRID: Refusal(RefusalKind.ON_PREMISES, "MailboxNotEnabledForRESTAPI", 404),
        NOBODY: Refusal(RefusalKind.MAILBOX_MISSING, "Request_ResourceNotFound", 404),
    }
    fake.rows = [
        TraceRow(row.recipient, str(row.status), row.received, row.message_id, row.id, row.subject, row.sender)
        for row in ROWS
    ]
    return fake


@pytest.fixture(params=["fake", "local"])
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[Directory]:
    if request.param == "fake":
        yield _fake()
        return
    async with local_graph(TENANT) as (gateway, _):
        yield GraphDirectory(gateway)


def recipients(answers: Iterable[Recipient | Refusal]) -> list[tuple[RecipientKind, str | None]]:
    answers = list(answers)
    assert not [answer for answer in answers if isinstance(answer, Refusal)]
    return [(answer.kind, answer.id) for answer in answers if isinstance(answer, Recipient)]


async def test_an_address_leads_to_whoever_has_it(directory: Directory) -> None:
    asked = [
        "ann@contoso.example",
        "a.example@contoso.example",
        ODD_ADDRESS,
        "guest@partner.example",
        "sales@contoso.example",
        "out@x.example",
        "stranger@x.example",
        "x' or 1 eq 1 or p eq 'y@x.example",
    ]

    answers = await directory.resolve(asked)

    assert list(answers) == asked
    assert recipients(answers.values()) == [
        (RecipientKind.USER, ANN),
        (RecipientKind.USER, ANN),
        (RecipientKind.USER, ODD),
        (RecipientKind.GUEST, GUEST),
        (RecipientKind.GROUP, SALES),
        (RecipientKind.CONTACT, OUTSIDE),
        (RecipientKind.UNKNOWN, None),
        (RecipientKind.UNKNOWN, None),
    ]
    unknown = answers["stranger@x.example"]
    assert isinstance(unknown, Recipient)
    assert unknown.address == "stranger@x.example"


async def test_a_person_is_told_with_all_addresses_primary_first(directory: Directory) -> None:
    answers = await directory.resolve(["a.example@contoso.example"])
    ann = answers["a.example@contoso.example"]

    assert isinstance(ann, Recipient)
    assert ann.addresses == ("ann@contoso.example", "a.example@contoso.example")
    assert (ann.name, ann.department, ann.job_title) == ("Ann", "Sales", "Lead")


async def test_what_cannot_be_seen_in_a_name_is_left_out(directory: Directory) -> None:
    odd = (await directory.resolve([ODD_ADDRESS]))[ODD_ADDRESS]

    assert isinstance(odd, Recipient)
    assert (odd.name, odd.department) == ("O 'Brien", "A ccounts")


async def test_a_group_tells_whether_its_members_are_hidden(directory: Directory) -> None:
    answers = await directory.resolve(["sales@contoso.example", "hidden@contoso.example"])

    assert [answer.hidden_membership for answer in answers.values() if isinstance(answer, Recipient)] == [False, True]


async def test_members_are_the_direct_ones(directory: Directory) -> None:
    answers = await directory.members([SALES, HIDDEN])

    sales = answers[SALES]
    assert not isinstance(sales, Refusal)
    assert sorted(recipients(sales), key=str) == sorted(
        [
            (RecipientKind.USER, ANN),
            (RecipientKind.GROUP, NESTED),
            (RecipientKind.CONTACT, OUTSIDE),
            (RecipientKind.GUEST, GUEST),
        ],
        key=str,
    )
    assert answers[HIDDEN] == ()


async def test_members_of_a_large_group_are_all_told(directory: Directory) -> None:
    members = (await directory.members([LARGE]))[LARGE]
    transitive = (await directory.transitive_members([LARGE]))[LARGE]

    assert not isinstance(members, Refusal)
    assert not isinstance(transitive, Refusal)
    assert {member.id for member in members} == set(transitive) == {user.id for user in CROWD}


async def test_what_kind_of_mailbox_it_is_or_why_it_is_none(directory: Directory) -> None:
    answers = await directory.mailbox_kinds([ANN, SHARED, HYBRID, NOBODY])

    seen = {key: answer.kind if isinstance(answer, Refusal) else answer for key, answer in answers.items()}
    assert seen == {
        ANN: MailboxKind.USER,
        SHARED: MailboxKind.SHARED,
        HYBRID: RefusalKind.ON_PREMISES,
        NOBODY: RefusalKind.MAILBOX_MISSING,
    }


async def test_guests_are_no_mailboxes_of_the_tenant(directory: Directory) -> None:
    assert await directory.mailbox_count() == len(USERS) - 1 + len(CROWD)


async def test_the_trace_tells_every_recipient_of_a_mail(directory: Directory) -> None:
    rows = await directory.trace(internet_message_id=MESSAGE_ID, since=NOW - timedelta(days=2), until=NOW)

    assert {(row.recipient, row.status) for row in rows} == {
        ("ann@contoso.example", "delivered"),
        ("sales@contoso.example", "expanded"),
    }
    assert {(row.internet_message_id, row.network_message_id, row.subject, row.sender) for row in rows} == {
        (MESSAGE_ID, "net-1", "Invoice", "mallory@evil.example")
    }
    assert {row.received_at for row in rows} == {NOW - timedelta(hours=3)}


async def test_the_trace_is_asked_by_sender_and_recipient(directory: Directory) -> None:
    since, until = NOW - timedelta(days=2), NOW

    by_sender = await directory.trace(sender="mallory@evil.example", since=since, until=until)
    by_both = await directory.trace(
        sender="mallory@evil.example", recipient="info@contoso.example", since=since, until=until
    )
    by_nobody = await directory.trace(recipient="x' or 1 eq 1 or 'y", since=since, until=until)

    assert (len(by_sender), len(by_both), len(by_nobody)) == (3, 1, 0)


async def test_an_empty_question_has_an_empty_answer(directory: Directory) -> None:
    assert await directory.resolve([]) == await directory.members([]) == {}
    assert await directory.transitive_members([]) == await directory.mailbox_kinds([]) == {}


async def test_nested_members_are_reached_once_although_groups_hold_each_other() -> None:
    async with local_graph(TENANT) as (gateway, _):
        members = (await GraphDirectory(gateway).transitive_members([SALES]))[SALES]

    assert not isinstance(members, Refusal)
    assert sorted(members) == sorted([ANN, ODD, GUEST])


async def test_members_that_we_may_not_read_are_unknown_and_not_left_out() -> None:
    app = App(roles=("GroupMember.Read.All", "User.Read.All"))
    async with local_graph(TENANT, app) as (gateway, _):
        members = (await GraphDirectory(gateway).members([SALES]))[SALES]

    assert not isinstance(members, Refusal)
    assert (RecipientKind.UNKNOWN, OUTSIDE) in recipients(members)
    assert [member.address for member in members if member.id == OUTSIDE] == [""]


async def test_a_trace_that_we_may_not_ask_for_is_denied() -> None:
    async with local_graph(TENANT, App(roles=("User.Read.All",))) as (gateway, _):
        with pytest.raises(DeniedError):
            await GraphDirectory(gateway).trace(sender="a@x.example", since=NOW - timedelta(days=1), until=NOW)


async def test_a_plus_address_that_nobody_has_is_the_mailbox_without_the_tag(directory: Directory) -> None:
    found = await directory.resolve(["ann+shop@contoso.example", ODD_ADDRESS, "nobody+x@contoso.example"])
    ann, odd, nobody = found.values()
    assert isinstance(ann, Recipient)
    assert isinstance(odd, Recipient)
    assert (ann.id, odd.id) == (ANN, ODD)
    assert nobody == Recipient(RecipientKind.UNKNOWN, "nobody+x@contoso.example")
