"""The payloads of queue messages. They carry ids only; bodies are in Cosmos DB or in blobs."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.domain.base import Frozen, Instant
from shared.domain.ids import ChunkId, IncidentId, PlanId, TargetId
from shared.domain.undone import UndoClass
from shared.names import Stage

# Id and trip are part of a blob's name: a forged message must not name another blob.
HEALTH_ID = r"^health-[0-9a-f]{32}$"


class IngestAlert(Frozen):
    """A raw payload is stored: normalise it."""

    stage: ClassVar[Stage] = Stage.INGEST_ALERT
    kind: Literal["ingest_alert"] = "ingest_alert"
    source: str
    payload_path: str
    """Where the raw payload is kept."""
    received_at: Instant


class EnrichAlerts(Frozen):
    """Alerts have joined a case: find out who and what, and decide about all that are undecided."""

    stage: ClassVar[Stage] = Stage.ENRICH
    kind: Literal["enrich_alerts"] = "enrich_alerts"
    incident_id: IncidentId


class ExpandRecipients(Frozen):
    """Alerts are decided: make a plan of those that have none."""

    stage: ClassVar[Stage] = Stage.EXPAND_RECIPIENTS
    kind: Literal["expand_recipients"] = "expand_recipients"
    incident_id: IncidentId


class ApprovePlan(Frozen):
    """A person approved exactly this plan."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["approve_plan"] = "approve_plan"
    incident_id: IncidentId
    plan_id: PlanId
    plan_hash: str
    command_id: str
    by: str
    at: Instant
    reason: str = ""


class PullChunk(Frozen):
    """Pull the targets of this chunk that are not pulled yet."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["pull_chunk"] = "pull_chunk"
    incident_id: IncidentId
    chunk_id: ChunkId


class _Selection(Frozen):
    """Which targets. An empty selection never means all: that is said by `all`."""

    targets: tuple[TargetId, ...] = ()
    all: bool | None = None
    """Whether all are meant. None only in a message of version 0.1, which had no such field: there, no target named
    means all."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.all is not None and self.all == bool(self.targets):
            raise ValueError("either targets or all")
        return self

    @property
    def takes_all(self) -> bool:
        """Whether all targets are meant."""
        return self.all or (self.all is None and not self.targets)


class UndoPull(_Selection):
    """A person wants targets of the case restored."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["undo_pull"] = "undo_pull"
    incident_id: IncidentId
    command_id: str
    by: str
    at: Instant
    reason: str = ""
    undo_class: UndoClass = UndoClass.OTHER
    """Version 0.1 did not ask for it."""


class RestoreChunk(_Selection):
    """Restore targets of this chunk."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["restore_chunk"] = "restore_chunk"
    incident_id: IncidentId
    chunk_id: ChunkId
    command_id: str


class IncidentChanged(Frozen):
    """Documents of a case changed: append what is new to its activity chain, and update its header."""

    stage: ClassVar[Stage] = Stage.REPORT
    kind: Literal["incident_changed"] = "incident_changed"
    incident_id: IncidentId


class ChunkChanged(Frozen):
    """Targets of this chunk may have reached a terminal state: record and count those that have."""

    stage: ClassVar[Stage] = Stage.REPORT
    kind: Literal["chunk_changed"] = "chunk_changed"
    incident_id: IncidentId
    chunk_id: ChunkId


class CloseIncident(Frozen):
    """A person closes the case."""

    stage: ClassVar[Stage] = Stage.REPORT
    kind: Literal["close_incident"] = "close_incident"
    incident_id: IncidentId
    command_id: str
    by: str
    at: Instant
    reason: str = ""


class HealthCheck(Frozen):
    """A message that visits stages and only leaves a report at each: `clawback doctor` sends it."""

    kind: Literal["health_check"] = "health_check"
    id: str = Field(pattern=HEALTH_ID)
    trip: str = Field(pattern=r"^[a-z_]{1,40}$")
    """Which of `shared.health.check.TRIPS` it is on."""
    route: tuple[Stage, ...] = Field(min_length=1, max_length=10)
    """The stages that it still has to visit; the first is where it is."""

    @property
    def stage(self) -> Stage:
        """The stage whose queue it is on."""
        return self.route[0]


QuarantineMessage = Annotated[ApprovePlan | PullChunk | UndoPull | RestoreChunk, Field(discriminator="kind")]
ReportMessage = Annotated[IncidentChanged | ChunkChanged | CloseIncident, Field(discriminator="kind")]
Payload = (
    IngestAlert
    | EnrichAlerts
    | ExpandRecipients
    | ApprovePlan
    | PullChunk
    | UndoPull
    | RestoreChunk
    | IncidentChanged
    | ChunkChanged
    | CloseIncident
    | HealthCheck
)
