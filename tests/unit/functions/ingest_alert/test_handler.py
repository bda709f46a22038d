import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_alert import joining
from shared.domain.incident import Action, Decision, Incident, IncidentState, Priority
from shared.errors import ConflictError
from shared.pipeline.payloads import EnrichAlert, IncidentChanged, IngestAlert
from shared.pipeline.stage import Done, Reject
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.ingest_alert.intake import EVENTS, Intake, alert


async def close(intake: Intake, incident: Incident, *, decided: bool = True) -> None:
    read = await intake.incidents.read(incident.id)
    decision = Decision(action=Action.AUTOMATIC, rule="r", priority=Priority(score=1), at=intake.now())
    alerts = tuple(link.model_copy(update={"decision": decision if decided else None}) for link in read.value.alerts)
    closed = read.value.model_copy(update={"alerts": alerts, "closed_at": intake.now(), "closed_by": "ann"})
    await intake.incidents.replace(closed.with_state(), read.etag)


def links(intake: Intake) -> list[list[str]]:
    """For each incident in order of its opening, the vendor's ids of its alerts."""
    names = {kept.id: kept.vendor_alert_id for kept in intake.alerts.all}
    return [[names[link.id] for link in incident.alerts] for incident in intake.incidents.all]


async def test_a_new_alert_opens_an_incident_and_tells_the_next_stages() -> None:
    intake = Intake()
    assert await intake.take(alert(title="Bad")) == Done()
    (kept,), (incident,) = intake.alerts.all, intake.incidents.all
    assert (incident.title, incident.state) == ("Bad", IncidentState.OPEN)
    assert [link.id for link in incident.alerts] == [kept.id]
    assert [m.recipients for m in incident.messages] == [()]
    assert kept.messages[0].recipients == ("ann@contoso.example",)
    assert intake.queue.sent[1:] == [
        EnrichAlert(incident_id=incident.id, alert_id=kept.id),
        IncidentChanged(incident_id=incident.id),
    ]
    assert intake.evidence.blobs[kept.evidence.path] == json.dumps(alert(title="Bad")).encode()


async def test_a_repeat_changes_nothing_and_sends_again() -> None:
    intake = Intake()
    message = await intake.submit(alert())
    await intake.handle(message)
    before, sent = intake.incidents.all, intake.queue.sent[1:]
    intake.now.advance(3600)
    await intake.handle(message)
    await intake.take(alert())
    assert intake.incidents.all == before
    assert [m for m in intake.queue.sent if not isinstance(m, IngestAlert)] == sent * 3


async def test_another_alert_about_the_same_mail_joins() -> None:
    intake = Intake()
    await intake.take(alert("1", "a"))
    await intake.take(alert("2", "a", "b"))
    await intake.take(alert("3", "b"))
    assert links(intake) == [["1", "2", "3"]]
    assert len(intake.incidents.all[0].messages) == 2


async def test_two_ids_of_one_mail_lead_to_one_incident() -> None:
    intake = Intake()
    both = {"internetMessageId": "<a@sender.example>", "networkMessageId": "N-1"}
    await intake.take(alert("1", messages=[{"networkMessageId": "n-1"}]))
    await intake.take(alert("2", messages=[both]))
    await intake.take(alert("3", "a"))
    assert links(intake) == [["1", "2", "3"]]


async def test_an_alert_about_mails_of_two_incidents_joins_one_and_names_the_other() -> None:
    intake = Intake()
    await intake.take(alert("1", "a"))
    await intake.take(alert("2", "b"))
    await intake.take(alert("3", "a", "b"))
    first, second = intake.incidents.all
    joined, other = (first, second) if len(first.alerts) == 2 else (second, first)
    assert joined.related == (other.id,)
    assert len(other.alerts) == 1


async def test_mails_that_nothing_is_known_of_do_not_meet() -> None:
    intake = Intake()
    records = [
        {"id": str(n), "recipient": ["ann@contoso.example"], "threatsInfoMap": [{"threatStatus": "active"}]}
        for n in range(3)
    ]
    await intake.take({"messagesDelivered": records}, "proofpoint_tap")
    assert links(intake) == [["0"], ["1"], ["2"]]


async def test_what_is_to_be_ignored_is_kept_and_that_is_all() -> None:
    intake = Intake()
    await intake.take(alert(disposition="ignore"))
    assert len(intake.alerts.all) == 1
    assert intake.incidents.all == []
    assert len(intake.queue.sent) == 1


async def test_the_same_vendor_event_with_another_recipient_still_acts() -> None:
    intake = Intake()
    await intake.take(alert())
    more = alert()
    more["messages"][0]["recipients"].append("bob@contoso.example")
    await intake.take(more)
    await intake.take(alert())
    await intake.take(more)
    (incident,) = intake.incidents.all
    assert len(incident.alerts) == 2
    assert len(intake.alerts.all) == 2
    enriched = [m.alert_id for m in intake.queue.sent if isinstance(m, EnrichAlert)]
    assert enriched == [incident.alerts[0].id, incident.alerts[1].id] * 2


async def test_a_verdict_taken_back_later_is_kept() -> None:
    intake = Intake()
    await intake.take(alert())
    await intake.take(alert(disposition="ignore"))
    assert [kept.disposition for kept in intake.alerts.all] == ["act", "ignore"]
    assert len(intake.incidents.all[0].alerts) == 1


async def test_a_closed_incident_is_succeeded() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    await close(intake, intake.incidents.all[0])
    await intake.take(alert("2"))
    await intake.take(alert("3"))
    first, second = intake.incidents.all
    assert links(intake) == [["1"], ["2", "3"]]
    assert second.related == (first.id,)
    assert set(intake.incidents.claims.values()) == {second.id}


async def test_a_repeat_of_what_a_closed_incident_holds_reopens_nothing() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    await close(intake, intake.incidents.all[0])
    await intake.take(alert("1"))
    assert links(intake) == [["1"]]
    await intake.take(alert("2"))
    await close(intake, intake.incidents.all[1])
    await intake.take(alert("3"))
    sent = len(intake.queue.sent)
    await intake.take(alert("1"))
    assert links(intake) == [["1"], ["2"], ["3"]]
    # Nothing is to be pulled for a case that is closed.
    assert intake.queue.sent[sent + 1 :] == [IncidentChanged(incident_id=intake.incidents.all[0].id)]


async def test_what_was_closed_before_it_was_decided_is_decided_in_the_next_case() -> None:
    intake = Intake()
    message = await intake.submit(alert("1"))
    await intake.handle(message)
    await close(intake, intake.incidents.all[0], decided=False)
    sent = len(intake.queue.sent)

    # The delivery that died before it could tell the next stage comes again.
    await intake.handle(message)

    assert links(intake) == [["1"], ["1"]]
    kept, successor = intake.alerts.all[0], intake.incidents.all[1]
    assert EnrichAlert(incident_id=successor.id, alert_id=kept.id) in intake.queue.sent[sent:]


async def test_a_full_incident_is_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MAX_ALERTS", 2)
    intake = Intake()
    for number in "12345":
        await intake.take(alert(number))
    assert links(intake) == [["1", "2"], ["3", "4"], ["5"]]
    await intake.take(alert("1"))
    assert links(intake) == [["1", "2"], ["3", "4"], ["5"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "gone"}, "unknown_source"),
        ({"evidence": "raw/none.json"}, "evidence_missing"),
    ],
)
async def test_what_can_never_be_handled_is_rejected(change: dict[str, Any], reason: str) -> None:
    intake = Intake()
    message = await intake.submit(alert())
    assert await intake.handle(message.model_copy(update=change)) == Reject(reason)


async def test_evidence_that_was_changed_is_not_acted_upon() -> None:
    intake = Intake()
    message = await intake.submit(alert())
    intake.evidence.blobs[message.evidence] = json.dumps(alert("2")).encode()
    assert await intake.handle(message) == Reject("evidence_changed")
    assert intake.alerts.all == []


SIEM = json.loads((EVENTS / "proofpoint_tap" / "siem_all.json").read_text(encoding="utf-8"))


async def test_wherever_the_process_dies_the_next_life_ends_the_same() -> None:
    dry = Intake()
    await dry.take(SIEM, "proofpoint_tap")
    places = dry.checkpoints.passed
    for place in range(places):
        intake = Intake(Checkpoints())
        message = await intake.submit(SIEM, "proofpoint_tap")
        intake.checkpoints.die_at = intake.checkpoints.passed + place
        try:
            await intake.handle(message)
        except ProcessDied:
            intake.checkpoints.revive()
            assert await intake.handle(message) == Done()
        assert intake.alerts.all == dry.alerts.all
        assert intake.incidents.all == dry.incidents.all
        assert {m.model_dump_json() for m in intake.queue.sent} == {m.model_dump_json() for m in dry.queue.sent}


ALERTS = [alert("1", "a"), alert("2", "a", "b"), alert("3", "b", "a"), alert("4", "b")]


@given(st.lists(st.sampled_from(ALERTS), min_size=1, max_size=12))
async def test_any_order_and_any_number_of_repeats_joins_each_alert_once(posted: list[dict[str, Any]]) -> None:
    intake = Intake()
    for document in posted:
        assert await intake.take(document) == Done()
    joined = [link.id for incident in intake.incidents.all for link in incident.alerts]
    assert sorted(joined) == sorted(kept.id for kept in intake.alerts.all)
    assert len(joined) == len({document["id"] for document in posted})


@given(st.lists(st.integers(0, 200), max_size=6))
async def test_any_number_of_deaths_leaves_one_incident(deaths: list[int]) -> None:
    intake = Intake()
    message = await intake.submit(alert("1", "a", "b"))
    for death in deaths:
        intake.checkpoints.die_at = intake.checkpoints.passed + death
        try:
            await intake.handle(message)
        except ProcessDied:
            intake.checkpoints.revive()
    intake.checkpoints.revive()
    assert await intake.handle(message) == Done()
    assert links(intake) == [["1"]]


@pytest.mark.parametrize("method", ["add", "replace"])
async def test_whoever_loses_a_race_joins_the_winner(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake()
    if method == "replace":
        await intake.take(alert("1"))
    write = getattr(intake.incidents, method)

    async def slow(*given: Any) -> Any:
        monkeypatch.setattr(intake.incidents, method, write)
        await intake.take(alert("2"))
        return await write(*given)

    monkeypatch.setattr(intake.incidents, method, slow)
    assert await intake.take(alert("3")) == Done()
    (incident,) = intake.incidents.all
    assert {link.id for link in incident.alerts} == {kept.id for kept in intake.alerts.all}


async def test_who_keeps_losing_comes_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake()
    await intake.take(alert("1"))

    async def always_late(*_: Any) -> None:
        raise ConflictError("changed")

    monkeypatch.setattr(intake.incidents, "replace", always_late)
    with pytest.raises(ConflictError):
        await intake.take(alert("2"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", Reject("malformed_json", "syntax")),
        (b'{"version": 2}', Reject("wrong_shape", "version: literal_error; id: missing; messages: missing")),
    ],
)
async def test_what_a_later_version_no_longer_reads_is_rejected_with_its_reason(body: bytes, expected: Reject) -> None:
    intake = Intake()
    path = f"raw/clawback/2026-03-02/{hashlib.sha256(body).hexdigest()}.json"
    await intake.evidence.keep(path, body)
    message = IngestAlert(source="clawback", evidence=path, received_at=intake.now())
    assert await intake.handle(message) == expected
