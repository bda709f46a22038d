import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_alert import joining
from shared.domain.ids import IncidentId
from shared.domain.incident import AlertLink, CaseMessage, Incident, IncidentState, Related
from shared.domain.incident import Intake as IntakeCounter
from shared.errors import ConflictError, UnavailableError
from shared.names import Stage
from shared.pipeline.payloads import EnrichAlerts, IngestAlert
from shared.pipeline.stage import Done, Reject
from shared.ports.incidents import Joined
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.ingest_alert.intake import EVENTS, Intake, alert


def close(intake: Intake, incident: Incident) -> None:
    """As the report stage does: no alert joins any more."""
    closed = incident.changed(closed_at=intake.now(), closed_by="ann")
    shut = IntakeCounter(incident_id=incident.id, open=False, alerts=incident.alerts)
    intake.incidents.put(incident.id, closed, shut)


def links(intake: Intake) -> list[list[str]]:
    """For each incident in order of its opening, the vendor's ids of its alerts."""
    names = {kept.id: kept.vendor_alert_id for kept in intake.alerts.all}
    return [
        [names[link.id] for link in intake.incidents.of(incident.id, AlertLink)] for incident in intake.incidents.all
    ]


def documents(intake: Intake) -> list[Any]:
    """All documents of all cases, sorted."""
    kinds = (AlertLink, CaseMessage, Related)
    found: list[Any] = [
        one
        for incident in intake.incidents.all
        for kind in kinds
        for one in intake.incidents.of(incident.id, kind)  # type: ignore[type-var]  # lists have no Related
    ]
    return [*intake.incidents.all, *sorted(found, key=lambda one: (one.incident_id, one.id))]


async def test_a_new_alert_opens_an_incident_and_tells_the_next_stages() -> None:
    intake = Intake()
    assert await intake.take(alert(title="Bad")) == Done()
    (kept,), (incident,) = intake.alerts.all, intake.incidents.all
    assert (incident.title, incident.state) == ("Bad", IncidentState.OPEN)
    assert incident.alerts == 1
    assert [(link.id, link.addresses) for link in intake.incidents.of(incident.id, AlertLink)] == [(kept.id, 1)]
    named = intake.incidents.of(incident.id, CaseMessage)
    assert [m.message.recipients for m in named] == [()]
    assert incident.message == named[0].message
    assert kept.messages[0].recipients == ("ann@contoso.example",)
    assert intake.queue.sent[1:] == [EnrichAlerts(incident_id=incident.id)]
    assert intake.evidence.blobs[kept.evidence.path] == json.dumps(alert(title="Bad")).encode()


async def test_a_repeat_changes_nothing_and_sends_again() -> None:
    intake = Intake()
    message = await intake.submit(alert())
    await intake.handle(message)
    before, sent = documents(intake), intake.queue.sent[1:]
    intake.now.advance(3600)
    await intake.handle(message)
    await intake.take(alert())
    assert documents(intake) == before
    assert [m for m in intake.queue.sent if not isinstance(m, IngestAlert)] == sent * 3


async def test_another_alert_about_the_same_mail_joins() -> None:
    intake = Intake()
    await intake.take(alert("1", "a"))
    await intake.take(alert("2", "a", "b"))
    await intake.take(alert("3", "b"))
    assert links(intake) == [["1", "2", "3"]]
    assert len(intake.incidents.of(intake.incidents.all[0].id, CaseMessage)) == 2


async def test_many_alerts_of_one_payload_about_one_mail_are_one_message_for_the_next_stage() -> None:
    intake = Intake()
    records = [
        {"id": str(n), "messageID": "<a@sender.example>", "recipient": ["ann@contoso.example"], "threatsInfoMap": []}
        for n in range(3)
    ]
    await intake.take({"messagesDelivered": records}, "proofpoint_tap")
    assert links(intake) == [["0", "1", "2"]]
    (incident,) = intake.incidents.all
    assert incident.alerts == 3
    assert intake.queue.sent[1:] == [EnrichAlerts(incident_id=incident.id)]


async def test_two_ids_of_one_mail_lead_to_one_incident() -> None:
    intake = Intake()
    both = {"internetMessageId": "<a@sender.example>", "networkMessageId": "N-1"}
    await intake.take(alert("1", messages=[{"networkMessageId": "n-1"}]))
    await intake.take(alert("2", messages=[both]))
    await intake.take(alert("3", "a"))
    assert links(intake) == [["1", "2", "3"]]


def wakes(intake: Intake) -> list[float]:
    """After how many seconds each message for the enrich stage is seen, in order of their sending."""
    sent = [message for message in intake.queue.waiting if message.envelope.stage is Stage.ENRICH]
    return [(message.visible_at - message.sent_at).total_seconds() for message in sent]


async def test_the_first_alert_of_a_case_does_not_wait_and_a_burst_is_one_more_message() -> None:
    intake = Intake()
    for number in range(50):
        await intake.take(alert(str(number)))
        intake.now.advance(0.02)
    assert wakes(intake) == [0, 3]


async def test_every_alert_of_a_burst_has_a_message_that_is_seen_after_it_has_joined() -> None:
    intake = Intake()
    for number in range(60):
        await intake.take(alert(str(number)))
        joined = intake.now()
        seen = [one for one in intake.queue.waiting if one.envelope.stage is Stage.ENRICH]
        assert max(one.visible_at for one in seen) >= joined
        intake.now.advance(0.35)
    # One message takes what joined in its two seconds or so.
    assert len(wakes(intake)) < 15


async def test_all_alerts_of_the_first_payload_of_a_case_are_decided_at_once() -> None:
    intake = Intake()
    records = [
        {"id": str(n), "messageID": "<a@sender.example>", "recipient": ["ann@contoso.example"]} for n in range(3)
    ]
    await intake.take({"messagesDelivered": records}, "proofpoint_tap")
    assert wakes(intake) == [0]


async def test_a_message_that_was_announced_and_never_sent_is_sent_by_the_next_delivery() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    message = await intake.submit(alert("2"))
    dry = Intake()
    await dry.take(alert("1"))
    again = await dry.submit(alert("2"))
    dry.checkpoints.names.clear()
    await dry.handle(again)
    intake.checkpoints.die_at = intake.checkpoints.passed + dry.checkpoints.names.index("before send enrich_alerts")
    with pytest.raises(ProcessDied):
        await intake.handle(message)
    intake.checkpoints.revive()
    # An alert of the same moment relies on the announced message.
    await intake.take(alert("3"))
    assert wakes(intake) == [0]
    # The repeated delivery sends it, at once, for all that have joined.
    await intake.handle(message)
    assert wakes(intake) == [0, 0]
    # And no alert relies on it for longer than it was announced for.
    intake.now.advance(3)
    await intake.take(alert("4"))
    assert wakes(intake) == [0, 0, 3]


async def test_an_alert_about_mails_of_two_incidents_joins_one_and_names_the_other() -> None:
    intake = Intake()
    await intake.take(alert("1", "a"))
    await intake.take(alert("2", "b"))
    await intake.take(alert("3", "a", "b"))
    first, second = intake.incidents.all
    joined, other = (first, second) if first.alerts == 2 else (second, first)
    assert await intake.incidents.related(joined.id) == [other.id]
    assert await intake.incidents.related(other.id) == []
    assert other.alerts == 1


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
    assert incident.alerts == 2
    assert [link.id for link in intake.incidents.of(incident.id, AlertLink)] == [kept.id for kept in intake.alerts.all]
    enriched = [m for m in intake.queue.sent if isinstance(m, EnrichAlerts)]
    assert enriched == [EnrichAlerts(incident_id=incident.id)] * 4


async def test_a_verdict_taken_back_later_is_kept() -> None:
    intake = Intake()
    await intake.take(alert())
    await intake.take(alert(disposition="ignore"))
    assert [kept.disposition for kept in intake.alerts.all] == ["act", "ignore"]
    assert intake.incidents.all[0].alerts == 1


async def test_a_closed_incident_is_succeeded() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    close(intake, intake.incidents.all[0])
    await intake.take(alert("2"))
    await intake.take(alert("3"))
    first, second = intake.incidents.all
    assert links(intake) == [["1"], ["2", "3"]]
    assert await intake.incidents.related(second.id) == [first.id]
    (message,) = intake.incidents.of(second.id, CaseMessage)
    assert intake.incidents.owners[message.id] == second.id


async def test_an_alert_that_comes_again_while_its_full_case_is_succeeded_stays_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intake = Intake()
    intake.incidents.max_alerts = 1
    await intake.take(alert("1"))

    async def dies(_: object) -> bool:
        raise ProcessDied("the message belongs to the successor, which is not there yet")

    with monkeypatch.context() as patched:
        patched.setattr(intake.incidents, "open", dies)
        with pytest.raises(ProcessDied):
            await intake.take(alert("2"))
    assert await intake.take(alert("1")) == Done()
    assert links(intake) == [["1"]]
    assert await intake.take(alert("2")) == Done()
    assert links(intake) == [["1"], ["2"]]


async def test_an_alert_that_comes_again_after_its_mail_went_to_another_case_stays_where_it_is() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    (first,) = intake.incidents.all
    # As a worker does that gave the mail to its own case, and then found that another mail of its alert has one.
    for key, owner in intake.incidents.owners.items():
        if key in {one.id for one in intake.incidents.of(first.id, CaseMessage)}:
            await intake.incidents.reassign_message(key, owner, IncidentId("another"))
    assert await intake.take(alert("1")) == Done()
    assert links(intake) == [["1"]]


async def test_a_repeat_of_what_a_closed_incident_holds_reopens_nothing() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    close(intake, intake.incidents.all[0])
    await intake.take(alert("1"))
    assert links(intake) == [["1"]]
    await intake.take(alert("2"))
    close(intake, intake.incidents.all[1])
    await intake.take(alert("3"))
    sent = len(intake.queue.sent)
    await intake.take(alert("1"))
    assert links(intake) == [["1"], ["2"], ["3"]]
    # The alert is decided there already: its case was not closed before.
    assert intake.queue.sent[sent + 1 :] == [EnrichAlerts(incident_id=intake.incidents.all[0].id)]


async def test_a_full_incident_is_succeeded() -> None:
    intake = Intake()
    intake.incidents.max_alerts = 2
    for number in "12345":
        await intake.take(alert(number))
    assert links(intake) == [["1", "2"], ["3", "4"], ["5"]]
    await intake.take(alert("1"))
    assert links(intake) == [["1", "2"], ["3", "4"], ["5"]]


async def test_a_successor_begins_with_what_was_pulled_before_it_without_a_person() -> None:
    intake = Intake()
    await intake.take(alert("1"))
    for number in ("2", "3"):
        case = intake.incidents.all[-1]
        intake.incidents.put(case.id, case.changed(unapproved_targets=10, unapproved_mailboxes=7))
        close(intake, intake.incidents.all[-1])
        await intake.take(alert(number))
    told = [(case.earlier_targets, case.earlier_mailboxes) for case in intake.incidents.all]
    assert told == [(0, 0), (10, 7), (20, 14)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "gone"}, "unknown_source"),
        ({"payload_path": "raw/none.json"}, "payload_missing"),
    ],
)
async def test_what_can_never_be_handled_is_rejected(change: dict[str, Any], reason: str) -> None:
    intake = Intake()
    message = await intake.submit(alert())
    assert await intake.handle(message.model_copy(update=change)) == Reject(reason)


async def test_a_payload_that_was_changed_is_not_acted_upon() -> None:
    intake = Intake()
    message = await intake.submit(alert())
    intake.evidence.blobs[message.payload_path] = json.dumps(alert("2")).encode()
    assert await intake.handle(message) == Reject("payload_changed")
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
        assert documents(intake) == documents(dry)
        assert {m.model_dump_json() for m in intake.queue.sent} == {m.model_dump_json() for m in dry.queue.sent}


ALERTS = [alert("1", "a"), alert("2", "a", "b"), alert("3", "b", "a"), alert("4", "b")]


@given(st.lists(st.sampled_from(ALERTS), min_size=1, max_size=12))
async def test_any_order_and_any_number_of_repeats_joins_each_alert_once(posted: list[dict[str, Any]]) -> None:
    intake = Intake()
    for document in posted:
        assert await intake.take(document) == Done()
    joined = [number for case in links(intake) for number in case]
    assert sorted(joined) == sorted(kept.vendor_alert_id for kept in intake.alerts.all)
    assert len(joined) == len({document["id"] for document in posted})
    assert [incident.alerts for incident in intake.incidents.all] == [len(case) for case in links(intake)]


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
    assert intake.incidents.all[0].alerts == 1


@pytest.mark.parametrize("method", ["open", "join"])
async def test_whoever_loses_a_race_joins_the_winner(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake()
    if method == "join":
        await intake.take(alert("1"))
    write = getattr(intake.incidents, method)

    async def slow(*given: Any) -> Any:
        monkeypatch.setattr(intake.incidents, method, write)
        await intake.take(alert("2"))
        return await write(*given)

    monkeypatch.setattr(intake.incidents, method, slow)
    assert await intake.take(alert("3")) == Done()
    (incident,) = intake.incidents.all
    assert sorted(links(intake)[0]) == sorted(kept.vendor_alert_id for kept in intake.alerts.all)
    assert incident.alerts == len(intake.alerts.all)


async def test_who_keeps_losing_comes_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake()
    await intake.take(alert("1"))
    sent = len(intake.queue.sent)

    async def always_late(*_: Any) -> None:
        raise UnavailableError("join an alert")

    with monkeypatch.context() as patched:
        patched.setattr(intake.incidents, "join", always_late)
        with pytest.raises(UnavailableError):
            await intake.take(alert("2"))
    assert len(intake.queue.sent) == sent + 1
    await intake.take(alert("2"))
    assert links(intake) == [["1", "2"]]


async def test_a_chain_of_closed_cases_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_MAX_SUCCESSORS", 3)
    intake = Intake()

    async def closed(*_: Any) -> tuple[Joined, None]:
        return Joined.CLOSED, None

    monkeypatch.setattr(intake.incidents, "join", closed)
    with pytest.raises(ConflictError):
        await intake.take(alert("1"))


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
    message = IngestAlert(source="clawback", payload_path=path, received_at=intake.now())
    assert await intake.handle(message) == expected
