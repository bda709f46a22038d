"""A small tenant with one chunk of a running plan, for the tests of the quarantine stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from functions.quarantine.handler import handle
from functions.quarantine.models import Deps
from shared.domain.alert import Severity, ThreatType
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId
from shared.domain.incident import AlertLink, AlertStep, Incident, Plan, PlanState, plan_id
from shared.domain.target import Chunk, Hop, Mailbox, Target, TargetState, Via, chunk_id, target_id
from shared.pipeline.payloads import QuarantineMessage
from shared.pipeline.stage import Outcome, RetryLater
from shared.policy import load_policy
from shared.ports.mailboxes import Item
from shared.settings import Settings
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import START, FakeClock
from tests.fakes.directory import FakeDirectory
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.mailboxes import FakeMailboxes
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets
from tests.fakes.tenant import FakeTenant
from tests.fakes.undone import FakeUndone

INCIDENT = IncidentId("inc-1")
ALERT = AlertId("alert-1")
PLAN = plan_id(INCIDENT, (ALERT,))
CHUNK = chunk_id(PLAN, 0)
MESSAGE_ID = "<it's-a-trap' or 1 eq 1@evil.example>"
SENDER = "ceo@evil.example"
DELIVERED = START - timedelta(minutes=10)

POLICY = load_policy(Path(__file__).parents[4] / "policy.yaml")

# A process that died cannot end its lease; the tests wait this long instead of 90 seconds.
LEASE_SECONDS = 60


@dataclass
class World:
    """Fakes and what they hold."""

    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    before: dict[str, dict[str, Item]] = field(default_factory=dict)
    """Every item as it was before the pull, for tests that compare."""

    def __post_init__(self) -> None:
        self.now = FakeClock()
        self.mailboxes = FakeMailboxes(self.checkpoints)
        self.directory = FakeDirectory(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.targets = FakeTargets(self.checkpoints)
        self.undone = FakeUndone(self.checkpoints)
        self.incidents = FakeIncidents(self.checkpoints)
        self.tenant = FakeTenant(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.deps = Deps(
            mailboxes=self.mailboxes,
            directory=self.directory,
            evidence=self.evidence,
            targets=self.targets,
            incidents=self.incidents,
            tenant=self.tenant,
            undone=self.undone,
            queue=self.queue,
            policy=POLICY,
            settings=Settings(
                queue_service="https://queue.example.com",
                blob_service="https://blob.example.com",
                cosmos_endpoint="https://cosmos.example.com",
                lease_seconds=LEASE_SECONDS,
            ),
            now=self.now,
        )

    def mail(self, mailbox: str, folder: str, number: int = 1, **changes: object) -> Item:
        """A copy of the malicious mail."""
        known: dict[str, object] = {
            "id": f"{mailbox}/{number}",
            "internet_message_id": MESSAGE_ID,
            "folder_id": "",
            "subject": "Invoice",
            "sender": SENDER,
            "received_at": DELIVERED,
            "is_read": number % 2 == 0,
            "flag": {"flagStatus": "flagged" if number % 3 == 0 else "notFlagged"},
            "categories": ("Red",) if number % 2 else (),
        }
        return self.mailboxes.add_item(mailbox, folder, Item(**{**known, **changes}))  # type: ignore[arg-type]  # one dict of several types

    async def plan(
        self,
        *mailboxes: str,
        state: PlanState = PlanState.RUNNING,
        named: Mapping[str, object] | None = None,
        approval: Mapping[str, object] | None = None,
    ) -> None:
        """An incident whose plan has one target in each of these mailboxes, in one chunk.

        `named` changes what the targets know of the mail, `approval` what the plan says of its approval.
        """
        plan = Plan(
            id=PLAN,
            incident_id=INCIDENT,
            alert_ids=(ALERT,),
            created_at=START,
            hash="f" * 64,
            manifest="plans/inc-1/plan.jsonl",
            targets=len(mailboxes),
            mailboxes=len(mailboxes),
            chunks=1,
            pending=len(mailboxes),
            pending_mailboxes=len(mailboxes),
            state=state,
            planned_at=START,
            **(approval or {}),
        )
        link = AlertLink(
            id=ALERT,
            incident_id=INCIDENT,
            source="clawback",
            received_at=START,
            severity=Severity.HIGH,
            threat_type=ThreatType.PHISH,
            step=AlertStep.PLANNED,
        )
        self.incidents.keep(Incident(id=INCIDENT, opened_at=START), link, plan)
        targets = [target_in(mailbox).model_copy(update=named or {}) for mailbox in mailboxes]
        chunk = Chunk(id=CHUNK, incident_id=INCIDENT, plan_id=PLAN, targets=len(targets))
        assert await self.targets.add_chunk(chunk, targets)

    def target(self, mailbox: str) -> Target:
        """What has become of the target in this mailbox."""
        return next(target for target in self.targets.all if target.mailbox.id == mailbox)

    @property
    def states(self) -> dict[str, TargetState]:
        """States by mailbox."""
        return {target.mailbox.id or "": target.state for target in self.targets.all}


def target_in(mailbox: str, chunk: ChunkId = CHUNK) -> Target:
    return Target(
        id=target_id(INCIDENT, mailbox, "msg-1"),
        incident_id=INCIDENT,
        plan_id=PLAN,
        chunk_id=chunk,
        mailbox=Mailbox(id=MailboxId(mailbox), address=f"{mailbox}@contoso.example"),
        message_key="msg-1",
        internet_message_id=MESSAGE_ID,
        sender=SENDER,
        hops=(Hop(via=Via.ALERT, name="clawback"),),
    )


async def deliver(message: QuarantineMessage, world: World) -> Outcome:
    """Until it is done, with time passing as the outcome asks."""
    for _ in range(20):
        outcome = await handle(message, world.deps)
        if not isinstance(outcome, RetryLater):
            return outcome
        world.now.advance(max(outcome.seconds or 1, 1))
    raise AssertionError(f"still waiting: {outcome}")
