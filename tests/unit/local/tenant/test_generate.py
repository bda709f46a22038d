"""A scenario come true: the same each time, whole, and telling what must come of it."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.ingest_alert.sources import proofpoint_tap
from local.emulators.graph import model
from local.tenant.__main__ import main
from local.tenant.generate import Generated, generate
from local.tenant.scenario import Scenario, load_scenario
from shared.domain.alert import Disposition, Severity, ThreatType
from shared.domain.target import TERMINAL

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DOMAIN = "contoso.example"


def small(**changes: Any) -> Scenario:
    """Three people and two groups; what a test is about is added to it."""
    data: dict[str, Any] = {
        "version": 1,
        "name": "small",
        "about": "for a test",
        "people": 0,
        "ordinary_mail": [0, 0],
        "cast": {key: {"name": f"{key.title()} Example", "aliases": [f"{key}1"]} for key in ("ann", "bob", "kim")},
        "groups": {"team": {"name": "Team", "members": ["bob"]}},
        "lure": {
            "message_id": "<lure@evil.example>",
            "sender": {"address": "bad@evil.example", "name": "Bad"},
            "subject": "Overdue invoice",
            "body": "Pay.",
            "url": "https://evil.example/pay",
            "minutes_ago": 60,
            "to": ["ann"],
        },
    }
    lure = {**data["lure"], **changes.pop("lure", {})}
    cast = {**data["cast"], **changes.pop("cast", {})}
    return Scenario.model_validate({**data, **changes, "lure": lure, "cast": cast})


def made(**changes: Any) -> Generated:
    return generate(small(**changes), now=NOW)


def ends(generated: Generated) -> dict[str, tuple[str, str | None, tuple[str, ...]]]:
    """How it ends with the lure itself, by the first name of whose it is."""
    return {
        one.address.partition("@")[0].partition(".")[0]: (one.state, one.reason, one.way)
        for one in generated.expected
        if one.message_id == "<lure@evil.example>"
    }


def box(generated: Generated, name: str) -> tuple[model.Message, ...]:
    user = next(user for user in generated.tenant.users if user.display_name == f"{name.title()} Example")
    return next(one.messages for one in generated.tenant.mailboxes if one.user_id == user.id)


@pytest.fixture(scope="module")
def phishing() -> Generated:
    return generate(load_scenario("phishing"), now=NOW)


@pytest.mark.parametrize("name", ["phishing", "crash"])
def test_same_seed_and_time_give_the_same_and_others_do_not(name: str) -> None:
    scenario = load_scenario(name)
    first = generate(scenario, seed=3, now=NOW)
    assert generate(scenario, seed=3, now=NOW) == first
    assert generate(scenario, seed=4, now=NOW).tenant != first.tenant
    assert generate(scenario, seed=3, now=NOW + timedelta(hours=1)).tenant != first.tenant


def test_two_scenarios_make_two_alerts() -> None:
    ids = {generate(load_scenario(name), now=NOW).alert["messagesDelivered"][0]["id"] for name in ("phishing", "crash")}
    assert len(ids) == 2


@pytest.mark.parametrize("seed", range(5))
def test_any_seed_makes_a_tenant_that_holds_together(seed: int) -> None:
    generated = generate(load_scenario("phishing"), seed=seed, now=NOW)
    model.check(generated.tenant)
    addresses = [proxy.lower() for user in generated.tenant.users for proxy in user.proxy_addresses]
    assert len(addresses) == len(set(addresses))
    assert all(message.received < NOW for one in generated.tenant.mailboxes for message in one.messages)


def test_every_expected_address_is_there_or_is_meant_to_be_unknown(phishing: Generated) -> None:
    tenant = phishing.tenant
    known = {one.mail for one in tenant.users} | {one.mail for one in tenant.groups}
    known |= {one.mail for one in tenant.contacts}
    strangers = [one for one in phishing.expected if one.address not in known]
    assert [one.reason for one in strangers] == ["unknown_address"]
    assert {one.state for one in phishing.expected} <= {str(state) for state in TERMINAL}
    assert len({(one.address, one.message_id) for one in phishing.expected}) == len(phishing.expected)


def test_what_is_to_be_quarantined_lies_where_it_is_said_to(phishing: Generated) -> None:
    owners = {user.mail: user.id for user in phishing.tenant.users}
    boxes = {one.user_id: one.messages for one in phishing.tenant.mailboxes}
    for one in phishing.expected:
        held = [m for m in boxes.get(owners.get(one.address, ""), ()) if m.internet_message_id == one.message_id]
        within_reach = {m.folder for m in held} - {model.PURGES}
        if one.state == "quarantined":
            assert one.folder in within_reach
            assert one.read is any(m.is_read for m in held)
        else:
            assert (one.folder, one.read) == (None, None)


def test_the_demonstration_has_each_kind_of_end(phishing: Generated) -> None:
    assert {(one.state, one.reason) for one in phishing.expected} == {
        ("quarantined", None),
        ("not_found", None),
        ("gone_by_user", "purged"),
        ("on_premises", "MailboxNotEnabledForRESTAPI"),
        ("denied", "ErrorAccessDenied"),
        ("held", "sender_differs"),
        ("held", "sender_unknown"),
        ("mailbox_missing", "guest"),
        ("mailbox_missing", "mail_contact"),
        ("mailbox_missing", "unknown_address"),
        ("mailbox_missing", "hidden_membership"),
    }
    pulled = [one for one in phishing.expected if one.state == "quarantined"]
    folders = {one.folder for one in pulled}
    assert folders >= {
        "Inbox", "Inbox/Invoices", "Suppliers/Fabrikam", "Sent Items", "Deleted Items", "Recoverable Items/Deletions",
    }  # fmt: skip
    vias = {hop.partition(":")[0] for one in phishing.expected for hop in one.way}
    assert vias == {"group", "forward", "reply", "inbox_rule", "trace"}
    assert max(sum(hop.startswith("forward:") for hop in one.way) for one in pulled) == 2
    assert {one.read for one in pulled} == {True, False}


def test_the_demonstration_has_a_cycle_of_groups_and_every_kind_of_mailbox(phishing: Generated) -> None:
    groups = {group.mail: group for group in phishing.tenant.groups}
    sales, emea = groups[f"sales@{DOMAIN}"], groups[f"emea@{DOMAIN}"]
    assert emea.id in sales.members
    assert sales.id in emea.members
    kinds = Counter(one.kind for one in phishing.tenant.mailboxes)
    assert kinds[model.MailboxKind.SHARED] == kinds[model.MailboxKind.ON_PREMISES] == 1
    assert [one.in_scope for one in phishing.tenant.mailboxes].count(False) == 1


def test_the_demonstration_does_not_trip_the_brakes(phishing: Generated) -> None:
    people = [user for user in phishing.tenant.users if user.user_type == "Member"]
    targets = [one for one in phishing.expected if one.state != "mailbox_missing"]
    assert len(targets) <= 500
    assert len({one.address for one in targets}) < len(people) / 2


def test_the_copy_that_is_put_back_is_one_worth_putting_back(phishing: Generated) -> None:
    mine = [one for one in phishing.expected if one.address == phishing.undo]
    assert [one.state for one in mine] == ["quarantined"]
    assert mine[0].folder not in {folder.name for folder in model.STANDARD_FOLDERS}
    owner = next(user.id for user in phishing.tenant.users if user.mail == phishing.undo)
    messages = next(one.messages for one in phishing.tenant.mailboxes if one.user_id == owner)
    copy = next(m for m in messages if m.internet_message_id == mine[0].message_id)
    assert copy.flag is model.FlagStatus.FLAGGED
    assert copy.categories


def test_crash_is_three_hundred_in_one_group_of_seven_hundred() -> None:
    generated = generate(load_scenario("crash"), now=NOW)
    assert len(generated.tenant.users) == 700
    assert len(generated.expected) == 300
    assert {(one.state, one.way, one.folder) for one in generated.expected} == {
        ("quarantined", (f"group:allstaff@{DOMAIN}",), "Inbox")
    }


def test_the_alert_is_one_that_the_source_reads(phishing: Generated) -> None:
    reading = proofpoint_tap.read(json.loads(json.dumps(phishing.alert)))
    assert not reading.flaws
    (event,) = reading.events
    assert event.disposition is Disposition.ACT
    assert (event.threat_type, event.severity) == (ThreatType.PHISH, Severity.HIGH)
    (message,) = event.messages
    assert message.internet_message_id == load_scenario("phishing").lure.message_id
    assert message.sender == "accounts@fabrikam-billing.example"
    assert {f"finance@{DOMAIN}", f"o.weber@{DOMAIN}"} <= set(message.recipients)
    assert len(message.recipients) == 18


def test_direct_beats_group_and_the_shorter_way_beats_the_longer() -> None:
    groups = {
        "outer": {"name": "Outer", "members": ["inner", "kim"]},
        "inner": {"name": "Inner", "members": ["ann", "bob", "kim", "outer"]},
    }
    found = ends(made(groups=groups, lure={"to": ["outer", "ann/ann1"]}))
    assert found == {
        "ann": ("quarantined", None, ()),
        "kim": ("quarantined", None, (f"group:outer@{DOMAIN}",)),
        "bob": ("quarantined", None, (f"group:outer@{DOMAIN}", f"group:inner@{DOMAIN}")),
    }


def test_the_copy_of_the_person_who_forwards_counts() -> None:
    forward = {"did": "forward", "who": "ann", "becomes": "fwd", "to": ["team"], "minutes_ago": 30}
    generated = made(deeds=[forward])
    sent = [one for one in generated.expected if one.message_id != "<lure@evil.example>"]
    way = (f"forward:ann.example@{DOMAIN}",)
    assert [(one.address, one.way, one.folder, one.read) for one in sent] == [
        (f"ann.example@{DOMAIN}", way, "Sent Items", True),
        (f"bob.example@{DOMAIN}", (*way, f"group:team@{DOMAIN}"), "Inbox", False),
    ]
    (copy,) = [one for one in box(generated, "ann") if one.folder == model.SENT_ITEMS]
    assert copy.in_reply_to == "<lure@evil.example>"
    assert copy.references == ("<lure@evil.example>",)
    assert copy.subject == "FW: Overdue invoice"
    (original,) = [one for one in box(generated, "ann") if one.folder == model.INBOX]
    assert (original.is_read, original.last_verb) == (True, 104)


def test_a_forward_of_a_forward_names_both() -> None:
    generated = made(
        deeds=[
            {"did": "forward", "who": "ann", "becomes": "one", "to": ["bob"], "minutes_ago": 30},
            {"did": "forward", "who": "bob", "mail": "one", "becomes": "two", "to": ["kim"], "minutes_ago": 20},
        ]
    )
    (mail,) = box(generated, "kim")
    first = next(one for one in box(generated, "ann") if one.folder == model.SENT_ITEMS)
    assert mail.references == ("<lure@evil.example>", first.internet_message_id)
    kims = next(one for one in generated.expected if one.address.startswith("kim"))
    assert kims.way == (f"forward:ann.example@{DOMAIN}", f"forward:bob.example@{DOMAIN}")


def test_a_rule_files_copies_and_redirects_what_matches() -> None:
    rule = {"who": "ann", "name": "r", "subject_contains": ["INVOICE"], "move_to": "Inbox/Bills", "copy_to": "Archive"}
    generated = made(rules=[{**rule, "redirect_to": ["kim"]}])
    assert [one.folder for one in box(generated, "ann")] == ["Inbox/Bills", "Archive"]
    assert ends(generated)["kim"] == ("quarantined", None, (f"inbox_rule:ann.example@{DOMAIN}",))


def test_a_rule_that_does_not_match_redirects_nothing() -> None:
    generated = made(rules=[{"who": "ann", "name": "r", "subject_contains": ["lunch"], "redirect_to": ["kim"]}])
    assert box(generated, "kim") == ()
    assert ends(generated)["kim"][:2] == ("not_found", None)


@pytest.mark.parametrize(
    ("whereto", "folder", "end"),
    [
        ("deleted_items", model.DELETED_ITEMS, ("quarantined", None)),
        ("recoverable", model.DELETIONS, ("quarantined", None)),
        ("purged", model.PURGES, ("gone_by_user", "purged")),
        ("vanished", None, ("not_found", None)),
    ],
)
def test_the_state_depends_on_how_far_the_mail_was_deleted(
    whereto: str, folder: str | None, end: tuple[str, str | None]
) -> None:
    generated = made(deeds=[{"did": "remove", "who": "ann", "whereto": whereto}])
    assert [one.folder for one in box(generated, "ann")] == ([folder] if folder else [])
    assert ends(generated)["ann"][:2] == end


def test_a_mail_that_only_bears_the_message_id_is_held_where_nothing_else_is() -> None:
    look = {"why": "w", "where": ["ann"], "sender": {"address": "good@example.com"}, "minutes_ago": 90}
    assert ends(made(lookalikes=[look]))["ann"][:2] == ("quarantined", None)
    gone = {"did": "remove", "who": "ann", "whereto": "vanished"}
    assert ends(made(lookalikes=[look], deeds=[gone]))["ann"][:2] == ("held", "sender_differs")


@pytest.mark.parametrize(("minutes_ago", "reason"), [(90, "sender_unknown"), (60 + 25 * 60, "received_earlier")])
def test_a_mail_without_an_address_of_its_sender_is_held(minutes_ago: int, reason: str) -> None:
    look = {"why": "w", "where": ["ann"], "sender": {"address": "/O=X/CN=ORDERS"}, "minutes_ago": minutes_ago}
    gone = {"did": "remove", "who": "ann", "whereto": "vanished"}
    assert ends(made(lookalikes=[look], deeds=[gone]))["ann"][:2] == ("held", reason)


@pytest.mark.parametrize(("minutes_ago", "known"), [(90, True), (60 + 24 * 60 + 1, False)])
def test_the_trace_tells_of_a_reused_message_id_if_it_is_recent(minutes_ago: int, known: bool) -> None:
    look = {"why": "w", "where": ["kim"], "sender": {"address": "good@example.com"}, "minutes_ago": minutes_ago}
    found = ends(made(lookalikes=[look])).get("kim")
    assert found == (("held", "sender_differs", ("trace:message trace",)) if known else None)


def test_members_of_a_hidden_group_are_known_from_the_trace_only() -> None:
    groups = {"board": {"name": "Board", "members": ["kim"], "hidden": True}}
    assert ends(made(groups=groups, lure={"to": ["board"]})) == {
        "board": ("mailbox_missing", "hidden_membership", ()),
        "kim": ("quarantined", None, ("trace:message trace",)),
    }


def test_the_trace_has_a_row_for_the_group_and_for_each_who_got_it() -> None:
    generated = made(lure={"to": ["ann", "team"]})
    assert [(row.recipient, str(row.status)) for row in generated.tenant.trace] == [
        (f"ann.example@{DOMAIN}", "delivered"),
        (f"team@{DOMAIN}", "expanded"),
        (f"bob.example@{DOMAIN}", "delivered"),
    ]
    assert len({row.id for row in generated.tenant.trace}) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"deeds": [{"did": "mark", "who": "kim"}]}, "kim does something with lure"),
        (
            {"deeds": [{"did": "forward", "who": "ann", "becomes": "f", "to": ["kim"], "minutes_ago": 60}]},
            "sent before lure",
        ),
        ({"lure": {"to_generated": 1}}, "lure: 1 people of 0"),
        ({"cast": {"twin": {"name": "Ann Example"}}}, "twin: somebody else has the address"),
        (
            {
                "cast": {"plant": {"name": "Plant Example", "kind": "on_premises"}},
                "lookalikes": [{"why": "w", "where": ["plant"], "message_id": "<l@example.com>", "minutes_ago": 9}],
            },
            "plant has no mailbox in the cloud",
        ),
    ],
)
def test_a_scenario_that_contradicts_itself_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(model.ModelError, match=told):
        made(**changes)


def test_the_command_writes_a_tenant_that_can_be_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tenant.json"
    assert main(["crash", "--out", str(out)]) == 0
    assert len(model.load(out).users) == 700
    assert main(["nothing", "--out", str(out)]) == 2
    assert "crash, phishing" in capsys.readouterr().err
