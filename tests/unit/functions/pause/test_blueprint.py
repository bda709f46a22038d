"""HTTP triggers of pause and resume."""

import json
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions.pause import blueprint
from functions.pause.models import PauseDeps
from shared.names import WEB_SENDS_TO
from shared.settings import SIGN_IN
from tests.fakes.clock import FakeClock
from tests.fakes.queue import FakeQueue
from tests.fakes.tenant import FakeTenant


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> FakeQueue:
    queue = FakeQueue()
    deps = PauseDeps(tenant=FakeTenant(), queue=queue, now=FakeClock())
    monkeypatch.setattr(blueprint, "services", lambda: SimpleNamespace(provide=lambda _: deps))
    return queue


async def call(trigger: Any, body: bytes = b"") -> func.HttpResponse:
    request = func.HttpRequest(method="POST" if body else "GET", url="https://web.example.com/api/pause", body=body)
    answer: func.HttpResponse = await trigger.build().get_user_function()(request)
    return answer


@pytest.mark.parametrize(("trigger", "paused"), [(blueprint.pause, True), (blueprint.resume, False)])
async def test_a_command_is_accepted_when_it_is_durable(queue: FakeQueue, trigger: Any, *, paused: bool) -> None:
    answer = await call(trigger, b'{"by": "ann", "reason": "r"}')
    assert answer.status_code == 202
    told = {(vars(sent)["command_id"], vars(sent)["paused"]) for sent in queue.sent}
    assert told == {(json.loads(answer.get_body())["commandId"], paused)}
    assert len(queue.sent) == len(WEB_SENDS_TO)


@pytest.mark.usefixtures("queue")
async def test_it_is_shown_to_readers() -> None:
    answer = await call(blueprint.show_pause)
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"paused": False, "changes": []})


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("trigger", [blueprint.show_pause, blueprint.pause, blueprint.resume])
async def test_nobody_who_is_not_signed_in_sees_or_changes_it(trigger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN, "required")
    answer = await call(trigger, b'{"by": "ann", "reason": "r"}')
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
