import hashlib
import json
from typing import Any

import pytest

from functions.ingest_alert import receive, sources
from functions.ingest_alert.models import VendorEvent
from functions.ingest_alert.receive import MAX_BODY
from functions.ingest_alert.sources import Source
from shared.domain.alert import alert_id
from shared.names import SOURCES
from shared.pipeline.payloads import IngestAlert
from shared.web.problems import Problem
from tests.fakes.checkpoints import ProcessDied
from tests.unit.functions.ingest_alert.intake import EVENTS, Intake, alert

BODY = json.dumps(alert()).encode()


async def refused(
    intake: Intake, body: bytes = BODY, source: str = "clawback", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        await intake.post(body, source, **(headers or {}))
    assert intake.queue.sent == []
    return caught.value.body


def test_every_module_is_a_source() -> None:
    assert sources.names() == set(SOURCES)
    assert all(isinstance(sources.find(name), Source) for name in sources.names())


async def test_202_names_the_alerts_and_comes_after_the_body_is_durable() -> None:
    intake = Intake()
    answer = await intake.post(BODY)
    path = f"raw/clawback/2026-03-02/{hashlib.sha256(BODY).hexdigest()}.json"
    assert intake.evidence.blobs == {path: BODY}
    assert intake.queue.sent == [IngestAlert(source="clawback", payload_path=path, received_at=intake.now())]
    assert answer.keys() == {"receiptId", "alertIds", "alerts"}
    assert answer["alertIds"] == [alert_id("clawback", "1")]
    assert intake.checkpoints.names.index(f"after keep {path}") < intake.checkpoints.names.index(
        "before send ingest_alert"
    )


async def test_the_same_body_again_has_the_same_answer() -> None:
    intake = Intake()
    assert await intake.post(BODY) == await intake.post(BODY)


@pytest.mark.parametrize(
    "name", ["clawback/full", "clawback/minimal", "proofpoint_tap/siem_all", "proofpoint_tap/empty"]
)
async def test_samples_are_taken(name: str) -> None:
    body = (EVENTS / f"{name}.json").read_bytes()
    answer = await Intake().post(body, name.partition("/")[0])
    assert "unread" not in answer


async def test_no_answer_before_the_queue_has_it() -> None:
    intake = Intake()
    intake.checkpoints.die_at = 2
    with pytest.raises(ProcessDied, match="before send"):
        await intake.post(BODY)


async def test_one_bad_record_is_told_beside_the_good_ones() -> None:
    good = json.loads((EVENTS / "proofpoint_tap" / "siem_all.json").read_text(encoding="utf-8"))["messagesDelivered"][0]
    answer = await Intake().post(json.dumps({"messagesDelivered": [good, 7]}).encode(), "proofpoint_tap")
    assert answer["alertIds"] == [alert_id("proofpoint_tap", good["id"])]
    assert answer["unread"] == [{"path": "messagesDelivered.1", "kind": "model_type"}]


@pytest.mark.parametrize("name", ["nobody", "", "..", "__init__", "Clawback", "clawback.evil", "models"])
async def test_an_unknown_source(name: str) -> None:
    assert (await refused(Intake(), source=name))["type"] == "urn:clawback:problem:unknown-source"


async def test_a_body_that_is_too_large() -> None:
    assert (await refused(Intake(), b" " * (MAX_BODY + 1)))["status"] == 413
    body = BODY + b" " * (MAX_BODY - len(BODY))
    assert (await Intake().post(body))["alertIds"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Clawback-Signature": "v1=00"},
        {"Clawback-Signature": ""},
        {"Clawback-Timestamp": "1700000000"},
        {"Clawback-Timestamp": "soon"},
    ],
)
async def test_no_way_to_fail_authentication_tells_more_than_another(headers: dict[str, str]) -> None:
    intake = Intake()
    unsigned = await refused(intake, headers={"Clawback-Signature": "v1=1"})
    assert await refused(intake, headers=headers) == unsigned
    assert await refused(intake, b"{", headers=headers) == unsigned
    assert intake.evidence.blobs == {}


async def test_a_source_without_a_secret_takes_nothing() -> None:
    intake = Intake()
    intake.settings.webhook_secrets["proofpoint_tap"] = []
    body = await refused(intake, source="proofpoint_tap")
    assert body["status"] == 401
    del intake.settings.webhook_secrets["proofpoint_tap"]
    assert await refused(intake, source="proofpoint_tap") == body


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        (b"{", 400, [{"path": "$", "kind": "syntax"}]),
        (b"[" * 100_000, 400, [{"path": "$", "kind": "too_deep"}]),
        (BODY[:-20], 400, [{"path": "$", "kind": "syntax"}]),
        (b'{"version": 1, "id": "ann@contoso.example"}', 422, [{"path": "messages", "kind": "missing"}]),
        (b'["ann@contoso.example"]', 422, [{"path": "$", "kind": "model_type"}]),
        (b'{"ann@contoso.example": 1}', 422, None),
    ],
)
async def test_what_cannot_be_read_is_kept_and_told_without_a_word_of_it(
    body: bytes, status: int, errors: list[dict[str, str]] | None
) -> None:
    intake = Intake()
    problem = await refused(intake, body)
    assert problem["status"] == status
    assert errors is None or problem["errors"] == errors
    assert "contoso" not in json.dumps(problem)
    assert list(intake.evidence.blobs.values()) == [body]
    assert next(iter(intake.evidence.blobs)).startswith("rejected/clawback/2026-03-02/")


async def test_an_event_that_no_document_could_hold() -> None:
    indicators = [{"type": "url", "value": "https://x.example/" + "ü" * 2000} for _ in range(200)]
    recipients = [f"{'ü' * 250}{n}@contoso.example" for n in range(1000)]
    document = alert("1", *(str(n) for n in range(100)), indicators=indicators)
    for message in document["messages"][:4]:
        message["recipients"] = recipients
    problem = await refused(Intake(), json.dumps(document, ensure_ascii=False).encode())
    assert problem["errors"] == [{"path": "$", "kind": "too_large"}]


async def test_more_events_than_one_delivery_can_take_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_EVENTS", 0)
    intake = Intake()
    with pytest.raises(Problem, match="too large") as refused:
        await intake.post(BODY)
    assert refused.value.status == 413
    assert intake.queue.sent == []
    assert list(intake.evidence.blobs.values()) == [BODY]


async def test_what_we_fail_to_read_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("a mistake of ours")

    monkeypatch.setattr(receive, "read", broken)
    intake = Intake()
    with pytest.raises(OverflowError):
        await intake.post(BODY)
    assert list(intake.evidence.blobs.values()) == [BODY]


def test_an_event_is_as_large_as_it_is_sent() -> None:
    # The SDK escapes what is not ASCII: six bytes for two.
    event = VendorEvent(vendor_alert_id="1", title="\u00e9" * 1000, messages=())
    assert receive._size(event) > 6000


async def test_more_recipients_than_a_body_may_name_are_refused_as_a_whole_and_kept() -> None:
    message = alert()["messages"][0]
    many = {**message, "recipients": [f"u{n}@contoso.example" for n in range(1000)]}
    intake = Intake()
    body = json.dumps({**alert(), "messages": [*([many] * 10), {**message, "recipients": ["a@c.example"]}]}).encode()
    with pytest.raises(Problem, match="too large") as caught:
        await intake.post(body)
    assert caught.value.status == 413
    assert intake.queue.sent == []
    assert [path.split("/")[0] for path in intake.evidence.blobs] == ["rejected"]
    await intake.post(json.dumps({**alert(), "messages": [many] * 10}).encode())


async def test_an_alert_that_names_a_recipient_with_a_line_break_is_refused_and_kept() -> None:
    message = {**alert()["messages"][0], "recipients": ["ann@contoso.example\r\nbob@contoso.example"]}
    intake = Intake()
    problem = await refused(intake, json.dumps({**alert(), "messages": [message]}).encode())
    assert problem["errors"] == [{"path": "messages.0.recipients.0", "kind": "address"}]
    assert [path.split("/")[0] for path in intake.evidence.blobs] == ["rejected"]


async def test_the_answer_names_the_id_under_which_each_alert_is_kept() -> None:
    intake = Intake()
    told = []
    for title in ("one", "two"):
        one = alert("1", title=title)
        told += (await intake.post(json.dumps(one).encode()))["alerts"]
        await intake.take(one)
    first, changed = told
    assert first["id"] == changed["id"]
    assert [kept.id for kept in intake.alerts.all] == [first["id"], changed["idIfChanged"]]


async def test_the_answer_says_when_nothing_will_follow() -> None:
    answer = await Intake().post(json.dumps(alert("1", disposition="ignore")).encode())
    assert [one["disposition"] for one in answer["alerts"]] == ["ignore"]
