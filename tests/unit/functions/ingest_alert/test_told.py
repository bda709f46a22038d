"""What operators are told about each body that came in: ids and numbers, nothing of what is in it."""

import json

import pytest

from functions.ingest_alert.authentication import signature
from functions.ingest_alert.models import ReceiveDeps
from functions.ingest_alert.receive import receive
from shared.pipeline.events import Event
from shared.settings import Settings
from shared.web.problems import Problem
from tests.fakes.clock import FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.queue import FakeQueue

SECRET = "s"
ALERT = {
    "version": 1,
    "id": "vendor-1",
    "threatType": "phish",
    "severity": "high",
    "messages": [{"internetMessageId": "<a@evil.example>", "recipients": ["ann@contoso.example"]}],
}


async def post(body: bytes) -> None:
    clock = FakeClock()
    settings = Settings(
        queue_service="https://queue.example.com",
        blob_service="https://blob.example.com",
        cosmos_endpoint="https://cosmos.example.com",
        webhook_secrets={"clawback": [SECRET]},
    )
    timestamp = str(int(clock().timestamp()))
    headers = {"Clawback-Timestamp": timestamp, "Clawback-Signature": signature(SECRET, timestamp, body)}
    await receive("clawback", headers, body, ReceiveDeps(settings, FakeEvidence(), FakeQueue(now=clock), clock))


def told(caplog: pytest.LogCaptureFixture, event: Event) -> dict[str, object]:
    (line,) = (line for line in caplog.messages if line.startswith(f"{event} "))
    fields: dict[str, object] = json.loads(line.removeprefix(f"{event} "))
    return fields


async def test_an_accepted_body_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="clawback"):
        await post(json.dumps(ALERT).encode())

    fields = told(caplog, Event.ALERT_ACCEPTED)
    assert fields.pop("receipt")
    assert fields == {"source": "clawback", "events": 1}
    assert "contoso" not in caplog.text


@pytest.mark.parametrize(("body", "reason"), [(b"{", "malformed-json"), (b'{"version": 2}', "wrong-shape")])
async def test_a_rejected_body_is_told(body: bytes, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="clawback"), pytest.raises(Problem):
        await post(body)

    fields = told(caplog, Event.ALERT_REJECTED)
    assert fields["source"] == "clawback"
    assert str(fields["reason"]).endswith(reason)
    # What was kept can be found by it.
    assert len(str(fields["digest"])) == 64
