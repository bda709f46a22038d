"""Telemetry events: one line of log each, under a name that the alert rules use too.

The Functions host carries a worker's message text, not its `extra` fields, to Application Insights; so the fields
are JSON behind the name, which KQL takes apart with `parse_json(substring(Message, strlen(event) + 1))`.
"""

import json
import logging
from enum import StrEnum

from shared.names import EVENTS

_log = logging.getLogger("clawback")


class Event(StrEnum):
    """The events, from names.json, which the alert rules and the workbook in infra/bicep read too."""

    ALERT_ACCEPTED = EVENTS["alertAccepted"]
    ALERT_REJECTED = EVENTS["alertRejected"]
    CHUNK_CHANGED = EVENTS["chunkChanged"]
    DENIED = EVENTS["denied"]
    MESSAGE_DONE = EVENTS["messageDone"]
    MESSAGE_DEAD_LETTERED = EVENTS["messageDeadLettered"]
    MESSAGE_RETRIED = EVENTS["messageRetried"]
    PLAN_WAITS = EVENTS["planWaits"]
    PROBLEM = EVENTS["problem"]
    QUEUE_AGE = EVENTS["queueAge"]


_LEVELS = {
    Event.ALERT_REJECTED: logging.WARNING,
    Event.DENIED: logging.ERROR,
    Event.MESSAGE_DEAD_LETTERED: logging.ERROR,
    Event.PROBLEM: logging.WARNING,
}


def emit(event: Event, **fields: str | float | None) -> None:
    """Log the event. Fields are ids, codes and numbers: never a subject, an address or a body."""
    _log.log(_LEVELS.get(event, logging.INFO), "%s %s", event, json.dumps(fields, sort_keys=True))
