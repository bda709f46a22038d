"""What the host finds in function_app.py, by role: names, triggers, routes, and who may call."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.names import POISON_SUFFIX, QUEUE_CONNECTION, QUEUES, Stage

ROOT = Path(__file__).parents[2]

ROUTES = {
    "receive_alert": ("POST", "alerts/{source}", "ANONYMOUS"),
    "list_incidents": ("GET", "incidents", "FUNCTION"),
    "show_incident": ("GET", "incidents/{incident_id}", "FUNCTION"),
    "export_activity": ("GET", "incidents/{incident_id}/activity.csv", "FUNCTION"),
    "list_of_incident": ("GET", "incidents/{incident_id}/lists/{name}", "FUNCTION"),
    "verify_chain": ("GET", "incidents/{incident_id}/verify-chain", "FUNCTION"),
    "approve_plan": ("POST", "incidents/{incident_id}/approve", "FUNCTION"),
    "look_again": ("POST", "incidents/{incident_id}/look-again", "FUNCTION"),
    "undo_pull": ("POST", "incidents/{incident_id}/undo", "FUNCTION"),
    "begin_health_check": ("POST", "health-checks", "FUNCTION"),
    "show_health_check": ("GET", "health-checks/{check_id}", "FUNCTION"),
    "list_hidden": ("POST", "hidden-lists", "FUNCTION"),
    "restore_hidden": ("POST", "hidden-restores", "FUNCTION"),
    "show_hidden": ("GET", "hidden/{asked_id}", "FUNCTION"),
    "close_incident": ("POST", "incidents/{incident_id}/close", "FUNCTION"),
    "show_pause": ("GET", "pause", "FUNCTION"),
    "pause": ("POST", "pause", "FUNCTION"),
    "resume": ("POST", "resume", "FUNCTION"),
}

TIMERS = {
    "quarantine_sweep": "0 * * * * *",
    "watch_sweep": "30 */5 * * * *",
    "alert_sweep": "0 */30 * * * *",
    "queue_age": "30 * * * * *",
}

_SCRIPT = """
import json, logging
logging.disable()
import function_app
found = {f.get_function_name(): [json.loads(b) for b in f.get_raw_bindings()] for f in function_app.app.get_functions()}
print(json.dumps(found))
"""

Bindings = dict[str, list[dict[str, Any]]]


def index(role: str | None) -> Bindings:
    """What a worker of this role finds, in a process of its own."""
    environment = {} if role is None else {"CLAWBACK_ROLE": role}
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    found: Bindings = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def pipeline() -> Bindings:
    return index("pipeline")


@pytest.fixture(scope="module")
def web() -> Bindings:
    return index("web")


def test_the_pipeline_has_queues_and_timers_and_no_way_in_from_outside(pipeline: Bindings) -> None:
    stages = {str(stage) for stage in Stage}
    assert set(pipeline) == stages | {f"{stage}_poison" for stage in stages} | set(TIMERS)
    assert {binding["type"] for bindings in pipeline.values() for binding in bindings} == {
        "queueTrigger",
        "timerTrigger",
    }


@pytest.mark.parametrize("stage", Stage)
def test_each_stage_has_its_queue_and_its_poison_queue(pipeline: Bindings, stage: Stage) -> None:
    for name, queue in ((stage, QUEUES[stage]), (f"{stage}_poison", QUEUES[stage] + POISON_SUFFIX)):
        (binding,) = pipeline[name]
        assert (binding["type"], binding["direction"]) == ("queueTrigger", "IN")
        assert (binding["queueName"], binding["connection"]) == (queue, QUEUE_CONNECTION)


def test_timers(pipeline: Bindings) -> None:
    assert {name: pipeline[name][0]["schedule"] for name in TIMERS} == TIMERS


def test_the_web_has_http_alone(web: Bindings) -> None:
    assert {binding["type"] for bindings in web.values() for binding in bindings} == {"httpTrigger", "http"}
    found = {name: (trigger["methods"], trigger["route"], trigger["authLevel"]) for name, (trigger, _) in web.items()}
    assert found == {name: ([method], route, level) for name, (method, route, level) in ROUTES.items()}


def test_only_the_webhook_authenticates_by_itself(web: Bindings) -> None:
    assert [name for name, (trigger, _) in web.items() if trigger["authLevel"] == "ANONYMOUS"] == ["receive_alert"]


def test_on_one_machine_both_are_one(pipeline: Bindings, web: Bindings) -> None:
    assert index("all") == {**pipeline, **web}


@pytest.mark.parametrize("role", [None, "", "webb", "Web", "ALL"])
def test_an_app_without_a_role_or_with_an_unknown_one_has_no_functions(role: str | None) -> None:
    assert index(role) == {}


def test_every_route_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    for method, route, _ in ROUTES.values():
        assert f"`{method} /api/{route}`" in page
