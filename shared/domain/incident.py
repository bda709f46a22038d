"""The case that alerts are joined into: what people see, approve, undo and close.

A case is many documents in one partition, so that none of them grows with the case: its header (`Incident`), its intake
counter (`Intake`), and one document for each alert, message, plan, command and related case.
"""

from collections.abc import Iterable
from enum import StrEnum
from itertools import accumulate
from typing import Any, ClassVar

from shared.domain.alert import Severity, ThreatType
from shared.domain.base import Frozen, Instant, Stored
from shared.domain.exposure import Counts
from shared.domain.ids import AlertId, IncidentId, PlanId, derive
from shared.domain.message import Message
from shared.domain.target import TargetState
from shared.domain.undone import UndoClass, UndoneBefore

MAX_ALERTS = 10_000
"""Alerts of one case; the next one opens a successor. Each list of a case stays readable, and its partition far below
20 GB."""

MAX_PLAN_ALERTS = 98
"""Alerts that are decided or planned together: one transactional batch (100 operations) takes them, the header and the
plan."""

MAX_ADDRESSES = 20_000
"""Recipients that alerts which are decided or planned together name: the directory tells some 20 in one request, and a
function has five minutes. One alert may name more."""


class IncidentState(StrEnum):
    """What an analyst needs to know first about a case."""

    OPEN = "open"
    AWAITING_APPROVAL = "awaiting_approval"
    PULLING = "pulling"
    CONTAINED = "contained"
    """Everything is over, and nothing is left where a person can open it."""
    ATTENTION = "attention"
    """Everything is over, and some mail can be opened, or nobody knows whether it can."""
    UNDONE = "undone"
    """A person put back what was pulled, and nothing of it is hidden any more."""
    NOTHING_FOUND = "nothing_found"
    """No mailbox had the mail."""
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
    """What policy decided about one alert of the case, and by which rule."""

    action: Action
    rule: str
    reasons: tuple[str, ...] = ()
    priority: Priority
    at: Instant


class CaseRecord(Stored):
    """A document of a case besides its header."""

    incident_id: IncidentId
    unrecorded: bool = True
    """Whether something of it is not in the activity chain yet. The report stage clears it."""


class AlertStep(StrEnum):
    """How far an alert of a case has come."""

    JOINED = "joined"
    """To be decided by the enrich stage."""
    DECIDED = "decided"
    """To be planned by the expand_recipients stage."""
    PLANNED = "planned"
    IGNORED = "ignored"
    """Policy asks for no plan."""


class AlertLink(CaseRecord):
    """An alert that was joined into the case."""

    document_type: ClassVar[str] = "alert"

    id: AlertId
    source: str
    received_at: Instant
    severity: Severity
    threat_type: ThreatType
    title: str | None = None
    addresses: int | None = None
    """How many recipients the alert names, for its messages together. None if version 0.1 joined it."""
    step: AlertStep = AlertStep.JOINED
    decision: Decision | None = None
    enrichment: str | None = None
    """Path of what the enrich stage found, among the evidence."""
    plan_id: PlanId | None = None


class CaseMessage(CaseRecord):
    """A message that alerts of the case name; its id is the message's key. No recipients: those are in the targets."""

    document_type: ClassVar[str] = "message"

    id: str
    message: Message
    unrecorded: bool = False


class Related(CaseRecord):
    """Another case that an alert of this one leads to; its id is that of the other case."""

    document_type: ClassVar[str] = "related"

    id: IncidentId
    unrecorded: bool = False


class PlanState(StrEnum):
    """Where a plan stands."""

    DRAFT = "draft"
    """Its alerts are chosen; its targets are being looked for."""
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    FINISHED = "finished"


class Plan(CaseRecord):
    """The frozen list of targets that some alerts led to. Its hash is what an approval names."""

    document_type: ClassVar[str] = "plan"

    id: PlanId
    alert_ids: tuple[AlertId, ...]
    enrichments: tuple[str, ...] = ()
    """Paths of what the enrich stage found about its alerts, among the evidence."""
    created_at: Instant
    watch: bool = False
    """Whether the watch of the case found its targets: its alerts have plans already."""
    state: PlanState
    hash: str = ""
    """SHA-256 of the manifest; empty for a draft."""
    manifest: str = ""
    """Path of the frozen list among the evidence; empty for a draft."""
    targets: int = 0
    mailboxes: int = 0
    chunks: int = 0
    pending: int = 0
    """Targets that were not terminal when the plan was made: those that are looked for in a mailbox."""
    pending_mailboxes: int = 0
    approval_reasons: tuple[str, ...] = ()
    """Why the plan needs a person; empty if it does not."""
    undone: tuple[UndoneBefore, ...] = ()
    """Messages of it that a person undid before, and why; the newest ones."""
    stopped_at: Instant | None = None
    """When an undo stopped it: it ran without a person, and waits for one since."""
    notes: tuple[str, ...] = ()
    """Where the search for recipients could not look, and how often."""
    planned_at: Instant | None = None
    first_approved_by: str | None = None
    """Where two people have to approve: the first of them."""
    first_approved_at: Instant | None = None
    approved_by: str | None = None
    approved_at: Instant | None = None
    dispatched: bool = False
    """Whether the messages to the next stages have been sent."""
    unrecorded: bool = False
    anchor_seq: int | None = None
    """Where the end of the chain was when all targets were counted: there its anchor stands. None until it is kept."""


class Watch(CaseRecord):
    """When the case is looked at again by itself: late mail, later forwards, the same Message-ID again."""

    document_type: ClassVar[str] = "watch"

    id: str = "watch"
    until: Instant
    next_at: Instant | None = None
    """When it is due next; None once it has ended."""
    last_look_at: Instant | None = None
    """When it was last asked whether there is something new."""
    runs: int = 0
    last_full_at: Instant | None = None
    """When mailboxes were last looked at without a hint that something is new there."""
    full_looks: int = 0
    unrecorded: bool = False


class Command(CaseRecord):
    """Something that a person asked for."""

    document_type: ClassVar[str] = "command"

    id: str
    command: str
    """`approve_plan`, `undo_pull`, `look_again` or `close_incident`."""
    by: str
    at: Instant
    reason: str = ""
    targets: tuple[str, ...] = ()
    all: bool | None = None
    """Of an undo: whether all targets are meant. None if version 0.1 took it: there, no target named means all."""
    undo_class: UndoClass | None = None
    """Of an undo. None if version 0.1 took it: it did not ask."""


class Lease(Stored):
    """The right to do one kind of work on a case: decide its alerts, plan them, or record its documents.

    A worker that finds it taken increments `again` and is done: the holder then looks once more before
    it releases the lease.
    """

    document_type: ClassVar[str] = "lease"

    id: str
    """`lease:<stage>`."""
    incident_id: IncidentId
    holder: str
    """Made anew each time that the lease is taken."""
    until: Instant | None = None
    """After this moment the holder is certainly dead. None while the lease is free."""
    again: int = 0
    """How often others asked meanwhile."""


class Intake(Stored):
    """Counts the alerts of a case as they join, apart from the header, which others change all the time."""

    document_type: ClassVar[str] = "intake"

    id: str = "intake"
    incident_id: IncidentId
    open: bool = True
    """False once the case is closed: no alert joins any more."""
    alerts: int = 0
    wake_until: Instant | None = None
    """A message is announced that is not seen before this moment: it takes care of all alerts that join until then."""


class PlanCounts(Frozen):
    """How many plans of a case are in each state; drafts are not counted."""

    awaiting_approval: int = 0
    running: int = 0
    finished: int = 0


# States of targets that an undo puts back.
_PUT_BACK = (TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED, TargetState.PARTLY_RESTORED)

# In every other terminal state a person may be able to open the mail, or nobody has seen that it is not so.
_OUT_OF_REACH = frozenset(
    {
        TargetState.QUARANTINED,
        TargetState.ALREADY_QUARANTINED,
        TargetState.NOT_FOUND,
        TargetState.GONE_BY_USER,
    }
)


class Incident(Stored):
    """The header of a case: below 64 KB, however large the case is. Changed only under its ETag."""

    document_type: ClassVar[str] = "incident"

    id: IncidentId
    state: IncidentState = IncidentState.OPEN
    opened_at: Instant
    title: str | None = None
    message: Message | None = None
    """The first message, for lists. Without recipients."""
    alerts: int = 0
    """Alerts that have joined."""
    decided: int = 0
    ignored: int = 0
    """Decided alerts for which policy asks for no plan."""
    planned: int = 0
    """Decided alerts that are in a plan which was made."""
    plans: PlanCounts = PlanCounts()
    latest_decision: Decision | None = None
    targets: int = 0
    """Targets of all plans."""
    unapproved_targets: int = 0
    """Pending targets of plans that no person approved: the limits of policy count them."""
    unapproved_mailboxes: int = 0
    """Their mailboxes, plan by plan: a mailbox that two plans touch counts twice."""
    earlier_targets: int = 0
    """Those of the cases that this one succeeds, as of when it was opened."""
    earlier_mailboxes: int = 0
    counts: Counts = Counts()
    """As of the last entry of the activity chain that was counted."""
    closed_at: Instant | None = None
    closed_by: str | None = None
    close_anchored: bool = False
    """The end of a closed case's chain is kept as evidence. Until then its anchor is not missing, but still to come."""
    unrecorded: bool = True
    """Whether the opening or the closing is not in the activity chain yet."""

    @property
    def can_be_put_back(self) -> int:
        """How many targets have copies in the hidden folder, as of the last entry of the chain that was counted."""
        return sum(self.counts.states.get(state, 0) for state in _PUT_BACK)

    @property
    def needs_attention(self) -> dict[str, int]:
        """By state, how many ended targets have mail that a person can open, or that nobody has seen."""
        return {state: number for state, number in self.counts.states.items() if number and state not in _OUT_OF_REACH}

    @property
    def unplanned(self) -> bool:
        """Whether an alert is still to be decided, or its plan to be made."""
        return self.planned + self.ignored < self.alerts

    def with_state(self) -> "Incident":
        """This header in the state that its numbers give it."""
        return self.model_copy(update={"state": _state_of(self)})

    def changed(self, **changes: Any) -> "Incident":
        """This header with these fields, in the state that follows."""
        return self.model_copy(update=changes).with_state()

    def with_plan(self, before: PlanState, after: PlanState) -> "Incident":
        """This header after one of its plans went from one state to another."""
        counts = self.plans.model_dump(by_alias=False)
        for state, step in ((before, -1), (after, 1)):
            if state is not PlanState.DRAFT:
                counts[state] += step
        return self.changed(plans=PlanCounts(**counts))


CaseDocument = Incident | AlertLink | CaseMessage | Related | Plan | Command | Watch

NOT_IDENTIFIED = "message_not_identified"
"""The note and approval reason that a message has no Message-ID and that message trace does not give it."""

NOBODY = "recipients_unknown"
"""The note and approval reason that neither the alert nor message trace names a recipient of a message."""

GROUP_UNREADABLE = "policy_group_unreadable"
"""The note and approval reason that policy names a group whose members we may not read: whom it protects is unknown."""

UNREADABLE = "alert_unreadable"
"""The rule of the decision, the note on the plan and the event that an alert's document is missing or unreadable."""

PROTECTED_PEOPLE = "protected_people"
"""The approval reason that the plan touches mailboxes of protected people."""

FOUR_EYES = "four_eyes"
"""The approval reason that two different people have to approve the plan."""

OBSERVE = "observe"
"""The approval reason that the installation only plans."""

UNDONE_BEFORE = "undone_before"
"""The approval reason that a person undid a mail of the plan, in whatever case."""


def same_person(one: str, other: str) -> bool:
    """Whether these are the names of one person. Sign-in gives the same name in another case now and then."""
    return one.strip().casefold() == other.strip().casefold()


def undone_reason(messages: int) -> str:
    """The approval reason that a person undid so many messages of the plan."""
    return f"{UNDONE_BEFORE}: {messages}"


def unsearched(plan: Plan) -> bool:
    """Whether a message could not be searched for, and no person has approved the plan all the same."""
    waits = plan.state is PlanState.AWAITING_APPROVAL
    return waits and any(reason.startswith((NOT_IDENTIFIED, NOBODY)) for reason in plan.approval_reasons)


def together(links: Iterable[AlertLink]) -> int:
    """How many of these alerts, from the first one on, are decided or planned together; at least one."""
    sums = accumulate(link.addresses or 0 for link in links)
    return max(1, sum(addresses <= MAX_ADDRESSES for addresses in sums))


def _state_of(incident: Incident) -> IncidentState:
    if incident.closed_at is not None:
        return IncidentState.CLOSED
    if incident.plans.awaiting_approval:
        return IncidentState.AWAITING_APPROVAL
    over = incident.plans.finished and not incident.unplanned
    # All of a finished plan have ended; the report stage may not have counted them.
    if incident.plans.running or (over and incident.counts.targets < incident.targets):
        return IncidentState.PULLING
    if over:
        return _outcome_of(incident)
    ignored = incident.alerts and incident.ignored == incident.alerts
    return IncidentState.IGNORED if ignored else IncidentState.OPEN


def _outcome_of(incident: Incident) -> IncidentState:
    """What came of a case of which everything is over."""
    found = {state for state, number in incident.counts.states.items() if number}
    if found <= {TargetState.NOT_FOUND}:
        return IncidentState.NOTHING_FOUND
    reachable = incident.needs_attention.keys()
    if not reachable:
        return IncidentState.CONTAINED
    if reachable == {TargetState.RESTORED} and TargetState.QUARANTINED not in found:
        return IncidentState.UNDONE
    return IncidentState.ATTENTION


def plan_id(incident: IncidentId, alerts: tuple[AlertId, ...]) -> PlanId:
    """The same alerts lead to the same plan, however often a message is delivered."""
    return PlanId(derive("plan", incident, *sorted(alerts)))


def watch_plan_id(incident: IncidentId, due: Instant) -> PlanId:
    """One run of the watch leads to one plan: the run that was due at this moment."""
    return PlanId(derive("watch_plan", incident, due.isoformat()))
