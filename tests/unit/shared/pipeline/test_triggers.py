import base64
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from pydantic import TypeAdapter

from shared.names import Stage
from shared.pipeline import triggers
from shared.pipeline.envelope import new_envelope
from shared.pipeline.payloads import ChangePause, HealthCheck, IncidentChanged, ReportMessage
from shared.pipeline.stage import Done, Outcome, RunnerDeps, StageOf
from tests.fakes.clock import FakeClock
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.queue import FakeQueue


@dataclass(frozen=True)
class Deps:
    """Nothing."""


async def no_such_message(message: HealthCheck | ChangePause) -> None:
    raise AssertionError(message)


class World:
    """The functions of a stage's blueprint, and the fakes behind them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.handled: list[Any] = []
        self.dead_letters = FakeDeadLetters()
        clock = FakeClock()
        runner = RunnerDeps(FakeQueue(now=clock), self.dead_letters, clock, no_such_message, no_such_message)
        provide = SimpleNamespace(provide=lambda kind: runner if kind is RunnerDeps else kind())
        monkeypatch.setattr(triggers, "services", lambda: provide)

        async def handle(message: Any, deps: Deps) -> Outcome:
            self.handled.append(message)
            return Done()

        app = func.FunctionApp()
        app.register_functions(triggers.queue_triggers(StageOf(Stage.REPORT, TypeAdapter(ReportMessage), handle, Deps)))
        self.functions = {function.get_function_name(): function for function in app.get_functions()}

    def call(self, name: str) -> Callable[..., Any]:
        user: Callable[..., Any] = self.functions[name].get_user_function()
        return user


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_stage_has_its_queue_and_its_poison_queue(world: World) -> None:
    triggers_of = {name: function.get_trigger() for name, function in world.functions.items()}
    bound = {name: trigger.get_dict_repr() for name, trigger in triggers_of.items() if trigger is not None}

    assert {name: (b["queueName"], b["connection"]) for name, b in bound.items()} == {
        "report": ("report", "PipelineStorage"),
        "report_poison": ("report-poison", "PipelineStorage"),
    }
    assert all(b["type"] == "queueTrigger" for b in bound.values())


async def test_a_message_is_handled(world: World) -> None:
    payload = IncidentChanged(incident_id="inc-1")
    envelope = new_envelope(payload, correlation_id="inc-1", now=FakeClock().now)

    await world.call("report")(message=func.QueueMessage(id="1", body=envelope.model_dump_json()))

    assert world.handled == [payload]


async def test_poison_is_dead_lettered_whatever_it_is(world: World) -> None:
    await world.call("report_poison")(message=func.QueueMessage(id="1", body=b"\xff\x00"))

    (letter,) = world.dead_letters.messages.values()
    assert (letter.message_id, base64.b64decode(letter.body), letter.reason) == ("1", b"\xff\x00", "poison")
    assert world.handled == []
