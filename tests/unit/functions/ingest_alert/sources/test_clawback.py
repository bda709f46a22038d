import copy
import json
from pathlib import Path
from typing import Any

import pytest

from functions.ingest_alert.models import VendorEvent, WrongShapeError
from functions.ingest_alert.sources.clawback import AlertV1, read
from shared.domain.alert import Disposition, Severity, ThreatType
from shared.domain.indicators import IndicatorType

ROOT = Path(__file__).parents[5]
EVENTS = ROOT / "tests" / "events" / "clawback"


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def only(document: Any) -> VendorEvent:
    (found,) = read(document).events
    return found


def flaws(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(WrongShapeError) as caught:
        read(document)
    return [(flaw.path, flaw.kind) for flaw in caught.value.flaws]


def test_full() -> None:
    found = only(event("full"))
    assert found.vendor_alert_id == "gateway-2026-000017"
    assert (found.disposition, found.threat_type, found.severity) == (Disposition.ACT, ThreatType.PHISH, Severity.HIGH)
    assert (found.title, found.campaign_id) == ("Credential phishing", "spring-invoices")
    assert found.detected_at is not None
    assert found.detected_at.isoformat() == "2026-03-02T07:55:00+00:00"
    (message,) = found.messages
    assert message.internet_message_id == "<20260302.1@sender.example>"
    assert message.network_message_id == "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    assert message.sender == "billing@sender.example"
    assert message.recipients == ("ann@contoso.example", "all-staff@contoso.example")
    assert [i.type for i in found.indicators] == [IndicatorType.URL, IndicatorType.SHA256]


def test_minimal() -> None:
    found = only(event("minimal"))
    assert found.messages[0].internet_message_id == "<1@sender.example>"
    assert (found.threat_type, found.severity, found.title) == (ThreatType.OTHER, Severity.MEDIUM, None)


def test_hostile_text_is_made_harmless_and_no_longer() -> None:
    document = event("full")
    document["title"] = None
    document["messages"][0]["subject"] = "\u202egpj.exe\x00\r\n=cmd\ud800" + "A" * 1_000_000
    found = only(document)
    assert found.title is not None
    assert found.title == found.messages[0].subject
    assert found.title.startswith("gpj.exe =cmd")
    assert len(found.title) <= 512
    found.model_dump_json()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["version"], 2, ("version", "literal_error")),
        (["version"], None, ("version", "literal_error")),
        (["id"], "", ("id", "too_short")),
        (["id"], 7, ("id", "string_type")),
        (["messages"], [], ("messages", "too_short")),
        (["messages"], {}, ("messages", "list_type")),
        (["messages", 0], "x", ("messages.0", "model_type")),
        (["messages", 0, "recipients", 1], "nobody", ("messages.0.recipients.1", "address")),
        (["messages", 0, "receivedAt"], "9999-12-31T23:59:59-23:59", ("messages.0.receivedAt", "value_error")),
        (["severity"], "awful", ("severity", "enum")),
        (["indicators", 0, "type"], "x", ("indicators.0.type", "enum")),
        (["recipient"], "x", ("recipient", "extra_forbidden")),
        (["<script>ann@contoso.example"], "x", ("?", "extra_forbidden")),
    ],
)
def test_each_mistake_is_told_by_path_and_kind(path: list[Any], value: Any, expected: tuple[str, str]) -> None:
    document = copy.deepcopy(event("full"))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert flaws(document) == [expected]


@pytest.mark.parametrize("document", [None, [], "x", 7, True])
def test_something_else_altogether(document: Any) -> None:
    assert flaws(document) == [("$", "model_type")]


def test_a_message_must_be_findable() -> None:
    document = event("minimal")
    document["messages"][0] = {"internetMessageId": "<>", "sender": "a@b.example"}
    assert flaws(document) == [("messages.0", "nothing_to_find_it_by")]
    document["messages"][0]["receivedAt"] = "2026-03-02T07:50:00Z"
    assert only(document).messages[0].internet_message_id is None


def test_the_published_schema_is_the_model() -> None:
    published = json.loads((ROOT / "docs" / "reference" / "alert-v1.schema.json").read_text(encoding="utf-8"))
    assert published == schema()


def schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **AlertV1.model_json_schema(by_alias=True)}
