"""The payloads of queue messages. They carry ids only; bodies are in Cosmos DB or in blobs."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.domain.base import Frozen, Instant
from shared.domain.ids import ChunkId, IncidentId, PlanId, TargetId
from shared.domain.incident import Command
from shared.domain.undone import UndoClass
from shared.names import Stage

# Id and trip are part of a blob's name: a forged message must not name another blob.
HEALTH_ID = r"^health-[0-9a-f]{32}$"
HIDDEN_ID = r"^hidden-[0-9a-f]{32}$"


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


class CaseCommand(Frozen):
    """What a person asked of a case."""

    kind: str
    incident_id: IncidentId
    command_id: str
    by: str
    at: Instant
    reason: str = ""

    def to_command(self, **said: Any) -> Command:
        """The command as the case keeps it.

        Args:
            said: what this kind of command says besides.
        """
        return Command(
            id=self.command_id,
            incident_id=self.incident_id,
            command=self.kind,
            by=self.by,
            at=self.at,
            reason=self.reason,
            **said,
        )


class ApprovePlan(CaseCommand):
    """A person approved exactly this plan."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["approve_plan"] = "approve_plan"
    plan_id: PlanId
    plan_hash: str


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


class UndoPull(_Selection, CaseCommand):
    """A person wants targets of the case restored."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["undo_pull"] = "undo_pull"
    undo_class: UndoClass = UndoClass.OTHER
    """Version 0.1 did not ask for it."""


class RestoreChunk(_Selection):
    """Restore targets of this chunk."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["restore_chunk"] = "restore_chunk"
    incident_id: IncidentId
    chunk_id: ChunkId
    items: tuple[str, ...] = ()
    """Only these copies, whatever the state of their targets. None named: all copies of what was pulled."""
    command_id: str


class LookAgain(CaseCommand):
    """A person wants targets looked at again."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["look_again"] = "look_again"
    targets: tuple[TargetId, ...] | None = None
    """None means all of the case."""


class LookAtChunk(Frozen):
    """Open the next look at targets of this chunk, and pull what it finds."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["look_at_chunk"] = "look_at_chunk"
    incident_id: IncidentId
    chunk_id: ChunkId
    targets: tuple[TargetId, ...] | None = None
    """None means all of the chunk."""
    opener: str
    """What asks for the look: it opens one, however often the message is delivered."""
    automatic: bool = True
    """Whether no person asks for it."""
    since: Instant | None = None
    """Only targets that were looked at before this moment."""
    delivered: dict[TargetId, Instant] = Field(default_factory=dict)
    """Only these, because message trace shows a delivery at this moment; each delivery opens one look."""
    pulled_too: bool = True
    """Whether those are looked at again of which something is in the hidden folder."""


class HiddenMail(Frozen):
    """A person asks what lies in hidden folders, or for some of it to be put back. What is asked is in a blob."""

    stage: ClassVar[Stage] = Stage.QUARANTINE
    kind: Literal["hidden_mail"] = "hidden_mail"
    id: str = Field(pattern=HIDDEN_ID)


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


class CloseIncident(CaseCommand):
    """A person closes the case."""

    stage: ClassVar[Stage] = Stage.REPORT
    kind: Literal["close_incident"] = "close_incident"


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


class ChangePause(Frozen):
    """A person pauses all pulling, or resumes it.

    It is sent on several queues, and every stage takes it: the first one that comes to it does it, so that a long queue
    does not delay it.
    """

    kind: Literal["change_pause"] = "change_pause"
    stage: Stage
    """The stage whose queue it is on."""
    command_id: str
    paused: bool
    by: str
    at: Instant
    reason: str


QuarantineMessage = Annotated[
    ApprovePlan | PullChunk | UndoPull | RestoreChunk | LookAgain | LookAtChunk | HiddenMail,
    Field(discriminator="kind"),
]
ReportMessage = Annotated[IncidentChanged | ChunkChanged | CloseIncident, Field(discriminator="kind")]
Payload = (
    IngestAlert
    | EnrichAlerts
    | ExpandRecipients
    | ApprovePlan
    | PullChunk
    | UndoPull
    | RestoreChunk
    | LookAgain
    | LookAtChunk
    | HiddenMail
    | IncidentChanged
    | ChunkChanged
    | CloseIncident
    | HealthCheck
    | ChangePause
)
