"""The age of each queue is told, empty ones too."""

import json

import pytest

from functions.report.watch import WatchDeps, watch
from shared.names import Stage
from shared.pipeline.events import Event
from shared.pipeline.payloads import IncidentChanged
from tests.fakes.clock import FakeClock
from tests.fakes.queue import FakeQueue


async def test_the_age_of_every_queue_is_told(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    queue = FakeQueue(now=clock)
    await queue.send(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1")
    clock.advance(400)

    with caplog.at_level("INFO", logger="clawback"):
        await watch(WatchDeps(queue))

    told = [json.loads(line.removeprefix(f"{Event.QUEUE_AGE} ")) for line in caplog.messages]
    assert {one["stage"]: one["seconds"] for one in told} == {**dict.fromkeys(Stage, 0), Stage.REPORT: 400}
