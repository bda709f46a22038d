"""The tenant's data: what is written is what is read, and what is wrong is said."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.graph.model import (
    STANDARD_FOLDERS,
    Address,
    DirectoryRole,
    FlagStatus,
    Folder,
    Group,
    Importance,
    InboxRule,
    Mailbox,
    MailboxKind,
    Message,
    ModelError,
    OrgContact,
    Tenant,
    TraceRow,
    TraceStatus,
    User,
    check,
    dump,
    folder_paths,
    from_json,
    load,
    to_json,
    with_folder,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def a_message(**changes: object) -> Message:
    message = Message(
        internet_message_id="<m1@evil.example>",
        subject="Invoice",
        from_=Address("boss@evil.example", "The boss"),
        to=(Address("ada@contoso.example"),),
        received=NOON,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def a_tenant() -> Tenant:
    return Tenant(
        id="11111111-1111-1111-1111-111111111111",
        display_name="Contoso",
        domain="contoso.example",
        users=(User("u1", "ada@contoso.example", "Ada", proxy_addresses=("SMTP:ada@contoso.example",)),),
        groups=(Group("g1", "All", members=("u1", "c1")),),
        contacts=(OrgContact("c1", "Partner", mail="p@example.com"),),
        roles=(DirectoryRole("r1", "Global Administrator", members=("u1",)),),
        mailboxes=(
            Mailbox(
                "u1",
                kind=MailboxKind.SHARED,
                folders=with_folder(STANDARD_FOLDERS, "Inbox/Hidden", hidden=True),
                messages=(
                    a_message(
                        folder="Inbox/Hidden",
                        references=("<a@b.example>", "<c@d.example>"),
                        flag=FlagStatus.FLAGGED,
                        importance=Importance.HIGH,
                        categories=("Red",),
                        last_verb=104,
                        last_verb_at=NOON,
                    ),
                ),
                rules=(InboxRule("Forward all", forward_to=(Address("x@example.com"),)),),
            ),
        ),
        trace=(
            TraceRow("n1", "<m1@evil.example>", "boss@evil.example", "ada@contoso.example", NOON, "Invoice"),
            TraceRow("n1", "<m1@evil.example>", "a@b.example", "c@d.example", NOON, "", TraceStatus.EXPANDED),
        ),
    )


def test_a_tenant_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tenant.json"
    dump(a_tenant(), path)
    assert load(path) == a_tenant()
    assert [entry.name for entry in tmp_path.iterdir()] == ["tenant.json"]


def test_the_json_is_small_and_in_the_fields_words() -> None:
    document = to_json(a_message())
    assert document == {
        "internet_message_id": "<m1@evil.example>",
        "subject": "Invoice",
        "from": {"address": "boss@evil.example", "name": "The boss"},
        "to": [{"address": "ada@contoso.example"}],
        "received": "2026-11-24T12:00:00Z",
    }


# Lone surrogates included: a hostile subject may hold them.
@given(st.text(st.characters(exclude_categories=())), st.datetimes(timezones=st.just(UTC)))
def test_any_subject_and_time_survive(subject: str, received: datetime) -> None:
    message = a_message(subject=subject, received=received)
    assert from_json(Message, json.loads(json.dumps(to_json(message)))) == message


def test_a_hostile_subject_survives_the_file(tmp_path: Path) -> None:
    tenant = a_tenant()
    box = replace(tenant.mailboxes[0], messages=(a_message(subject="\ud800 \u202e \x00"),))
    tenant = replace(tenant, mailboxes=(box,))
    dump(tenant, tmp_path / "t.json")
    assert load(tmp_path / "t.json") == tenant


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"id": "t", "display_name": "T"}, r"needs \['domain'\]"),
        ({"id": "t", "display_name": "T", "domain": "d", "colour": "red"}, "no 'colour'"),
        ({"id": 5, "display_name": "T", "domain": "d"}, r"\$\.id: str is expected"),
        ({"id": "t", "display_name": "T", "domain": "d", "users": {}}, r"\$\.users: a list"),
        ({"id": "t", "display_name": "T", "domain": "d", "users": ["x"]}, r"\$\.users\[0\]: an object"),
    ],
)
def test_a_wrong_tenant_is_refused_and_the_place_named(value: object, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        from_json(Tenant, value)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("received", "2026-11-24T12:00:00", "without a zone"),
        ("received", "noon", "not a time"),
        ("received", 5, "not a time"),
        ("flag", "pirate", "none of"),
        ("is_read", 1, "bool is expected"),
        ("last_verb", True, "int is expected"),
    ],
)
def test_a_wrong_message_is_refused(key: str, value: object, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        from_json(Message, to_json(a_message()) | {key: value})


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"format": 0}')
    with pytest.raises(ModelError, match="format 1"):
        load(path)


def test_folders_are_added_where_they_belong() -> None:
    tree = with_folder(STANDARD_FOLDERS, "Inbox/A/B", hidden=True, folder_id="f")
    assert "Inbox/A" in folder_paths(tree)
    inbox = tree[0]
    assert inbox.children == (Folder("A", children=(Folder("B", hidden=True, id="f"),)),)
    assert with_folder(tree, "Inbox/A/B") == tree
    assert with_folder((), "Top") == (Folder("Top"),)
    with pytest.raises(ModelError, match="empty name"):
        with_folder(STANDARD_FOLDERS, "Inbox//B")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"contacts": ()}, "member c1 does not exist"),
        ({"contacts": (OrgContact("u1", "Twin"),)}, "same id"),
        ({"mailboxes": (Mailbox("u2"),)}, "unknown user u2"),
        ({"mailboxes": (Mailbox("u1"), Mailbox("u1"))}, "two mailboxes"),
        ({"mailboxes": (Mailbox("u1", messages=(a_message(folder="Nowhere"),)),)}, "no folder 'Nowhere'"),
        ({"mailboxes": (Mailbox("u1", folders=(Folder("A"), Folder("A"))),)}, "same path"),
        ({"roles": (DirectoryRole("r1", "R", members=("ghost",)),)}, "ghost does not exist"),
    ],
)
def test_a_tenant_that_contradicts_itself_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        check(replace(a_tenant(), **changes))  # type: ignore[arg-type]  # the cases name the fields they change


def test_a_tenant_that_does_not_is_not() -> None:
    check(a_tenant())
