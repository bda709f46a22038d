"""The ingest stage on the fakes, from the webhook to the queue's side."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from functions.ingest_alert.authentication import signature
from functions.ingest_alert.handler import handle
from functions.ingest_alert.models import Deps, ReceiveDeps
from functions.ingest_alert.receive import receive
from shared.pipeline.payloads import IngestAlert
from shared.pipeline.stage import Outcome
from shared.settings import Settings
from tests.fakes.alerts import FakeAlerts
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import FakeQueue

D = TypeVar("D")

SECRET = "s3cret"
EVENTS = Path(__file__).parents[3] / "events"


def alert(number: str = "1", *message_ids: str, **changes: Any) -> dict[str, Any]:
    """An alert of Clawback's own format; each message has one recipient."""
    messages = [
        {"internetMessageId": f"<{m}@sender.example>", "recipients": ["ann@contoso.example"]}
        for m in message_ids or ("a",)
    ]
    return {"version": 1, "id": number, "messages": messages, **changes}


class Intake:
    """Webhook and queue side over one set of fakes."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.checkpoints = checkpoints or Checkpoints()
        self.now = FakeClock()
        self.alerts = FakeAlerts(self.checkpoints)
        self.incidents = FakeIncidents(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            webhook_secrets={"clawback": [SECRET, "old"], "proofpoint_tap": [SECRET]},
        )

    def provide(self, deps: type[D]) -> D:
        return deps(**{field.name: getattr(self, field.name) for field in fields(deps)})  # type: ignore[arg-type]  # every Deps is a dataclass

    async def post(self, body: bytes, source: str = "clawback", **headers: str) -> dict[str, Any]:
        """One request of a source that knows its secret, unless `headers` say otherwise."""
        stamp = str(int(self.now().timestamp()))
        proof = {
            "Clawback-Timestamp": stamp,
            "Clawback-Signature": signature(SECRET, stamp, body),
            "X-Clawback-Secret": SECRET,
        }
        return await receive(source, {**proof, **headers}, body, self.provide(ReceiveDeps))

    async def submit(self, document: Any, source: str = "clawback") -> IngestAlert:
        """Post, and the message that it led to."""
        await self.post(json.dumps(document).encode(), source)
        message = self.queue.sent[-1]
        assert isinstance(message, IngestAlert)
        return message

    async def handle(self, message: IngestAlert) -> Outcome:
        """One delivery of this message."""
        return await handle(message, self.provide(Deps))

    async def take(self, document: Any, source: str = "clawback") -> Outcome:
        """Post, and one delivery."""
        return await self.handle(await self.submit(document, source))
