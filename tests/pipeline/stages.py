"""All stages on the fakes: messages are delivered as a Storage Queue and its host would, or worse."""

import hmac
import json
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter

from functions.enrich.handler import handle as enrich
from functions.enrich.models import Deps as EnrichDeps
from functions.expand_recipients.handler import handle as expand
from functions.expand_recipients.models import Deps as ExpandDeps
from functions.ingest_alert.handler import handle as ingest
from functions.ingest_alert.models import Deps as IngestDeps
from functions.ingest_alert.models import ReceiveDeps
from functions.ingest_alert.receive import receive
from functions.quarantine.handler import handle as quarantine
from functions.quarantine.models import Deps as QuarantineDeps
from functions.quarantine.sweep import SweepDeps, sweep
from functions.report.chain import check
from functions.report.handler import handle as report
from functions.report.models import Deps as ReportDeps
from functions.report.models import Verification
from shared.domain.target import Target
from shared.names import Stage
from shared.pipeline.pause import change_pause
from shared.pipeline.payloads import (
    ChangePause,
    EnrichAlerts,
    ExpandRecipients,
    HealthCheck,
    IngestAlert,
    QuarantineMessage,
    ReportMessage,
)
from shared.pipeline.stage import Delivery, RunnerDeps, StageOf, run
from shared.policy import Policy
from shared.policy.people import PolicyPeople
from shared.settings import Settings
from tests.fakes.activity import FakeActivity
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.queue import Sent
from tests.unit.functions.tenant import AUTOMATIC, DELIVERED, LEASE_SECONDS, MESSAGE_ID, SENDER, Tenant

D = TypeVar("D")

SECRET = "s3cret"

STAGES: dict[Stage, StageOf[Any]] = {
    Stage.INGEST_ALERT: StageOf(Stage.INGEST_ALERT, TypeAdapter(IngestAlert), ingest, IngestDeps),
    Stage.ENRICH: StageOf(Stage.ENRICH, TypeAdapter(EnrichAlerts), enrich, EnrichDeps),
    Stage.EXPAND_RECIPIENTS: StageOf(Stage.EXPAND_RECIPIENTS, TypeAdapter(ExpandRecipients), expand, ExpandDeps),
    Stage.QUARANTINE: StageOf(Stage.QUARANTINE, TypeAdapter(QuarantineMessage), quarantine, QuarantineDeps),
    Stage.REPORT: StageOf(Stage.REPORT, TypeAdapter(ReportMessage), report, ReportDeps),
}


class Pipeline(Tenant):
    """A tenant with every stage at work in it."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        super().__init__(checkpoints or Checkpoints(), dict(AUTOMATIC))
        self.dead_letters = FakeDeadLetters(self.checkpoints)
        self.activity = FakeActivity(self.checkpoints)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            lease_seconds=LEASE_SECONDS,
            webhook_secrets={"clawback": [SECRET]},
        )
        self.deliveries = 0

    async def health(self, check: HealthCheck) -> None:
        """No test sends one here: tests/pipeline/test_doctor.py does, on the host."""
        raise AssertionError(check)

    async def pause(self, change: ChangePause) -> None:
        """As the bootstrap does."""
        await change_pause(change, self.tenant, self.now())

    def provide(self, deps: type[D]) -> D:
        """As the bootstrap does: each field is the service of its name."""
        policy = Policy.model_validate(self.policy)
        people = PolicyPeople(policy, self.directory, self.now)
        services = {**vars(self), "policy": policy, "policy_people": people, "health": self.health, "pause": self.pause}
        return deps(**{field.name: services[field.name] for field in fields(deps)})  # type: ignore[arg-type]  # every Deps is a dataclass

    async def post(self, *recipients: str, number: int = 1) -> dict[str, Any]:
        """Post an alert about the malicious mail, signed, to the webhook."""
        alert = {
            "version": 1,
            "id": f"vendor-{number}",
            "threatType": "phish",
            "severity": "high",
            "messages": [
                {
                    "internetMessageId": MESSAGE_ID,
                    "sender": SENDER,
                    "subject": "Invoice",
                    "receivedAt": DELIVERED.isoformat(),
                    "recipients": [f"{name}@contoso.example" for name in recipients],
                }
            ],
        }
        return await self.submit(alert)

    async def submit(self, alert: dict[str, Any]) -> dict[str, Any]:
        """Post this alert, signed, to the webhook."""
        body = json.dumps(alert).encode()
        timestamp = str(int(self.now().timestamp()))
        signature = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, "sha256").hexdigest()
        headers = {"Clawback-Timestamp": timestamp, "Clawback-Signature": f"v1={signature}"}
        return await receive("clawback", headers, body, self.provide(ReceiveDeps))

    async def deliver(self, message: Sent, *, keep: bool = False) -> None:
        """One delivery; the message is deleted if its stage returns, unless the host dies before it can (`keep`)."""
        self.deliveries += 1
        stage = STAGES[message.envelope.stage]
        delivery = Delivery(id=message.envelope.id, body=message.body)
        self.queue.waiting.remove(message)
        later = Sent(message.envelope, self.now() + timedelta(seconds=LEASE_SECONDS + 1), message.sent_at)
        try:
            await run(stage, delivery, self.provide(stage.deps), self.provide(RunnerDeps))
        except ProcessDied:
            self.queue.waiting.append(later)
            self.checkpoints.revive()
        else:
            if keep:
                self.queue.waiting.append(later)

    async def settle(self) -> None:
        """Deliver in order of visibility until no message is left, and the sweep finds nobody who died."""
        for _ in range(10_000):
            if not self.queue.waiting:
                self.now.advance(LEASE_SECONDS + 1)
                if not await sweep(self.provide(SweepDeps)):
                    return
                continue
            first = min(self.queue.waiting, key=lambda m: m.visible_at)
            if first.visible_at > self.now():
                self.now.now = first.visible_at
            await self.deliver(first)
        raise AssertionError(f"never settles: {[m.envelope.payload for m in self.queue.waiting[:5]]}")

    async def verified(self) -> Verification:
        """What a check of the incident's chain finds."""
        return await check(self.incident, self.incidents, self.activity, self.evidence)

    def targets_by_way(self) -> dict[str, Target]:
        """Targets by the local part of their address and the Message-ID."""
        return {f"{t.mailbox.address.partition('@')[0]} {t.internet_message_id}": t for t in self.targets.all}
