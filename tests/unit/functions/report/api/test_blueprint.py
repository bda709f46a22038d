"""HTTP triggers: translate, call, answer."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import azure.functions as func
import pytest

from functions.report.api import blueprint
from shared.domain.incident import PlanState
from shared.domain.target import TargetState
from tests.unit.functions.report.case import INCIDENT, PLAN, Case, plan, target

Trigger = Callable[[func.HttpRequest], Coroutine[Any, Any, func.HttpResponse]]


@pytest.fixture
async def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    case = await Case().keep(
        plan(1, PlanState.AWAITING_APPROVAL), chunks=[[target("ann", TargetState.QUARANTINED, subject="=1+1")]]
    )
    monkeypatch.setattr(blueprint, "services", lambda: case)
    return case


async def call(trigger: Any, body: bytes = b"", incident_id: str = INCIDENT, **params: str) -> func.HttpResponse:
    request = func.HttpRequest(
        method="POST" if body else "GET",
        url="https://web.example.com/api/x",
        params=params,
        route_params={"incident_id": incident_id},
        body=body,
    )
    user: Trigger = trigger.build().get_user_function()
    return await user(request)


async def test_reads(case: Case) -> None:
    listed = await call(blueprint.list_incidents, top="1")
    assert (listed.status_code, listed.mimetype) == (200, "application/json")
    assert [one["id"] for one in json.loads(listed.get_body())["incidents"]] == [INCIDENT]
    shown = await call(blueprint.show_incident)
    assert json.loads(shown.get_body())["targets"][0]["id"] == "target-ann"
    assert json.loads((await call(blueprint.verify_chain)).get_body())["intact"]


async def test_the_csv_is_to_be_saved_and_not_sniffed(case: Case) -> None:
    answer = await call(blueprint.export_activity)
    assert answer.mimetype == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Link" not in answer.headers
    assert b"'=1+1" in answer.get_body()


@pytest.mark.parametrize(
    ("trigger", "body"),
    [
        (blueprint.close_incident, {"by": "ann"}),
        (blueprint.undo_pull, {"by": "ann", "targets": ["target-ann"], "reason": "ours", "class": "mistake"}),
        (blueprint.approve_plan, {"by": "ann", "planId": PLAN, "planHash": "hash-1"}),
    ],
)
async def test_commands_are_accepted(case: Case, trigger: Any, body: dict[str, str]) -> None:
    answer = await call(trigger, json.dumps(body).encode())
    (sent,) = case.queue.sent
    assert answer.status_code == 202
    assert json.loads(answer.get_body()) == {"commandId": vars(sent)["command_id"]}


@pytest.mark.parametrize("incident_id", ["inc-9", "../alerts", "x" * 5000])
@pytest.mark.parametrize(
    "trigger", [blueprint.show_incident, blueprint.export_activity, blueprint.verify_chain, blueprint.close_incident]
)
async def test_no_such_incident(case: Case, trigger: Any, incident_id: str) -> None:
    answer = await call(trigger, b'{"by": "ann"}', incident_id)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert incident_id not in answer.get_body().decode()
