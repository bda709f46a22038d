"""An incident with targets, and the report stage over the fakes."""

from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from functions.report.handler import handle
from functions.report.models import Deps
from shared.domain.activity import Entry, Head
from shared.domain.alert import Severity, ThreatType
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId, PlanId, TargetId
from shared.domain.incident import Action, AlertLink, Decision, Incident, Plan, PlanState, Priority
from shared.domain.target import Chunk, Hop, Mailbox, ReadState, Target, TargetState, Via
from shared.pipeline.payloads import ReportMessage
from shared.pipeline.stage import Outcome
from tests.fakes.activity import FakeActivity
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import START, FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.queue import FakeQueue
from tests.fakes.state import FakeIncidents
from tests.fakes.targets import FakeTargets

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
    if state in {TargetState.QUARANTINED, TargetState.RESTORED}:
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
        alert_id=ALERT,
        hash="hash-1",
        manifest="plans/x",
        targets=targets,
        mailboxes=targets,
        chunks=1,
        state=state,
        planned_at=START,
    )
    return found.model_copy(update=changes)


def incident(*plans: Plan, **changes: Any) -> Incident:
    """A decided incident with these plans."""
    link = AlertLink(
        id=ALERT,
        source="clawback",
        received_at=START,
        severity=Severity.HIGH,
        threat_type=ThreatType.PHISH,
        decision=Decision(action=Action.AUTOMATIC, rule="known bad", priority=Priority(score=70), at=START),
    )
    found = Incident(id=INCIDENT, opened_at=START, alerts=(link,), plans=plans)
    return found.model_copy(update=changes).with_state()


class Case:
    """One incident, its chunks and the services of the report stage."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.checkpoints = checkpoints or Checkpoints()
        self.now = FakeClock()
        self.incidents = FakeIncidents(self.checkpoints)
        self.targets = FakeTargets(self.checkpoints)
        self.activity = FakeActivity(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)

    def provide(self, deps: type[D]) -> D:
        return deps(**{field.name: getattr(self, field.name) for field in fields(deps)})  # type: ignore[arg-type]  # every Deps is a dataclass

    async def keep(self, found: Incident, *chunks: list[Target]) -> "Case":
        """Keep the incident and these chunks."""
        await self.incidents.add(found)
        for targets in chunks:
            first = targets[0]
            chunk = Chunk(id=first.chunk_id, incident_id=INCIDENT, plan_id=first.plan_id, targets=len(targets))
            await self.targets.add_chunk(chunk, targets)
        return self

    async def put(self, *changed: Target) -> None:
        """Commit these targets, which share a chunk."""
        header, _ = await self.targets.read_chunk(changed[0].chunk_id)
        await self.targets.commit(header.value, header.etag, changed)

    async def change(self, **changes: Any) -> None:
        """Change the incident."""
        read = await self.incidents.read(INCIDENT)
        await self.incidents.replace(read.value.model_copy(update=changes).with_state(), read.etag)

    async def handle(self, message: ReportMessage) -> Outcome:
        """One delivery."""
        return await handle(message, self.provide(Deps))

    @property
    def incident(self) -> Incident:
        (found,) = self.incidents.all
        return found

    async def head(self) -> Head:
        found = await self.activity.head(INCIDENT)
        return found.value if found else Head(incident_id=INCIDENT)

    async def entries(self) -> list[Entry]:
        return [entry async for entry in self.activity.entries(INCIDENT)]

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.entries()]
