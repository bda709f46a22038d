import json
from typing import Any

import pytest

from functions.report.api.commands import approve, look_again, undo
from functions.report.api.models import ApproveDeps, CommandDeps
from shared.domain.exposure import Counts
from shared.domain.ids import AlertId, IncidentId, PlanId, TargetId
from shared.domain.incident import AlertStep, Incident, PlanState
from shared.domain.target import TargetState
from shared.domain.undone import UndoClass
from shared.errors import NotFoundError
from shared.pipeline.envelope import MAX_BODY, new_envelope
from shared.pipeline.payloads import ApprovePlan, LookAgain, RestoreChunk, UndoPull
from shared.policy import FourEyes, Mode, Policy
from shared.web.command_body import MAX_TARGETS
from shared.web.problems import Problem
from tests.fakes.clock import START
from tests.unit.functions.report.case import CHUNK, INCIDENT, PLAN, Case, alert_link, incident, plan, target
from tests.unit.shared.web.test_sign_in import role

APPROVAL = {"planId": PLAN, "planHash": "hash-1", "by": "ann", "reason": "looked at it"}
CLASSES = ["false_positive", "mistake", "other"]

WHY = {"by": "ann", "reason": "our newsletter", "class": "false_positive"}
ALL = {"all": True, "count": 0, **WHY}
WAITING = plan(1, PlanState.AWAITING_APPROVAL)


def _deps_of(command: Any) -> type[Any]:
    return ApproveDeps if command is approve else CommandDeps


async def refused(command: Any, case: Case, **body: Any) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        await command(INCIDENT, {}, json.dumps(body).encode(), case.provide(_deps_of(command)))
    assert case.queue.sent == []
    found = caught.value.body
    return {**found, "type": found["type"].removeprefix("urn:clawback:problem:")}


async def test_an_approval_is_queued() -> None:
    case = await Case().keep(WAITING)
    answer = await approve(INCIDENT, {}, json.dumps(APPROVAL).encode(), case.provide(ApproveDeps))
    assert case.queue.sent == [
        ApprovePlan(
            incident_id=INCIDENT,
            plan_id=PLAN,
            plan_hash="hash-1",
            command_id=answer["commandId"],
            by="ann",
            at=START,
            reason="looked at it",
        )
    ]


@pytest.mark.parametrize(
    ("change", "status", "slug"),
    [
        ({"planHash": "hash-2"}, 409, "plan-differs"),
        ({"planId": "plan-9"}, 404, "unknown-plan"),
        ({"planId": None}, 422, "wrong-shape"),
        ({"planId": ""}, 422, "wrong-shape"),
        ({"planId": "plan-1/../cmd-1"}, 422, "wrong-shape"),
        ({"planId": "plan-1?x"}, 422, "wrong-shape"),
        ({"planId": "p" * 65}, 422, "wrong-shape"),
        ({"by": None}, 422, "nobody-asks"),
        ({"by": "\u202e"}, 422, "wrong-shape"),
    ],
)
async def test_an_approval_of_something_else(change: dict[str, Any], status: int, slug: str) -> None:
    found = await refused(approve, await Case().keep(WAITING), **{**APPROVAL, **change})
    assert (found["status"], found["type"]) == (status, slug)


@pytest.mark.parametrize("state", [PlanState.RUNNING, PlanState.FINISHED])
async def test_a_plan_that_waits_for_nobody(state: PlanState) -> None:
    found = await refused(approve, await Case().keep(plan(1, state)), **APPROVAL)
    assert (found["status"], found["type"], found["detail"]) == (409, "plan-not-waiting", f"It is {state}.")


async def test_nothing_is_approved_in_a_closed_case() -> None:
    case = await Case().keep(WAITING, header=incident(closed_at=START, closed_by="bob"))
    assert (await refused(approve, case, **APPROVAL))["type"] == "incident-closed"


CLOSED = incident(closed_at=START, closed_by="bob", counts=Counts(states={"quarantined": 2, "not_found": 5}))


async def pulled(header: Incident = CLOSED) -> Case:
    targets = [target(name, TargetState.QUARANTINED) for name in ("ann", "bob")]
    return await Case().keep(plan(2, PlanState.FINISHED), chunks=[targets], header=header)


@pytest.mark.parametrize("targets", [["target-ann"], ["target-bob", "target-ann", "target-bob"]])
async def test_an_undo_is_queued_also_for_a_closed_case(targets: list[str]) -> None:
    case = await pulled()
    body = json.dumps({"targets": targets, **WHY}).encode()
    answer = await undo(INCIDENT, {}, body, case.provide(CommandDeps))
    (message,) = case.queue.sent
    assert isinstance(message, UndoPull)
    assert (message.command_id, message.by, message.at) == (answer["commandId"], "ann", START)
    assert (message.targets, message.all, message.takes_all) == (tuple(dict.fromkeys(targets)), False, False)
    assert (message.reason, message.undo_class) == ("our newsletter", UndoClass.FALSE_POSITIVE)


async def test_an_undo_of_all_names_how_many_can_be_put_back_now() -> None:
    case = await pulled()
    body = json.dumps({"all": True, "count": 2, **WHY}).encode()
    await undo(INCIDENT, {}, body, case.provide(CommandDeps))
    (message,) = case.queue.sent
    assert isinstance(message, UndoPull)
    assert (message.targets, message.all, message.takes_all) == ((), True, True)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_an_undo_of_all_with_another_count_is_refused_with_the_current_one(count: int) -> None:
    found = await refused(undo, await pulled(), all=True, count=count, **WHY)
    assert (found["status"], found["type"], found["count"]) == (409, "count-differs", 2)
    assert found["detail"] == f"2 can be put back now, not {count}. Look again."


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ({}, {"path": "$", "kind": "targets_or_all"}),
        ({"targets": []}, {"path": "targets", "kind": "too_short"}),
        ({"targets": [], "all": True, "count": 2}, {"path": "targets", "kind": "too_short"}),
        ({"targets": None}, {"path": "$", "kind": "targets_or_all"}),
        ({"all": False}, {"path": "$", "kind": "targets_or_all"}),
        ({"targets": ["target-ann"], "all": True, "count": 2}, {"path": "$", "kind": "targets_or_all"}),
        ({"all": True}, {"path": "$", "kind": "count_with_all"}),
        ({"all": True, "count": -1}, {"path": "count", "kind": "greater_than_equal"}),
        ({"all": True, "count": "2"}, {"path": "count", "kind": "int_type"}),
        ({"all": 1, "count": 2}, {"path": "all", "kind": "bool_type"}),
        ({"targets": ["target-ann"], "count": 1}, {"path": "$", "kind": "count_with_all"}),
    ],
    ids=str,
)
async def test_an_empty_selection_never_means_all(body: dict[str, Any], mistake: dict[str, Any]) -> None:
    found = await refused(undo, await pulled(), **body, **WHY)
    assert (found["status"], found["type"], found["errors"]) == (422, "wrong-shape", [mistake])


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"reason": None}, {"path": "reason", "kind": "string_type"}),
        ({"reason": ""}, {"path": "reason", "kind": "blank"}),
        ({"reason": " \u202e\n"}, {"path": "reason", "kind": "blank"}),
        ({"class": None}, {"path": "class", "kind": "enum", "allowed": CLASSES}),
        ({"class": "sabotage"}, {"path": "class", "kind": "enum", "allowed": CLASSES}),
    ],
    ids=str,
)
async def test_reason_and_class_of_an_undo_are_mandatory(change: dict[str, Any], mistake: dict[str, Any]) -> None:
    found = await refused(undo, await pulled(), **{"targets": ["target-ann"], **WHY, **change})
    assert (found["status"], found["type"], found["errors"]) == (422, "wrong-shape", [mistake])
    without = {key: value for key, value in WHY.items() if key not in change}
    found = await refused(undo, await pulled(), targets=["target-ann"], **without)
    assert found["errors"] == [{"path": next(iter(change)), "kind": "missing"}]


@pytest.mark.parametrize("targets", [None, ["target-ann"]])
async def test_another_look_is_queued_for_all_or_for_those_that_are_named(targets: list[str] | None) -> None:
    case = await pulled(header=incident())
    named = {} if targets is None else {"targets": targets}
    body = json.dumps({"by": "ann", "reason": "it came late", **named}).encode()
    answer = await look_again(INCIDENT, {}, body, case.provide(CommandDeps))
    (message,) = case.queue.sent
    assert isinstance(message, LookAgain)
    assert (message.command_id, message.by, message.reason) == (answer["commandId"], "ann", "it came late")
    assert message.targets == (None if targets is None else tuple(targets))


async def test_another_look_at_nothing_or_at_what_is_not_there_is_refused() -> None:
    case = await pulled(header=incident())
    assert (await refused(look_again, case, targets=[], by="ann"))["type"] == "wrong-shape"
    assert (await refused(look_again, case, targets=["target-x"], by="ann"))["type"] == "unknown-target"
    assert (await refused(look_again, await pulled(), by="ann"))["type"] == "incident-closed"


async def test_targets_that_the_incident_does_not_have() -> None:
    found = await refused(undo, await pulled(), targets=["target-ann", "<script>"], **WHY)
    assert (found["status"], found["type"]) == (422, "unknown-target")
    assert found["errors"] == [{"path": "targets.1", "kind": "unknown_target"}]
    assert "script" not in json.dumps(found)


async def test_as_many_targets_as_a_command_may_name_fit_a_queue_message() -> None:
    targets = tuple(TargetId(f"target-{n:026}") for n in range(MAX_TARGETS))
    restore = RestoreChunk(incident_id=INCIDENT, chunk_id=CHUNK, targets=targets, command_id="c" * 40)
    ask = UndoPull(
        incident_id=INCIDENT, targets=targets, command_id="c" * 40, by="ü" * 128, at=START, reason="ü" * 1000
    )
    for message in (restore, ask):
        body = new_envelope(message, correlation_id=INCIDENT, now=START).model_dump_json(exclude_none=True)
        assert len(body.encode()) <= MAX_BODY
    found = await refused(undo, await pulled(), targets=[*targets, "target-x"], **WHY)
    assert found["type"] == "wrong-shape"


@pytest.mark.parametrize("command", [approve, undo])
async def test_no_such_incident(command: Any) -> None:
    body = json.dumps(APPROVAL if command is approve else ALL).encode()
    with pytest.raises(NotFoundError):
        await command(IncidentId("inc-9"), {}, body, Case().provide(_deps_of(command)))


async def test_a_body_cannot_say_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    case = await Case().keep(WAITING)
    headers = {"x-ms-client-principal-name": "real@contoso.example", **role("Responder")}
    await approve(INCIDENT, headers, json.dumps(APPROVAL).encode(), case.provide(ApproveDeps))
    (message,) = case.queue.sent
    assert isinstance(message, ApprovePlan)
    assert message.by == "real@contoso.example"
    assert message.plan_id == PlanId(PLAN)


async def test_everything_is_not_put_back_while_something_may_still_be_pulled() -> None:
    case = await Case().keep(alert_link(AlertStep.DECIDED))
    found = await refused(undo, case, **ALL)
    assert (found["status"], found["type"]) == (409, "not-planned-yet")

    undecided = alert_link(AlertStep.JOINED, id=AlertId("alert-2"), decision=None)
    case = await Case().keep(alert_link(), undecided, plan(1))
    assert (await refused(undo, case, **ALL))["type"] == "not-planned-yet"


async def test_an_alert_that_has_just_joined_counts_although_the_header_does_not_know_it() -> None:
    case = await Case().keep(plan(1))
    late = alert_link(AlertStep.JOINED, id=AlertId("alert-2"), decision=None)
    await case.incidents.join(late, [], [])
    assert (await refused(undo, case, **ALL))["type"] == "not-planned-yet"


async def test_a_draft_cannot_be_approved() -> None:
    draft = plan(0, PlanState.DRAFT, hash="", planned_at=None)
    case = await Case().keep(alert_link(AlertStep.PLANNED), draft)
    found = await refused(approve, case, **{**APPROVAL, "planHash": ""})
    assert (found["status"], found["type"], found["detail"]) == (409, "plan-not-waiting", "It is draft.")


async def test_of_a_closed_case_everything_may_always_be_put_back() -> None:
    case = await Case().keep(alert_link(AlertStep.DECIDED), header=incident(closed_at=START))
    await undo(INCIDENT, {}, json.dumps(ALL).encode(), case.provide(CommandDeps))
    assert len(case.queue.sent) == 1


async def test_where_policy_lets_the_installation_only_plan_an_approval_is_refused() -> None:
    case = await Case().keep(WAITING)
    case.policy = Policy(version=1, rules=(), mode=Mode.OBSERVE)
    found = await refused(approve, case, **APPROVAL)
    assert (found["status"], found["type"]) == (409, "observing")


async def approved(case: Case, by: str) -> dict[str, str]:
    return await approve(INCIDENT, {}, json.dumps({**APPROVAL, "by": by}).encode(), case.provide(ApproveDeps))


async def test_where_policy_wants_two_people_the_answer_says_which_of_them_this_is() -> None:
    four_eyes = FourEyes(targets_above=0)
    case = await Case().keep(WAITING, header=incident(targets=1))
    case.policy = Policy(version=1, rules=(), four_eyes=four_eyes)
    assert (await approved(case, "ann"))["approval"] == "first_of_two"

    first = {"first_approved_by": "Ann", "first_approved_at": START}
    case = await Case().keep(WAITING.model_copy(update=first), header=incident(targets=1))
    case.policy = Policy(version=1, rules=(), four_eyes=four_eyes)
    found = await refused(approve, case, **APPROVAL)
    assert (found["status"], found["type"]) == (409, "same-person")
    assert (await approved(case, "bob"))["approval"] == "second_of_two"


async def test_where_one_person_is_enough_the_answer_says_nothing_of_two() -> None:
    assert set(await approved(await Case().keep(WAITING), "ann")) == {"commandId"}
