import pytest

from shared.domain.alert import Severity, ThreatType
from shared.domain.ids import AlertId, IncidentId, PlanId
from shared.domain.incident import (
    Action,
    AlertLink,
    Decision,
    Incident,
    IncidentState,
    Plan,
    PlanState,
    Priority,
    plan_id,
)
from tests.fakes.clock import START

P = PlanState
A = Action


def a_plan(number: int, state: PlanState) -> Plan:
    return Plan(
        id=PlanId(f"plan-{number}"),
        alert_id=AlertId("alert-1"),
        hash="0" * 64,
        manifest="plans/1",
        targets=1,
        mailboxes=1,
        chunks=1,
        state=state,
        planned_at=START,
    )


def an_incident(*decided: Action | None) -> Incident:
    links = [
        AlertLink(
            id=AlertId(f"alert-{number}"),
            source="test",
            received_at=START,
            severity=Severity.HIGH,
            threat_type=ThreatType.PHISH,
            decision=action and Decision(action=action, rule="r", priority=Priority(score=1), at=START),
        )
        for number, action in enumerate(decided)
    ]
    return Incident(id=IncidentId("inc-1"), opened_at=START, alerts=tuple(links))


@pytest.mark.parametrize(
    ("plans", "decided", "state"),
    [
        ([], [], IncidentState.OPEN),
        ([], [None], IncidentState.OPEN),
        ([], [A.IGNORE, None], IncidentState.OPEN),
        ([], [A.IGNORE, A.AUTOMATIC], IncidentState.OPEN),
        ([], [A.IGNORE, A.IGNORE], IncidentState.IGNORED),
        ([P.AWAITING_APPROVAL], [A.NEEDS_APPROVAL], IncidentState.AWAITING_APPROVAL),
        ([P.RUNNING, P.AWAITING_APPROVAL], [A.AUTOMATIC], IncidentState.AWAITING_APPROVAL),
        ([P.RUNNING, P.FINISHED], [A.AUTOMATIC], IncidentState.PULLING),
        ([P.FINISHED, P.FINISHED], [A.AUTOMATIC], IncidentState.CONTAINED),
        ([P.FINISHED], [A.AUTOMATIC, A.IGNORE], IncidentState.CONTAINED),
    ],
)
def test_the_state_follows_plans_and_decisions(
    plans: list[PlanState], decided: list[Action | None], state: IncidentState
) -> None:
    incident = an_incident(*decided).with_state()
    for number, plan_state in enumerate(plans):
        incident = incident.with_plan(a_plan(number, plan_state))

    assert incident.state is state
    closed = incident.model_copy(update={"closed_at": START}).with_state()
    assert closed.state is IncidentState.CLOSED


def test_a_plans_newer_self_takes_its_place() -> None:
    incident = an_incident(A.AUTOMATIC).with_plan(a_plan(1, P.RUNNING)).with_plan(a_plan(2, P.RUNNING))

    incident = incident.with_plan(a_plan(1, P.FINISHED))

    assert {plan.id: plan.state for plan in incident.plans} == {"plan-1": P.FINISHED, "plan-2": P.RUNNING}
    assert incident.plan(PlanId("plan-1")) == a_plan(1, P.FINISHED)
    assert incident.plan(PlanId("plan-3")) is None


def test_alerts_are_found_by_id() -> None:
    incident = an_incident(None, None)

    assert incident.alert(AlertId("alert-1")) == incident.alerts[1]
    assert incident.alert(AlertId("alert-9")) is None


def test_one_alert_leads_to_one_plan() -> None:
    first = plan_id(IncidentId("inc-1"), AlertId("alert-1"))
    assert first == plan_id(IncidentId("inc-1"), AlertId("alert-1"))
    assert first != plan_id(IncidentId("inc-1"), AlertId("alert-2"))
    assert first != plan_id(IncidentId("inc-2"), AlertId("alert-1"))
