"""An incident with targets, and the report stage over the fakes."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from functions.report.handler import handle
from functions.report.models import Deps
from shared.domain.activity import Entry, Head
from shared.domain.alert import Severity, ThreatType
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId, PlanId, TargetId
from shared.domain.incident import (
    Action,
    AlertLink,
    AlertStep,
    CaseDocument,
    Decision,
    Incident,
    Plan,
    PlanState,
    Priority,
)
from shared.domain.target import Chunk, Hop, Mailbox, ReadState, Target, TargetState, Via
from shared.pipeline.payloads import ReportMessage
from shared.pipeline.stage import Outcome
from shared.policy import Policy
from shared.settings import Settings
from tests.fakes.activity import FakeActivity
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import START, FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets
from tests.fakes.tenant import FakeTenant

D = TypeVar("D")

INCIDENT = IncidentId("inc-1")
PLAN = PlanId("plan-1")
CHUNK = ChunkId("plan-1.0000")
ALERT = AlertId("alert-1")


def target(name: str, state: TargetState = TargetState.PLANNED, chunk: ChunkId = CHUNK, **changes: Any) -> Target:
    """What became of the mail in this person's mailbox."""
    found = Target(
        id=TargetId(f"target-{name}"),
        incident_id=INCIDENT,
        plan_id=PlanId(chunk.split(".")[0]),
        chunk_id=chunk,
        mailbox=Mailbox(id=MailboxId(name), address=f"{name}@contoso.example"),
        message_key="msg-1",
        internet_message_id="<1@sender.example>",
        hops=(Hop(via=Via.ALERT, name="clawback", ref=ALERT),),
        state=state,
    )
    if state in {TargetState.QUARANTINED, TargetState.RESTORED, TargetState.PARTLY_RESTORED}:
        found = found.model_copy(
            update={
                "read": ReadState.READ,
                "delivered_at": START - timedelta(seconds=60),
                "pulled_at": START,
                "verified_at": START + timedelta(seconds=1),
                "restored_at": START + timedelta(seconds=9) if state is TargetState.RESTORED else None,
            }
        )
    return found.model_copy(update=changes)


def plan(targets: int, state: PlanState = PlanState.RUNNING, plan_id: PlanId = PLAN, **changes: Any) -> Plan:
    """A plan of so many targets."""
    found = Plan(
        id=plan_id,
        incident_id=INCIDENT,
        alert_ids=(ALERT,),
        created_at=START,
        hash="hash-1",
        manifest="plans/x",
        targets=targets,
        mailboxes=targets,
        chunks=1,
        state=state,
        planned_at=START,
    )
    return found.model_copy(update=changes)


def alert_link(step: AlertStep = AlertStep.PLANNED, **changes: Any) -> AlertLink:
    """A decided alert."""
    found = AlertLink(
        id=ALERT,
        incident_id=INCIDENT,
        source="clawback",
        received_at=START,
        severity=Severity.HIGH,
        threat_type=ThreatType.PHISH,
        step=step,
        decision=Decision(action=Action.AUTOMATIC, rule="known bad", priority=Priority(score=70), at=START),
    )
    return found.model_copy(update=changes)


def incident(**changes: Any) -> Incident:
    """The header of a case."""
    return Incident(id=INCIDENT, opened_at=START).model_copy(update=changes)


class Case:
    """One incident, its chunks and the services of the report stage."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.checkpoints = checkpoints or Checkpoints()
        self.now = FakeClock()
        self.incidents = FakeIncidents(self.checkpoints)
        self.targets = FakeTargets(self.checkpoints)
        self.tenant = FakeTenant(self.checkpoints)
        self.policy = Policy(version=1, rules=())
        self.activity = FakeActivity(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            lease_seconds=60,
        )

    def provide(self, deps: type[D]) -> D:
        return deps(**{field.name: getattr(self, field.name) for field in fields(deps)})  # type: ignore[arg-type]  # every Deps is a dataclass

    async def keep(
        self, *documents: CaseDocument, chunks: Sequence[list[Target]] = (), header: Incident | None = None
    ) -> "Case":
        """Keep a case with these documents and chunks; with one decided alert, unless there are others."""
        if not any(isinstance(one, AlertLink) for one in documents):
            documents = (alert_link(), *documents)
        self.incidents.keep(header or incident(), *documents)
        for targets in chunks:
            first = targets[0]
            chunk = Chunk(id=first.chunk_id, incident_id=INCIDENT, plan_id=first.plan_id, targets=len(targets))
            await self.targets.add_chunk(chunk, targets)
        return self

    async def put(self, *changed: Target) -> None:
        """Commit these targets, which share a chunk."""
        header, _ = await self.targets.read_chunk(changed[0].chunk_id)
        await self.targets.commit(header.value, header.etag, changed)

    def change(self, document: CaseDocument, **changes: Any) -> None:
        """Change a document of the case, whatever it was."""
        self.incidents.put(INCIDENT, document.model_copy(update=changes))

    async def handle(self, message: ReportMessage) -> Outcome:
        """One delivery."""
        return await handle(message, self.provide(Deps))

    @property
    def incident(self) -> Incident:
        (found,) = self.incidents.all
        return found

    @property
    def plan(self) -> Plan:
        (found,) = self.incidents.of(INCIDENT, Plan)
        return found

    async def head(self) -> Head:
        found = await self.activity.head(INCIDENT)
        return found.value if found else Head(incident_id=INCIDENT)

    async def entries(self) -> list[Entry]:
        return [Entry.model_validate(entry) async for entry in self.activity.entries(INCIDENT)]

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.entries()]
