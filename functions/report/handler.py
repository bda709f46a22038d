"""The report stage: facts into the chain, sums onto the incident, the incident into its next state.

chunk settled · incident changed · close asked
      │
      ▼
facts of what the records say now ─▶ chain (each once; the sums in the same batch)
      │
      ▼
anchors of what is finished ─▶ incident: sums, finished plans, state (under its ETag)
"""

from collections.abc import Mapping

from functions.report.audit_events import of_incident, of_targets
from functions.report.chain import CLOSED, anchor, tell
from functions.report.models import Deps
from shared.domain.activity import Head
from shared.domain.exposure import Counts
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import Command, Incident, PlanState, unsearched
from shared.errors import ConflictError
from shared.pipeline.payloads import ChunkChanged, CloseIncident, IncidentChanged, ReportMessage
from shared.pipeline.stage import Done, Outcome
from shared.ports.versioned import Versioned

# As in the chain: whoever was first is done by now.
_TRIES = 5


async def handle(message: ReportMessage, deps: Deps) -> Outcome:
    """Handle one message of the report queue."""
    match message:
        case ChunkChanged():
            _, targets = await deps.targets.read_chunk(message.chunk_id)
            head = await tell(message.incident_id, of_targets(targets, deps.now()), deps.activity)
            await _settle(message.incident_id, head, deps)
        case IncidentChanged():
            await _tell_incident((await deps.incidents.read(message.incident_id)).value, deps)
        case CloseIncident():
            await _tell_incident(await _close(message, deps), deps)
    return Done()


async def _tell_incident(incident: Incident, deps: Deps) -> None:
    head = await tell(incident.id, of_incident(incident), deps.activity)
    sealed = incident.closed_at is not None
    if sealed:
        # Before the incident says so: as with plans, a missing anchor would look like tampering.
        await anchor(head, CLOSED, deps.now(), deps.evidence)
    await _settle(incident.id, head, deps, sealed=sealed)


async def _settle(incident_id: IncidentId, head: Head, deps: Deps, *, sealed: bool = False) -> None:
    """Bring the incident up to its chain; a chain that is further on already has been, or will be, told by others."""
    for _ in range(_TRIES):
        now = await deps.incidents.read(incident_id)
        open_plans = [plan.id for plan in now.value.plans if plan.anchor_seq is None]
        counted = {plan: await deps.activity.plan_count(incident_id, plan) for plan in open_plans}
        changed = await _anchored(settled(now.value, head.counts, counted, sealed=sealed), counted, deps)
        if changed == now.value or await _replaced(changed, now, deps):
            return
    raise ConflictError("the incident changes too fast")


def settled(incident: Incident, counts: Counts, counted: Mapping[PlanId, int], *, sealed: bool = False) -> Incident:
    """The incident with these counts if they are newer, its finished plans, and the state that follows from them.

    Args:
        incident: the incident.
        counts: the counts of its chain.
        counted: how many targets of each plan have reached a terminal state, for the plans without an anchor.
        sealed: whether the end of its chain is kept because it is closed.
    """
    newest = counts if counts.counted_to > incident.counts.counted_to else incident.counts
    plans = tuple(
        plan.model_copy(update={"state": PlanState.FINISHED})
        if counted.get(plan.id, 0) >= plan.targets and not unsearched(plan)
        else plan
        for plan in incident.plans
    )
    update = {"counts": newest, "plans": plans, "sealed": incident.sealed or sealed}
    return incident.model_copy(update=update).with_state()


async def _anchored(incident: Incident, counted: Mapping[PlanId, int], deps: Deps) -> Incident:
    """The incident with an anchor for each finished plan whose targets are all counted."""
    ended = [
        plan
        for plan in incident.plans
        if plan.state is PlanState.FINISHED and 0 < plan.targets <= counted.get(plan.id, 0)
    ]
    if not ended:
        return incident
    # Read after the counts: this end of the chain has all that was counted.
    end = await deps.activity.head(incident.id)
    head = end.value if end else Head(incident_id=incident.id)
    # Before the incident says so: a finished plan without its anchor would look like tampering.
    marks = {plan.id: await anchor(head, plan.id, deps.now(), deps.evidence) for plan in ended}
    plans = tuple(
        plan.model_copy(update={"anchor_seq": marks[plan.id].seq}) if plan.id in marks else plan
        for plan in incident.plans
    )
    return incident.model_copy(update={"plans": plans})


async def _close(message: CloseIncident, deps: Deps) -> Incident:
    now = await deps.incidents.read(message.incident_id)
    if now.value.closed_at is not None:
        # This message again, or another one that came second.
        return now.value
    command = Command(id=message.command_id, kind=message.kind, by=message.by, at=message.at, reason=message.reason)
    closed = now.value.model_copy(
        update={
            "closed_at": message.at,
            "closed_by": message.by,
            "commands": (*now.value.commands, command),
        }
    )
    return (await deps.incidents.replace(closed.with_state(), now.etag)).value


async def _replaced(changed: Incident, now: Versioned[Incident], deps: Deps) -> bool:
    try:
        await deps.incidents.replace(changed, now.etag)
    except ConflictError:
        return False
    return True
