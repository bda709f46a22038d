import json
import logging

import pytest

from shared.pipeline.events import Event, emit


@pytest.mark.parametrize("event", Event)
def test_an_event_is_its_name_and_json(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clawback"):
        emit(event, stage="report", seconds=1.5, reason=None)

    (line,) = caplog.messages
    # As KQL takes it apart: parse_json(substring(Message, strlen(event) + 1)).
    assert line.startswith(event)
    assert json.loads(line[len(event) + 1 :]) == {"stage": "report", "seconds": 1.5, "reason": None}


def test_a_field_cannot_begin_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clawback"):
        emit(Event.DENIED, reason="a\ndenied {}")

    assert "\n" not in caplog.messages[0]


@pytest.mark.parametrize("event", [Event.DENIED, Event.MESSAGE_DEAD_LETTERED])
def test_what_needs_a_person_is_an_error(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clawback"):
        emit(event)

    assert caplog.records[0].levelno == logging.ERROR
