import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.emulators.functions_host.config import HostError, read_function, read_host_json, timespan


def _write(path: Path, **document: Any) -> Path:
    file = path / "host.json"
    file.write_text(json.dumps({"version": "2.0", **document}), encoding="utf-8")
    return file


def test_the_defaults_are_those_of_the_extension(tmp_path: Path) -> None:
    config = read_host_json(_write(tmp_path))
    assert (config.queues.batch_size, config.queues.max_dequeue_count, config.queues.base64) == (16, 5, True)
    assert config.queues.visibility_timeout == timedelta(0)
    assert config.queues.max_polling_interval == timedelta(minutes=1)
    assert config.function_timeout == timedelta(minutes=30)
    assert config.route_prefix == "api"


@pytest.mark.parametrize(
    "document",
    [
        {"unknown": 1},
        {"extensions": {"blobs": {}}},
        {"extensions": {"queues": {"batchsize": 4}}},
        {"extensions": {"queues": {"batchSize": 33}}},
        {"extensions": {"queues": {"batchSize": 0}}},
        {"extensions": {"queues": {"newBatchThreshold": -1}}},
        {"extensions": {"queues": {"maxDequeueCount": 0}}},
        {"extensions": {"queues": {"messageEncoding": "hex"}}},
        {"extensions": {"queues": {"visibilityTimeout": "30"}}},
        {"extensions": {"http": {"maxConcurrentRequests": 4}}},
        {"functionTimeout": "-1"},
    ],
)
def test_a_setting_that_is_not_supported_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(HostError):
        read_host_json(_write(tmp_path, **document))


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:30", 30), ("01:02:03", 3723), ("1.00:00:00", 86400), ("00:00:00.5", 0.5)]
)
def test_time_spans(text: str, seconds: float) -> None:
    assert timespan(text).total_seconds() == seconds


def test_settings_are_filled_in() -> None:
    binding = {"type": "queueTrigger", "name": "m", "queueName": "%A%-%B%", "connection": "C"}
    function = read_function("f", [binding], {"A": "one", "B": "two"})
    assert function.trigger["queueName"] == "one-two"
    with pytest.raises(HostError, match="'B'"):
        read_function("f", [binding], {"A": "one"})


@pytest.mark.parametrize(
    "bindings",
    [
        [],
        [{"type": "blobTrigger", "name": "b"}],
        [{"type": "queueTrigger", "name": "m"}, {"type": "queue", "name": "out"}],
    ],
)
def test_bindings_that_are_not_supported_are_refused(bindings: list[dict[str, Any]]) -> None:
    with pytest.raises(HostError):
        read_function("f", bindings, {})
