from datetime import timedelta
from typing import Any

import pytest

from functions.report.audit_events import of_document, of_targets
from shared.domain.exposure import Counts
from shared.domain.ids import IncidentId
from shared.domain.incident import AlertStep, CaseDocument, CaseMessage, Command, PlanState, Related
from shared.domain.message import Message
from shared.domain.target import TERMINAL, ReadState, TargetState
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, alert_link, incident, plan, target


def command(key: str, kind: str, by: str, seconds: int, **changes: Any) -> Command:
    at = START + timedelta(seconds=seconds)
    return Command(id=key, incident_id=INCIDENT, command=kind, by=by, at=at, **changes)


def test_each_document_of_a_case_tells_its_part_in_order() -> None:
    documents: list[CaseDocument] = [
        incident(closed_at=START + timedelta(seconds=9), closed_by="ann"),
        alert_link(),
        plan(2, PlanState.RUNNING, approved_by="ann", approved_at=START + timedelta(seconds=5)),
        command("cmd-2", "undo_pull", "bob", 7, targets=("t",)),
        command("cmd-1", "approve_plan", "ann", 4, reason="sure"),
    ]
    told = [of_document(document) for document in documents]
    assert [[(one.event.kind, one.event.actor) for one in part] for part in told] == [
        [("opened", "clawback"), ("closed", "ann")],
        [("alert_joined", "source:clawback"), ("decided", "policy:known bad")],
        [("planned", "clawback"), ("approved", "ann")],
        [("undo_pull_asked", "bob")],
        [("approve_plan_asked", "ann")],
    ]
    assert told[3][0].event.data == {"about": "cmd-2", "reason": "", "targets": ["t"]}
    assert told[4][0].event.data == {"about": "cmd-1", "reason": "sure"}
    assert all(one.target is None for part in told for one in part)
    for part in told:
        assert [one.event.at for one in part] == sorted(one.event.at for one in part)


def test_what_has_not_happened_is_not_told() -> None:
    assert [one.event.kind for one in of_document(incident())] == ["opened"]
    undecided = alert_link(AlertStep.JOINED, decision=None)
    assert [one.event.kind for one in of_document(undecided)] == ["alert_joined"]
    assert [one.event.kind for one in of_document(plan(2))] == ["planned"]
    assert of_document(plan(0, PlanState.DRAFT, planned_at=None)) == []


def test_messages_and_related_cases_tell_nothing() -> None:
    named = CaseMessage(id="msg-1", incident_id=INCIDENT, message=Message(subject="Invoice"))
    assert of_document(named) == []
    assert of_document(Related(id=IncidentId("inc-2"), incident_id=INCIDENT)) == []


def test_ids_depend_on_what_happened_and_on_nothing_else() -> None:
    def ids(**changes: Any) -> list[str]:
        documents: list[CaseDocument] = [incident(**changes), alert_link(**changes), plan(2)]
        return [one.event.id for document in documents for one in of_document(document)]

    first = ids()
    assert first == ids(title="Other", unrecorded=False)
    assert len(set(first)) == len(first) == 4


@pytest.mark.parametrize("state", [TargetState.PLANNED, TargetState.LOCATED, TargetState.RESTORING])
def test_what_is_not_over_is_not_told(state: TargetState) -> None:
    assert of_targets([target("ann", state)], START) == []


PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED}
BACK = {TargetState.RESTORED, TargetState.PARTLY_RESTORED}
ENDS = sorted(TERMINAL - PULLED - BACK)


@pytest.mark.parametrize("state", ENDS)
def test_each_end_is_told_once_and_counted(state: TargetState) -> None:
    (told,) = of_targets([target("ann", state, reason="why")], START)
    assert (told.event.kind, told.event.at, told.event.target_id) == (state, START, "target-ann")
    assert told.event.data == {"planId": "plan-1", "reason": "why"}
    assert told.target is not None
    assert Counts().add(told.target).states == {state: 1}


def test_the_proof_of_a_pull() -> None:
    (told,) = of_targets([target("ann", TargetState.QUARANTINED)], START + timedelta(days=1))
    assert told.event.at == START + timedelta(seconds=1)
    assert told.event.data == {
        "planId": "plan-1",
        "read": "read",
        "copies": 0,
        "deliveredAt": "2026-03-02T08:59:00+00:00",
        "pulledAt": "2026-03-02T09:00:00+00:00",
        "exposedSeconds": 60,
    }


@pytest.mark.parametrize(
    ("state", "reason", "kinds", "states"),
    [
        (TargetState.QUARANTINED, None, ["quarantined"], {"quarantined": 1}),
        (TargetState.QUARANTINED, "restore_failed:x", ["quarantined", "restore_failed"], {"quarantined": 1}),
        (TargetState.RESTORED, None, ["quarantined", "restored"], {"restored": 1}),
        (TargetState.RESTORED, "original_folder_gone", ["quarantined", "restored"], {"restored": 1}),
    ],
)
def test_what_came_back_was_pulled_first(
    state: TargetState, reason: str | None, kinds: list[str], states: dict[str, Any]
) -> None:
    told = of_targets([target("ann", state, reason=reason)], START)
    assert [one.event.kind for one in told] == kinds
    counts = Counts()
    for one in told:
        counts = counts.add(one.target) if one.target else counts
    assert (counts.states, counts.read, counts.exposed_seconds) == (states, 1, 60)
    # The pull is the same fact, whenever it is told.
    assert told[0].event == of_targets([target("ann", TargetState.QUARANTINED)], START)[0].event


@pytest.mark.parametrize(
    ("state", "reason", "kinds", "states"),
    [
        ("partly_quarantined", "why", ["partly_quarantined"], {"partly_quarantined": 1}),
        (
            "partly_quarantined",
            "restore_failed:x",
            ["partly_quarantined", "restore_failed"],
            {"partly_quarantined": 1},
        ),
        ("restored", None, ["partly_quarantined", "restored"], {"restored": 1}),
    ],
)
def test_what_was_partly_pulled_is_told_as_that_also_when_it_is_back(
    state: str, reason: str | None, kinds: list[str], states: dict[str, Any]
) -> None:
    ended = target(
        "ann",
        TargetState(state),
        reason=reason,
        pull_state=TargetState.PARTLY_QUARANTINED,
        pull_reason="why",
        read=ReadState.READ,
    )
    told = of_targets([ended], START)
    assert [one.event.kind for one in told] == kinds
    assert told[0].event.data["reason"] == "why"
    counts = Counts()
    for one in told:
        counts = counts.add(one.target) if one.target else counts
    assert (counts.states, counts.read) == (states, 1)


@pytest.mark.parametrize(
    ("state", "reason", "kinds", "states"),
    [
        (
            "partly_restored",
            "restore_failed:x",
            ["quarantined", "partly_restored", "restore_failed"],
            {"partly_restored": 1},
        ),
        ("partly_restored", "asked_for_in_part", ["quarantined", "partly_restored"], {"partly_restored": 1}),
        ("restored", None, ["quarantined", "partly_restored", "restored"], {"restored": 1}),
    ],
)
def test_what_is_back_in_part_is_told_as_that_once_and_counted_once(
    state: str, reason: str | None, kinds: list[str], states: dict[str, Any]
) -> None:
    changes: dict[str, Any] = {"reason": reason, "partly_restored_at": START}
    told = of_targets([target("ann", TargetState(state), **changes)], START)
    assert [one.event.kind for one in told] == kinds
    counts = Counts()
    for one in told:
        counts = counts.add(one.target) if one.target else counts
    assert (counts.states, counts.read) == (states, 1)
    again = target("ann", TargetState.PARTLY_RESTORED, reason="restore_failed:y", partly_restored_at=START)
    assert of_targets([again], START)[1].event.id == told[1].event.id


def test_what_a_person_got_back_from_the_hidden_folder_is_counted_once_whatever_it_was() -> None:
    before = target("ann", TargetState.FAILED, reason="gave_up:x")
    back = target("ann", TargetState.RESTORED, pull_state=TargetState.FAILED, pull_reason="gave_up:x")
    stuck = target("ann", TargetState.FAILED, reason="restore_failed:y", pull_state=TargetState.FAILED)
    stuck = stuck.model_copy(update={"pull_reason": "gave_up:x"})
    (ended,) = of_targets([before], START)
    told = of_targets([back], START)
    assert told[0].event.id == ended.event.id == of_targets([stuck], START)[0].event.id
    assert [one.event.kind for one in told] == ["failed", "restored"]
    assert [one.event.kind for one in of_targets([stuck], START)] == ["failed", "restore_failed"]
    counts = Counts()
    for one in told:
        counts = counts.add(one.target) if one.target else counts
    assert counts.states == {"restored": 1}


def test_the_exposure_of_what_is_partly_pulled_has_no_end_yet() -> None:
    pulled = target(
        "ann",
        TargetState.PARTLY_QUARANTINED,
        reason="why",
        pull_state=TargetState.PARTLY_QUARANTINED,
        pull_reason="why",
        delivered_at=START,
    )
    (told,) = of_targets([pulled], START)
    assert "exposedSeconds" not in told.event.data or told.event.data["exposedSeconds"] is None


def test_no_fact_holds_personal_data() -> None:
    told = of_targets([target("ann", state) for state in TERMINAL], START)
    assert not any("contoso" in one.event.model_dump_json() for one in told)
