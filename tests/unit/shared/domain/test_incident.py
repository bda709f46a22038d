from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batch import sent_size
from shared.domain.exposure import Counts
from shared.domain.ids import AlertId, IncidentId, PlanId
from shared.domain.incident import (
    MAX_ALERTS,
    Action,
    Incident,
    IncidentState,
    Plan,
    PlanCounts,
    PlanState,
    plan_id,
    unsearched,
)
from shared.domain.message import Message
from tests.fakes.clock import START

P = PlanState
A = Action


def an_incident(*decided: Action | None) -> Incident:
    """The header of a case with these alerts; None for one that is not decided."""
    return Incident(
        id=IncidentId("inc-1"),
        opened_at=START,
        alerts=len(decided),
        decided=sum(action is not None for action in decided),
        ignored=sum(action is Action.IGNORE for action in decided),
    )


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
        ([P.FINISHED, P.FINISHED], [A.AUTOMATIC], IncidentState.NOTHING_FOUND),
        ([P.FINISHED], [A.AUTOMATIC, A.IGNORE], IncidentState.NOTHING_FOUND),
    ],
)
def test_the_state_follows_plans_and_decisions(
    plans: list[PlanState], decided: list[Action | None], state: IncidentState
) -> None:
    planned = sum(action not in {None, A.IGNORE} for action in decided) if P.FINISHED in plans else 0
    incident = an_incident(*decided).changed(planned=planned)
    for plan_state in plans:
        incident = incident.with_plan(P.DRAFT, plan_state)

    assert incident.state is state
    closed = incident.changed(closed_at=START)
    assert closed.state is IncidentState.CLOSED


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"quarantined": 2, "not_found": 1, "gone_by_user": 1, "already_quarantined": 1}, IncidentState.CONTAINED),
        ({"not_found": 3}, IncidentState.NOTHING_FOUND),
        ({}, IncidentState.NOTHING_FOUND),
        ({"restored": 2, "not_found": 1}, IncidentState.UNDONE),
        ({"restored": 1, "quarantined": 1}, IncidentState.ATTENTION),
        ({"restored": 1, "denied": 1}, IncidentState.ATTENTION),
        *(
            ({"quarantined": 5, state: 1}, IncidentState.ATTENTION)
            for state in (
                "denied",
                "failed",
                "held",
                "mailbox_missing",
                "on_premises",
                "partly_quarantined",
                "partly_restored",
            )
        ),
    ],
)
def test_contained_is_said_only_if_nothing_is_left_where_a_person_can_open_it(
    states: dict[str, int], expected: IncidentState
) -> None:
    case = an_incident(A.AUTOMATIC).changed(planned=1, targets=sum(states.values())).with_plan(P.DRAFT, P.FINISHED)
    assert case.changed(counts=Counts(states=states)).state is expected


def test_targets_that_are_not_counted_yet_and_alerts_without_a_plan_are_not_over() -> None:
    case = an_incident(A.AUTOMATIC).changed(planned=1, targets=2).with_plan(P.DRAFT, P.FINISHED)
    counted = case.changed(counts=Counts(states={"quarantined": 2}))
    assert case.changed(counts=Counts(states={"quarantined": 1})).state is IncidentState.PULLING
    assert counted.state is IncidentState.CONTAINED
    assert counted.changed(alerts=2).state is IncidentState.OPEN


def test_a_closed_case_says_what_needed_attention() -> None:
    case = an_incident(A.AUTOMATIC).changed(counts=Counts(states={"denied": 2, "quarantined": 1}), closed_at=START)
    assert (case.state, case.needs_attention) == (IncidentState.CLOSED, {"denied": 2})


def test_a_plan_is_counted_in_the_state_that_it_is_in_and_a_draft_in_none() -> None:
    incident = an_incident(A.AUTOMATIC).with_plan(P.DRAFT, P.RUNNING).with_plan(P.DRAFT, P.AWAITING_APPROVAL)
    assert incident.plans == PlanCounts(awaiting_approval=1, running=1)
    assert incident.state is IncidentState.AWAITING_APPROVAL

    incident = incident.with_plan(P.AWAITING_APPROVAL, P.RUNNING)
    assert incident.plans == PlanCounts(running=2)
    incident = incident.with_plan(P.RUNNING, P.FINISHED)
    assert (incident.plans, incident.state) == (PlanCounts(running=1, finished=1), IncidentState.PULLING)
    incident = incident.with_plan(P.RUNNING, P.FINISHED).with_plan(P.FINISHED, P.FINISHED)
    assert (incident.plans, incident.state) == (PlanCounts(finished=2), IncidentState.OPEN)


@given(st.lists(st.lists(st.sampled_from(PlanState), min_size=1, max_size=4), max_size=6))
def test_counts_of_plans_are_those_of_their_states(plans: list[list[PlanState]]) -> None:
    incident = an_incident(A.AUTOMATIC)
    for states in plans:
        for before, after in pairwise([P.DRAFT, *states]):
            incident = incident.with_plan(before, after)
    now = Counter(states[-1] for states in plans)
    expected = PlanCounts(awaiting_approval=now[P.AWAITING_APPROVAL], running=now[P.RUNNING], finished=now[P.FINISHED])
    assert incident.plans == expected


@pytest.mark.parametrize(
    ("alerts", "decided", "ignored", "planned", "unplanned"),
    [(0, 0, 0, 0, False), (1, 0, 0, 0, True), (1, 1, 0, 0, True), (2, 2, 1, 1, False), (3, 2, 1, 1, True)],
)
def test_a_case_is_unplanned_while_an_alert_is_neither_in_a_plan_nor_ignored(
    alerts: int, decided: int, ignored: int, planned: int, *, unplanned: bool
) -> None:
    incident = an_incident().changed(alerts=alerts, decided=decided, ignored=ignored, planned=planned)
    assert incident.unplanned is unplanned


def a_plan(state: PlanState, *reasons: str) -> Plan:
    return Plan(
        id=PlanId("plan-1"),
        incident_id=IncidentId("inc-1"),
        alert_ids=(AlertId("alert-1"),),
        created_at=START,
        state=state,
        approval_reasons=reasons,
    )


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (a_plan(P.AWAITING_APPROVAL, "recipients_unknown: 1"), True),
        (a_plan(P.AWAITING_APPROVAL, "rule: r", "message_not_identified: 2"), True),
        (a_plan(P.AWAITING_APPROVAL, "rule: r"), False),
        (a_plan(P.RUNNING, "recipients_unknown: 1"), False),
        (a_plan(P.DRAFT), False),
    ],
)
def test_a_plan_that_could_not_search_is_unsearched_until_a_person_approves_it(plan: Plan, *, expected: bool) -> None:
    assert unsearched(plan) is expected


def test_the_same_alerts_lead_to_one_plan() -> None:
    one, two = AlertId("alert-1"), AlertId("alert-2")
    first = plan_id(IncidentId("inc-1"), (one,))
    assert first == plan_id(IncidentId("inc-1"), (one,))
    assert first != plan_id(IncidentId("inc-1"), (two,))
    assert first != plan_id(IncidentId("inc-2"), (one,))
    assert plan_id(IncidentId("inc-1"), (one, two)) == plan_id(IncidentId("inc-1"), (two, one)) != first


def test_the_header_has_the_same_size_whatever_the_case() -> None:
    small = Incident(id=IncidentId("inc-1"), opened_at=START, message=Message(subject="🐟" * 2_000))
    large = small.changed(alerts=MAX_ALERTS, decided=MAX_ALERTS, planned=MAX_ALERTS, unapproved_targets=10**6)
    assert sent_size(large.to_document()) < sent_size(small.to_document()) + 64 < 64_000
