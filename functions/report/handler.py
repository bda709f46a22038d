"""The report stage: audit events into the chain, sums onto the case, plans and the case into their next state.

chunk changed · case changed · close asked
      │
      ▼
audit events of what the documents say now ─▶ chain (each once; the sums in the same batch)
      │
      ▼
anchors of what is finished ─▶ header of the case: sums, finished plans, state (under its ETag)
"""

from collections.abc import Sequence
from functools import partial

from functions.report.audit_events import of_document, of_targets
from functions.report.chain import CLOSED, anchor, record
from functions.report.models import Deps
from shared.domain.activity import Head
from shared.domain.batch import MAX_BATCH_BYTES, batch_size
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import CaseDocument, Incident, Plan, PlanState, unsearched
from shared.pipeline.case_lease import alone
from shared.pipeline.payloads import ChunkChanged, CloseIncident, IncidentChanged, ReportMessage
from shared.pipeline.stage import Done, Outcome, RetryLater
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned

# Documents that are recorded together, in one transactional batch with the header; it takes 100.
_RECORDED_AT_ONCE = 48

# They are written in one batch with the header, which has the rest.
_RECORDED_BYTES = MAX_BATCH_BYTES - 200_000


async def handle(message: ReportMessage, deps: Deps) -> Outcome:
    """Handle one message of the report queue."""
    match message:
        case ChunkChanged():
            chunk, targets = await deps.targets.read_chunk(message.chunk_id)
            head = await record(message.incident_id, of_targets(targets, deps.now()), deps.activity)
            await _update(message.incident_id, head, [], [chunk.value.plan_id], deps)
            return Done()
        case IncidentChanged():
            return await alone(message, partial(_record_some, message.incident_id, deps), deps)
        case CloseIncident():
            return await _close(message, deps)


async def _record_some(incident_id: IncidentId, deps: Deps) -> bool:
    """Record the documents of which something is not in the chain yet; False if there were none."""
    documents = _that_fit(await deps.incidents.unrecorded(incident_id, _RECORDED_AT_ONCE))
    if not documents:
        return False
    events = sorted((one for found in documents for one in of_document(found.value)), key=lambda one: one.event.at)
    head = await record(incident_id, events, deps.activity)
    if any(isinstance(one.value, Incident) and one.value.closed_at is not None for one in documents):
        # Before the case says that it is closed: a missing anchor would look like tampering.
        await anchor(head, CLOSED, deps.now(), deps.evidence)
    plans = [one.value.id for one in documents if isinstance(one.value, Plan)]
    await _update(incident_id, head, documents, plans, deps)
    return True


def _that_fit(documents: Sequence[Versioned[CaseDocument]]) -> list[Versioned[CaseDocument]]:
    """The first of these documents, as many as one batch takes: a command that names a thousand targets has 50 KB."""
    fit: list[Versioned[CaseDocument]] = []
    size = 0
    for one in documents:
        size += batch_size([one.value.to_document()])
        if fit and size > _RECORDED_BYTES:
            break
        fit.append(one)
    return fit


async def _update(
    incident_id: IncidentId,
    head: Head,
    recorded: Sequence[Versioned[CaseDocument]],
    plans: Sequence[PlanId],
    deps: Deps,
) -> None:
    """Bring the case up to its chain: sums, recorded documents, finished plans.

    Args:
        incident_id: the case.
        head: the end of the chain, with the sums.
        recorded: documents whose audit events are in the chain; one that changed since stays unrecorded.
        plans: plans that may have finished.
        deps: services.
    """

    async def change(now: Incident) -> Change | None:
        header = now if head.counts.counted_to <= now.counts.counted_to else now.changed(counts=head.counts)
        documents: dict[str, Versioned[CaseDocument]] = {}
        unrecorded = await deps.incidents.unrecorded(incident_id, _RECORDED_AT_ONCE) if recorded else []
        current = {one.value.id: one.etag for one in unrecorded}
        for one in recorded:
            if isinstance(one.value, Incident):
                same = (one.value.closed_at is None) == (now.closed_at is None)
                header = header.changed(unrecorded=not same, close_anchored=same and now.closed_at is not None)
            elif current.get(one.value.id) == one.etag:
                documents[one.value.id] = _with(one, unrecorded=False)
        for plan in plans:
            found: Versioned[CaseDocument] | None = documents.get(plan)
            found = found or await deps.incidents.plan(incident_id, plan)
            if found is not None and isinstance(found.value, Plan) and await _finishes(found.value, deps):
                header = header.with_plan(found.value.state, PlanState.FINISHED)
                seq = await _anchored(found.value, deps)
                documents[plan] = _with(found, state=PlanState.FINISHED, anchor_seq=seq)
        return Change(header, replace=list(documents.values())) if documents or header != now else None

    await deps.incidents.update(incident_id, change)


async def _finishes(plan: Plan, deps: Deps) -> bool:
    """Whether all targets of the plan are counted as terminal now, and that was not known yet."""
    known = plan.state is PlanState.FINISHED and (plan.anchor_seq is not None or not plan.targets)
    if plan.state is PlanState.DRAFT or known or unsearched(plan):
        return False
    return await deps.activity.plan_count(plan.incident_id, plan.id) >= plan.targets


async def _anchored(plan: Plan, deps: Deps) -> int | None:
    """Keep the end of the chain as evidence for a finished plan; where it is. A plan without targets has no anchor."""
    if not plan.targets:
        return None
    # Read after the counts: this end of the chain has all that was counted.
    end = await deps.activity.head(plan.incident_id)
    head = end.value if end else Head(incident_id=plan.incident_id)
    # Before the plan says that it is finished: without its anchor it would look like tampering.
    return (await anchor(head, plan.id, deps.now(), deps.evidence)).seq


def _with(document: Versioned[CaseDocument], **changes: object) -> Versioned[CaseDocument]:
    return Versioned(document.value.model_copy(update=changes), document.etag)


async def _close(message: CloseIncident, deps: Deps) -> Outcome:
    """Close the case, unless an alert of it has no plan yet; no alert joins it in the same moment."""
    waits = False

    async def change(now: Incident) -> Change | None:
        nonlocal waits
        if now.closed_at is not None:
            # This message again, or another one that came second.
            return None
        intake = await deps.incidents.intake(message.incident_id)
        waits = now.changed(alerts=intake.value.alerts).unplanned
        if waits:
            return None
        closed = now.changed(closed_at=message.at, closed_by=message.by, unrecorded=True)
        shut = Versioned(intake.value.model_copy(update={"open": False}), intake.etag)
        return Change(closed, create=[message.to_command()], intake=shut)

    await deps.incidents.update(message.incident_id, change)
    if waits:
        return RetryLater("an alert of the case has no plan yet")
    changed = IncidentChanged(incident_id=message.incident_id)
    return await alone(changed, partial(_record_some, message.incident_id, deps), deps)
