"""The case that alerts are joined into: what people see, approve, undo and close."""

from enum import StrEnum

from shared.domain.alert import Severity, ThreatType
from shared.domain.base import Frozen, Instant
from shared.domain.exposure import Counts
from shared.domain.ids import AlertId, IncidentId, PlanId, derive
from shared.domain.message import Message


class IncidentState(StrEnum):
    """What an analyst needs to know first about a case."""

    OPEN = "open"
    AWAITING_APPROVAL = "awaiting_approval"
    PULLING = "pulling"
    CONTAINED = "contained"
    IGNORED = "ignored"
    CLOSED = "closed"


class Action(StrEnum):
    """What policy says about an alert."""

    AUTOMATIC = "automatic"
    NEEDS_APPROVAL = "needs_approval"
    IGNORE = "ignore"


class Priority(Frozen):
    """How urgent, from 0 to 100, and each reason with the points it gave."""

    score: int
    reasons: tuple[str, ...] = ()


class Decision(Frozen):
    """What policy decided about one alert of the incident, and by which rule."""

    action: Action
    rule: str
    reasons: tuple[str, ...] = ()
    priority: Priority
    at: Instant


class AlertLink(Frozen):
    """An alert that was joined into the incident."""

    id: AlertId
    source: str
    received_at: Instant
    severity: Severity
    threat_type: ThreatType
    title: str | None = None
    decision: Decision | None = None


class PlanState(StrEnum):
    """Where a plan stands."""

    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    FINISHED = "finished"


class Plan(Frozen):
    """The frozen list of targets that one alert led to. Its hash is what an approval names."""

    id: PlanId
    alert_id: AlertId
    hash: str
    manifest: str
    """Path of the frozen list among the evidence."""
    targets: int
    mailboxes: int
    chunks: int
    state: PlanState
    approval_reasons: tuple[str, ...] = ()
    """Why the plan needs a person; empty if it does not."""
    notes: tuple[str, ...] = ()
    """Where the search for recipients could not look, and how often."""
    planned_at: Instant
    approved_by: str | None = None
    approved_at: Instant | None = None
    anchor_seq: int | None = None
    """Where the end of the chain was when all targets were counted: there its anchor stands. None until it is kept."""


class Planning(Frozen):
    """Whose turn it is to choose targets: two plans that choose at once could both choose the same one."""

    alert_id: AlertId
    until: Instant
    """When its holder is certainly dead."""


class Command(Frozen):
    """Something that a person asked for."""

    id: str
    kind: str
    by: str
    at: Instant
    reason: str = ""
    targets: tuple[str, ...] = ()
    """Empty means all of them."""


class Incident(Frozen):
    """One case. Changed only under its ETag."""

    id: IncidentId
    state: IncidentState = IncidentState.OPEN
    opened_at: Instant
    title: str | None = None
    alerts: tuple[AlertLink, ...]
    messages: tuple[Message, ...] = ()
    """Without recipients: those are in the alerts, and one by one in the targets."""
    plans: tuple[Plan, ...] = ()
    planning: Planning | None = None
    commands: tuple[Command, ...] = ()
    related: tuple[IncidentId, ...] = ()
    counts: Counts = Counts()
    """As of the last entry of the activity chain that was counted."""
    closed_at: Instant | None = None
    closed_by: str | None = None
    sealed: bool = False
    """The end of a closed case's chain is kept as evidence. Until then its anchor is not missing, but still to come."""

    def alert(self, alert: AlertId) -> AlertLink | None:
        """The link to this alert, if it was joined."""
        return next((link for link in self.alerts if link.id == alert), None)

    def plan(self, plan: PlanId) -> Plan | None:
        """The plan of this id, if it was made."""
        return next((p for p in self.plans if p.id == plan), None)

    @property
    def unplanned(self) -> bool:
        """Whether an alert is still to be decided, or its plan to be made."""
        planned = {plan.alert_id for plan in self.plans}
        return any(
            link.decision is None or (link.decision.action is not Action.IGNORE and link.id not in planned)
            for link in self.alerts
        )

    def with_plan(self, plan: Plan) -> "Incident":
        """This incident with the plan added, or replaced by its newer self; the state follows."""
        others = tuple(p for p in self.plans if p.id != plan.id)
        return self.model_copy(update={"plans": (*others, plan)}).with_state()

    def with_state(self) -> "Incident":
        """This incident in the state that its plans and decisions give it."""
        return self.model_copy(update={"state": _state_of(self)})


NOT_IDENTIFIED = "message_not_identified"
"""The note and approval reason that a message has no Message-ID and that the trace does not tell it."""

NOBODY = "recipients_unknown"
"""The note and approval reason that neither the alert nor the trace tells who got a message."""


def unsearched(plan: "Plan") -> bool:
    """Whether there was something that could not be searched for, and nobody has said that this is all right."""
    waits = plan.state is PlanState.AWAITING_APPROVAL
    return waits and any(reason.startswith((NOT_IDENTIFIED, NOBODY)) for reason in plan.approval_reasons)


def _state_of(incident: Incident) -> IncidentState:
    if incident.closed_at is not None:
        return IncidentState.CLOSED
    states = {plan.state for plan in incident.plans}
    if PlanState.AWAITING_APPROVAL in states:
        return IncidentState.AWAITING_APPROVAL
    if PlanState.RUNNING in states:
        return IncidentState.PULLING
    if states:
        return IncidentState.CONTAINED
    decided = [link.decision for link in incident.alerts]
    if decided and all(d is not None and d.action is Action.IGNORE for d in decided):
        return IncidentState.IGNORED
    return IncidentState.OPEN


def plan_id(incident: IncidentId, alert: AlertId) -> PlanId:
    """One alert leads to one plan, however often its message is delivered."""
    return PlanId(derive("plan", incident, alert))
