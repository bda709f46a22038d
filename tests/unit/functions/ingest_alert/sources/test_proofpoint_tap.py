import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_alert.models import VendorEvent, WrongShapeError
from functions.ingest_alert.sources.proofpoint_tap import read
from shared.domain.alert import Disposition, Severity, ThreatType
from shared.domain.indicators import IndicatorType

EVENTS = Path(__file__).parents[4] / "events" / "proofpoint_tap"


def event(name: str = "siem_all") -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def record(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(event()["messagesDelivered"][0])
    return {**found, **changes}


def one(**changes: Any) -> VendorEvent:
    (found,) = read({"messagesDelivered": [record(**changes)]}).events
    return found


def test_only_delivered_mail_counts() -> None:
    reading = read(event())
    assert [e.vendor_alert_id for e in reading.events] == [
        "26d6d1a3-5d4a-4a2e-8f2b-8d9d0c2d7a11",
        "d26dbea0-80d5-463b-b93c-4e8b708219ce",
        "e4f1c9a0-0000-4000-8000-000000000003",
    ]
    assert reading.flaws == ()


def test_an_empty_answer_is_an_answer() -> None:
    assert read(event("empty")).events == ()


def test_a_complete_event() -> None:
    found = one()
    assert found.disposition is Disposition.ACT
    # Malware and phish: the worse one.
    assert (found.threat_type, found.severity) == (ThreatType.MALWARE, Severity.HIGH)
    assert found.campaign_id == "46e01b8a-c899-404d-bcd9-189bb393d1a7"
    assert found.detected_at is not None
    assert found.detected_at.isoformat() == "2026-03-02T08:56:00+00:00"
    (message,) = found.messages
    assert message.internet_message_id == "<20260302085017.12345@sender.example>"
    # Never the envelope sender, whose local part may be hashed.
    assert message.sender == "badguy@sender.example"
    # Never the header's list: the envelope knows who got it.
    assert message.recipients == ("ann@contoso.example", "bruce.wayne@contoso.example")
    assert {(i.type, i.value) for i in found.indicators} == {
        (IndicatorType.URL, "http://login.sender.example/Pay?x=1"),
        (IndicatorType.SHA256, "2fab740f143fc1aa4c1cd0146d334c5593b1428f6d062b2c406e5efe8abe95ca"),
        (IndicatorType.MD5, "b10a8db164e0754105b7a99be72e3fe5"),
        (IndicatorType.IPV4, "192.0.2.255"),
        (IndicatorType.SENDER, "badguy@sender.example"),
    }


def test_half_of_the_real_ones_have_nothing_but_recipient_threat_and_time() -> None:
    found = read(event()).events[1]
    assert found.disposition is Disposition.ACT
    assert (found.threat_type, found.severity, found.campaign_id) == (ThreatType.PHISH, Severity.HIGH, "c-2")
    (message,) = found.messages
    assert (message.internet_message_id, message.sender, message.subject) == (None, None, None)
    assert message.recipients == ("carol@contoso.example",)
    # A hash under `threatType: url` is a hash.
    assert found.indicators[0].type is IndicatorType.SHA256


def test_what_was_taken_back_is_no_alert() -> None:
    found = read(event()).events[2]
    assert found.disposition is Disposition.IGNORE
    assert found.messages[0].sender == "news@benign.example"
    assert found.messages[0].internet_message_id == "<news-1@benign.example>"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["cleared", "active"], Disposition.ACT),
        (["cleared", "falsePositive"], Disposition.IGNORE),
        (["FALSEPOSITIVE"], Disposition.IGNORE),
        (["brandNew"], Disposition.ACT),
        ([None], Disposition.ACT),
        ([], Disposition.ENRICH_ONLY),
    ],
)
def test_disposition(statuses: list[str | None], expected: Disposition) -> None:
    threats = [{"threatStatus": status, "classification": "phish"} for status in statuses]
    assert one(threatsInfoMap=threats).disposition is expected


@pytest.mark.parametrize(
    ("classification", "scores", "expected"),
    [
        ("spam", {}, (ThreatType.SPAM, Severity.LOW)),
        ("SPAM", {"phishScore": 80}, (ThreatType.SPAM, Severity.HIGH)),
        ("Impostor", {"impostorScore": 12.5}, (ThreatType.IMPOSTOR, Severity.HIGH)),
        ("TOAD", {}, (ThreatType.OTHER, Severity.MEDIUM)),
        (None, {"malwareScore": "100"}, (ThreatType.OTHER, Severity.MEDIUM)),
    ],
)
def test_verdict(classification: str | None, scores: dict[str, Any], expected: tuple[ThreatType, Severity]) -> None:
    threats = [{"threatStatus": "active", "classification": classification}]
    found = one(threatsInfoMap=threats, **{"phishScore": 0, **scores})
    assert (found.threat_type, found.severity) == expected


@pytest.mark.parametrize(
    "drift",
    [
        {"fromAddress": "badguy@sender.example"},
        {"fromAddress": None},
        {"fromAddress": [], "completelyRewritten": True},
        {"messageParts": None, "clusterId": "x", "cluster": 3},
        {"headerTo": "x", "toAddresses": None, "ccAddresses": None},
        {"spamScore": None, "phishScore": "n/a", "messageSize": "big"},
    ],
)
def test_casing_and_types_drift(drift: dict[str, Any]) -> None:
    found = one(**drift)
    assert found.messages[0].sender == "badguy@sender.example"
    assert found.disposition is Disposition.ACT


@pytest.mark.parametrize(
    ("header", "senders"),
    [
        ({"fromAddress": ["A@x.example", "b@Bücher.example"]}, ("a@x.example", "b@xn--bcher-kva.example")),
        ({"fromAddress": None, "headerFrom": '"john doe"@Evil.example'}, ('"john doe"@evil.example',)),
        ({"fromAddress": None, "headerFrom": "a@x.example, B <b@y.example>"}, ("a@x.example", "b@y.example")),
        ({"fromAddress": None, "headerFrom": None}, ()),
        ({"fromAddress": ["<>"], "headerFrom": "nobody"}, ()),
    ],
)
def test_all_from_addresses_are_kept_in_one_spelling(header: dict[str, Any], senders: tuple[str, ...]) -> None:
    message = one(**{"headerFrom": None, **header}).messages[0]
    assert (message.senders, message.sender) == (senders, next(iter(senders), None))


def test_without_an_envelope_recipient_the_header_has_to_do() -> None:
    assert one(recipient=[]).messages[0].recipients == ("list@contoso.example",)


def test_an_event_without_an_id_still_has_always_the_same_one() -> None:
    first, again = one(id=None, GUID=None), one(id=None, GUID=None)
    assert first.vendor_alert_id == again.vendor_alert_id
    assert first.vendor_alert_id != one(id=None, GUID=None, recipient=["x@contoso.example"]).vendor_alert_id


def test_one_bad_record_does_not_spoil_the_others() -> None:
    reading = read({"messagesDelivered": ["x", record(), {}, None]})
    assert len(reading.events) == 1
    assert [(f.path, f.kind) for f in reading.flaws] == [
        ("messagesDelivered.0", "model_type"),
        ("messagesDelivered.2", "nothing_to_find_it_by"),
        ("messagesDelivered.3", "model_type"),
    ]


@pytest.mark.parametrize(
    ("document", "path", "kind"),
    [
        ([], "$", "dict_type"),
        ({}, "messagesDelivered", "missing"),
        ({"value": []}, "messagesDelivered", "missing"),
        ({"messagesDelivered": {}}, "messagesDelivered", "list_type"),
    ],
)
def test_another_format_is_refused(document: Any, path: str, kind: str) -> None:
    with pytest.raises(WrongShapeError) as caught:
        read(document)
    assert [(f.path, f.kind) for f in caught.value.flaws] == [(path, kind)]


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20) | st.lists(
    st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=5), st.none(), max_size=2), max_size=3
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(record())), ODD, max_size=8))
def test_no_field_of_an_odd_type_costs_the_record(changes: dict[str, Any]) -> None:
    reading = read({"messagesDelivered": [record(**changes)]})
    # A recipient that is left out is told, and its event counts all the same.
    lost = [flaw for flaw in reading.flaws if flaw.kind != "control_character"]
    assert len(reading.events) + len(lost) == 1
    for found in reading.events:
        found.model_dump_json()


def test_a_number_without_end_costs_nothing() -> None:
    assert one(phishScore=10**400).disposition is Disposition.ACT


def test_a_recipient_with_a_line_break_is_told_and_does_not_become_another() -> None:
    recipients = ["ann@contoso.example\r\nbob@contoso.example", "carol@contoso.example"]
    reading = read({"messagesDelivered": [record(recipient=recipients)]})
    assert reading.events[0].messages[0].recipients == ("carol@contoso.example",)
    assert [(flaw.path, flaw.kind) for flaw in reading.flaws] == [
        ("messagesDelivered.0.recipient", "control_character")
    ]


@pytest.mark.parametrize(("count", "kinds"), [(1000, []), (1001, ["too_long"])])
def test_an_event_has_at_most_a_thousand_recipients(count: int, kinds: list[str]) -> None:
    many = record(recipient=[f"u{n}@contoso.example" for n in range(count)])
    reading = read({"messagesDelivered": [many, record(id="other")]})
    assert [flaw.kind for flaw in reading.flaws] == kinds
    assert len(reading.events) == 2 - len(kinds)
