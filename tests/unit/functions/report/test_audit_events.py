from datetime import timedelta
from typing import Any

import pytest

from functions.report.audit_events import of_incident, of_targets
from shared.domain.exposure import Counts
from shared.domain.incident import Command, PlanState
from shared.domain.target import TERMINAL, TargetState
from tests.fakes.clock import START
from tests.unit.functions.report.case import incident, plan, target


def test_an_incident_tells_its_story_in_order() -> None:
    told = of_incident(
        incident(
            plan(2, PlanState.RUNNING, approved_by="ann", approved_at=START + timedelta(seconds=5)),
            commands=(
                Command(id="cmd-2", kind="undo_pull", by="bob", at=START + timedelta(seconds=7), targets=("t",)),
                Command(id="cmd-1", kind="approve_plan", by="ann", at=START + timedelta(seconds=4), reason="sure"),
            ),
            closed_at=START + timedelta(seconds=9),
            closed_by="ann",
        )
    )
    assert [(one.fact.kind, one.fact.actor) for one in told] == [
        ("opened", "clawback"),
        ("alert_joined", "source:clawback"),
        ("decided", "policy:known bad"),
        ("planned", "clawback"),
        ("approve_plan_asked", "ann"),
        ("approved", "ann"),
        ("undo_pull_asked", "bob"),
        ("closed", "ann"),
    ]
    assert told[4].fact.data == {"about": "cmd-1", "reason": "sure"}
    assert told[6].fact.data == {"about": "cmd-2", "reason": "", "targets": ["t"]}
    assert all(one.counts is None for one in told)


def test_what_has_not_happened_is_not_told() -> None:
    assert [one.fact.kind for one in of_incident(incident(alerts=()))] == ["opened"]


def test_ids_depend_on_what_happened_and_on_nothing_else() -> None:
    first = [one.fact.id for one in of_incident(incident(plan(2)))]
    again = [one.fact.id for one in of_incident(incident(plan(2), title="Other"))]
    assert first == again
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("state", [TargetState.PLANNED, TargetState.LOCATED, TargetState.RESTORING])
def test_what_is_not_over_is_not_told(state: TargetState) -> None:
    assert of_targets([target("ann", state)], START) == []


@pytest.mark.parametrize("state", sorted(TERMINAL - {TargetState.QUARANTINED, TargetState.RESTORED}))
def test_each_end_is_told_once_and_counted(state: TargetState) -> None:
    (told,) = of_targets([target("ann", state, reason="why")], START)
    assert (told.fact.kind, told.fact.at, told.fact.target_id) == (state, START, "target-ann")
    assert told.fact.data == {"planId": "plan-1", "reason": "why"}
    assert told.counts is not None
    assert Counts().add(told.counts).states == {state: 1}


def test_the_proof_of_a_pull() -> None:
    (told,) = of_targets([target("ann", TargetState.QUARANTINED)], START + timedelta(days=1))
    assert told.fact.at == START + timedelta(seconds=1)
    assert told.fact.data == {
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
    assert [one.fact.kind for one in told] == kinds
    counts = Counts()
    for one in told:
        counts = counts.add(one.counts) if one.counts else counts
    assert (counts.states, counts.read, counts.exposed_seconds) == (states, 1, 60)
    # The pull is the same fact, whenever it is told.
    assert told[0].fact == of_targets([target("ann", TargetState.QUARANTINED)], START)[0].fact


def test_no_fact_holds_personal_data() -> None:
    told = of_targets([target("ann", state) for state in TERMINAL], START)
    assert not any("contoso" in one.fact.model_dump_json() for one in told)
