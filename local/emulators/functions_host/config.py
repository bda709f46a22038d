"""host.json, as far as this host supports it; and the bindings of functions.

A setting that is not supported is refused by name when the host starts: without that, it would have no effect here and
nobody would notice.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

FUNCTION_KEY_SETTING = "CLAWBACK_LOCAL_FUNCTION_KEY"
MASTER_KEY_SETTING = "CLAWBACK_LOCAL_MASTER_KEY"
"""Environment of the host's process: the keys that open its functions, and its `/admin`."""

_TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$")
_SETTING = re.compile(r"%([^%]+)%")

# The extension's defaults (architecture.md 3.3). newBatchThreshold: half the batch, for each core; here for one.
_QUEUE_DEFAULTS: dict[str, Any] = {
    "batchSize": 16,
    "newBatchThreshold": 8,
    "maxDequeueCount": 5,
    "visibilityTimeout": "00:00:00",
    "maxPollingInterval": "00:01:00",
    "messageEncoding": "base64",
}
# Flex Consumption's default is 30 minutes.
_FUNCTION_TIMEOUT = "00:30:00"
# These change only what Azure does around the app.
_WITHOUT_EFFECT = {"version", "extensionBundle", "logging", "telemetryMode"}


class HostError(Exception):
    """The app cannot be run by this host; the message says why."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues`: the same for every queue trigger."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta
    """How long a message stays hidden after its function failed."""
    max_polling_interval: timedelta
    base64: bool


@dataclass(frozen=True, slots=True)
class HostConfig:
    """host.json."""

    function_timeout: timedelta
    route_prefix: str
    queues: QueueSettings
    bundle: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the worker indexed it. `trigger` is its trigger's binding, with settings filled in."""

    name: str
    trigger: dict[str, Any]

    @property
    def kind(self) -> str:
        """`queueTrigger`, `timerTrigger` or `httpTrigger`."""
        return str(self.trigger["type"])


def read_host_json(path: Path) -> HostConfig:
    """The host's configuration.

    Raises:
        HostError: something in it is wrong, or is not supported here.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    _only(document, {*_WITHOUT_EFFECT, "functionTimeout", "extensions"}, "host.json")
    extensions = document.get("extensions", {})
    _only(extensions, {"queues", "http"}, "extensions")
    http = extensions.get("http", {})
    _only(http, {"routePrefix"}, "extensions.http")
    queues = extensions.get("queues", {})
    _only(queues, set(_QUEUE_DEFAULTS), "extensions.queues")
    return HostConfig(
        function_timeout=timespan(document.get("functionTimeout", _FUNCTION_TIMEOUT)),
        route_prefix=http.get("routePrefix", "api"),
        queues=_queues({**_QUEUE_DEFAULTS, **queues}),
        bundle=document.get("extensionBundle", {}).get("version", ""),
    )


def _queues(value: Mapping[str, Any]) -> QueueSettings:
    batch, threshold, dequeues = value["batchSize"], value["newBatchThreshold"], value["maxDequeueCount"]
    if not 1 <= batch <= 32:  # noqa: PLR2004 - the service hands out no more at once
        raise HostError(f"extensions.queues.batchSize: 1 to 32, not {batch}")
    if threshold < 0 or dequeues < 1:
        raise HostError("extensions.queues: newBatchThreshold is at least 0, maxDequeueCount at least 1")
    if value["messageEncoding"] not in {"base64", "none"}:
        raise HostError(f"extensions.queues.messageEncoding: base64 or none, not {value['messageEncoding']!r}")
    return QueueSettings(
        batch_size=batch,
        new_batch_threshold=threshold,
        max_dequeue_count=dequeues,
        visibility_timeout=timespan(value["visibilityTimeout"]),
        max_polling_interval=timespan(value["maxPollingInterval"]),
        base64=value["messageEncoding"] == "base64",
    )


def timespan(text: str) -> timedelta:
    """A .NET TimeSpan, `[d.]hh:mm:ss[.fffffff]`."""
    match = _TIMESPAN.match(text)
    if match is None:
        raise HostError(f"not a time span (hh:mm:ss): {text!r}")
    days, hours, minutes, seconds, fraction = match.groups()
    return timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((fraction or "").ljust(7, "0")[:6]),
    )


def read_function(name: str, bindings: list[dict[str, Any]], settings: Mapping[str, str]) -> Function:
    """A function from the bindings that its worker indexed.

    Raises:
        HostError: it has a binding that this host does not support, or names a setting that does not exist.
    """
    triggers = [binding for binding in bindings if str(binding["type"]).endswith("Trigger")]
    others = [binding["type"] for binding in bindings if binding not in triggers and binding["type"] != "http"]
    if len(triggers) != 1 or others:
        raise HostError(f"{name}: one trigger and an HTTP answer at most is what the local host runs, not {bindings}")
    trigger = triggers[0]
    if trigger["type"] not in {"queueTrigger", "timerTrigger", "httpTrigger"}:
        raise HostError(f"{name}: the local host has no {trigger['type']}")
    return Function(name, {key: _filled(value, settings, name) for key, value in trigger.items()})


def _filled(value: Any, settings: Mapping[str, str], where: str) -> Any:
    if not isinstance(value, str):
        return value

    def setting(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise HostError(f"{where}: there is no app setting {match[1]!r}")
        return settings[match[1]]

    return _SETTING.sub(setting, value)


def _only(value: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := value.keys() - known:
        raise HostError(f"{where}: the local host does not support {sorted(unknown)}")
