"""The expand_recipients stage: from the decided alerts of a case to a frozen plan.

decided alerts ─▶ draft of a plan ─▶ who has the mail ─▶ manifest (kept once) ─▶ chunks ─▶ plan ─▶ quarantine, report

A draft is a plan whose alerts are chosen and whose targets are not. It is taken up again after a crash, before another
one is made: plans of a case choose their targets one after the other, so that no target is chosen twice.
"""

from collections import defaultdict
from datetime import timedelta
from functools import partial

from functions.expand_recipients.limits import approval_reasons
from functions.expand_recipients.manifest import ManifestSummary, freeze, identified, manifest_path, read_manifest
from functions.expand_recipients.models import Deps
from functions.expand_recipients.reservation import release, reserve
from functions.expand_recipients.search import search
from functions.expand_recipients.trace import Traces
from functions.expand_recipients.watch import started, watch_case
from shared.domain.alert import Alert
from shared.domain.enrichment import Enrichment, merged
from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.incident import (
    MAX_PLAN_ALERTS,
    UNREADABLE,
    Action,
    AlertLink,
    AlertStep,
    Incident,
    Plan,
    PlanState,
    plan_id,
    together,
)
from shared.domain.tenant import Amount
from shared.domain.undone import MAX_ON_PLAN, UndoneBefore, by_message, undone_before
from shared.errors import NotFoundError, UnavailableError
from shared.pipeline.case_lease import alone
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import ChunkChanged, ExpandRecipients, IncidentChanged, LookAtChunk, Payload, PullChunk
from shared.pipeline.stage import Outcome
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned

# A limit that cannot be computed holds the plan, but not before the directory had some time to answer.
_MAX_WAIT = timedelta(minutes=5)

LOOKED_AT_BEFORE = "looked_at_before"
"""The note that earlier plans of the case have these targets: the plan opens their next look."""


async def handle(message: ExpandRecipients, deps: Deps) -> Outcome:
    """Make the plans of a case that are to be made."""
    return await alone(message, partial(_plan_some, message.incident_id, deps), deps)


async def _plan_some(incident_id: IncidentId, deps: Deps) -> bool:
    """Make one plan, or else the run of the watch that is due; False if nothing is left."""
    plan = await _unfinished(incident_id, deps)
    if plan is None:
        return await watch_case(incident_id, deps)
    if plan.state is PlanState.DRAFT:
        plan, summary = await _made(plan, deps)
    else:
        # An earlier delivery recorded the plan, and died before it had sent everything.
        summary = await read_manifest(plan.manifest, deps.evidence)
    await deps.queue.send_all(_what_follows(plan, summary), correlation_id=incident_id)
    if plan.state is PlanState.AWAITING_APPROVAL:
        emit(Event.PLAN_WAITS, incident_id=incident_id, plan_id=plan.id)
    else:
        await _open_looks(plan, summary, deps)
    await _mark_dispatched(plan, deps)
    return True


async def _unfinished(incident_id: IncidentId, deps: Deps) -> Plan | None:
    """A plan that is not dispatched, or else a draft for decided alerts that policy treats alike. None: all is done.

    Both are read under the ETag of the header: a worker whose lease has ended makes no second draft beside the first.
    """
    made: Plan | None = None

    async def change(now: Incident) -> Change | None:
        nonlocal made
        made = await deps.incidents.undispatched_plan(incident_id)
        if made is not None:
            return None
        decided = await deps.incidents.alerts_at(incident_id, AlertStep.DECIDED, MAX_PLAN_ALERTS)
        alike = [one for one in decided if _rule_of(one.value) == _rule_of(decided[0].value)]
        if not alike:
            return None
        alike = alike[: together([one.value for one in alike])]
        alerts = tuple(one.value.id for one in alike)
        key = plan_id(incident_id, alerts)
        made = Plan(
            id=key,
            incident_id=incident_id,
            alert_ids=alerts,
            enrichments=tuple(dict.fromkeys(one.value.enrichment for one in alike if one.value.enrichment)),
            created_at=deps.now(),
            state=PlanState.DRAFT,
        )
        planned = [
            Versioned(one.value.model_copy(update={"step": AlertStep.PLANNED, "plan_id": key}), one.etag)
            for one in alike
        ]
        return Change(now, create=[made], replace=planned)

    await deps.incidents.update(incident_id, change)
    return made


def _rule_of(link: AlertLink) -> tuple[Action, str] | None:
    return (link.decision.action, link.decision.rule) if link.decision else None


async def _made(draft: Plan, deps: Deps) -> tuple[Plan, ManifestSummary]:
    """The plan of this draft: its targets are found, frozen and written, and the case knows it."""
    alerts, enrichment = await _inputs(draft, deps)
    path = manifest_path(draft.incident_id, draft.id)
    try:
        summary = await read_manifest(path, deps.evidence, deps.targets.add_chunk)
    except NotFoundError:
        await _freeze(path, draft, alerts, enrichment, deps)
        summary = await read_manifest(path, deps.evidence, deps.targets.add_chunk)
    return await _record(draft, path, summary, alerts, enrichment, deps), summary


async def _inputs(draft: Plan, deps: Deps) -> tuple[list[Alert], Enrichment]:
    alerts = await deps.alerts.read_all(draft.alert_ids)
    kept = [Enrichment.model_validate_json(await deps.evidence.read(path)) for path in draft.enrichments]
    return alerts, merged(kept)


async def _freeze(path: str, draft: Plan, alerts: list[Alert], enrichment: Enrichment, deps: Deps) -> None:
    """Find everybody who has the mail, and keep who is new as the plan's manifest."""
    known_to_case = partial(deps.targets.known, draft.incident_id)
    traces = Traces(draft.incident_id, deps.evidence, deps.now)
    found = await search(
        alerts, enrichment, deps, known=known_to_case, traces=traces, watch=draft.watch, follow_known=draft.watch
    )
    places = identified(draft.incident_id, found.tree)
    # The watch asks for its looks by itself, where something can be new.
    again = () if draft.watch else found.known
    lost = len(draft.alert_ids) - len(alerts)
    if lost:
        emit(Event.PROBLEM, type=UNREADABLE, incident=draft.incident_id, plan=draft.id, alerts=lost)
    unread = (f"{UNREADABLE}: {lost}",) if lost else ()
    notes = (*found.notes, *unread, *((f"{LOOKED_AT_BEFORE}: {len(again)}",) if again else ()))
    lines = freeze(draft, places, found.tree, known=found.known, notes=notes, look_again=again)
    await deps.evidence.keep_lines(path, lines)


async def _record(
    draft: Plan, path: str, summary: ManifestSummary, alerts: list[Alert], enrichment: Enrichment, deps: Deps
) -> Plan:
    """Put the plan on the case: running, held by a limit, or finished because there is nothing to do.

    What is to run without a person takes its share of the tenant's budget first: after a crash in between, the plan
    comes again and finds its share taken.
    """
    now, decision = deps.now(), enrichment.decisions[draft.alert_ids[0]]
    total = await _mailbox_total(enrichment, deps) if summary.pending else 0
    recorded = draft

    async def change(case: Incident) -> Change | None:
        nonlocal recorded
        stored = await deps.incidents.plan(draft.incident_id, draft.id)
        if stored is None or stored.value.state is not PlanState.DRAFT:
            recorded = stored.value if stored else draft
            return None
        # Read here, under the ETag of the case: an undo in this case that is recorded first has changed the header.
        undone = await _undone_before(alerts, summary, deps)
        reasons = approval_reasons(
            deps.policy, decision, alerts, summary, incident=case, mailbox_total=total, undone=len(undone)
        )
        if not reasons and summary.pending:
            wanted = Amount(targets=summary.pending, mailboxes=summary.pending_mailboxes)
            # Without the total it would have a reason already.
            reasons = await reserve(draft.id, wanted, total or 0, deps)
        running = PlanState.RUNNING if summary.pending else PlanState.FINISHED
        changes = {
            "hash": summary.hash,
            "manifest": path,
            "targets": summary.targets,
            "mailboxes": summary.mailboxes,
            "chunks": len(summary.chunks),
            "pending": summary.pending,
            "pending_mailboxes": summary.pending_mailboxes,
            "state": PlanState.AWAITING_APPROVAL if reasons else running,
            "approval_reasons": reasons,
            "undone": tuple(undone[:MAX_ON_PLAN]),
            "notes": summary.notes,
            "planned_at": now,
            "unrecorded": True,
        }
        recorded = stored.value.model_copy(update=changes)
        header = case.with_plan(PlanState.DRAFT, recorded.state).changed(
            planned=case.planned + (0 if recorded.watch else len(recorded.alert_ids)),
            targets=case.targets + recorded.targets,
            unapproved_targets=case.unapproved_targets + recorded.pending,
            unapproved_mailboxes=case.unapproved_mailboxes + recorded.pending_mailboxes,
        )
        return Change(header, replace=[Versioned(recorded, stored.etag)])

    await deps.incidents.update(draft.incident_id, change)
    if recorded.state is PlanState.AWAITING_APPROVAL:
        # An earlier try may have taken a share, before something else made the plan wait.
        await release(draft.id, deps)
    return recorded


async def _undone_before(alerts: list[Alert], summary: ManifestSummary, deps: Deps) -> list[UndoneBefore]:
    """Messages of the plan that a person undid before, in whatever case; none if there is nothing to pull."""
    if not summary.pending:
        return []
    named = [message for alert in alerts for message in alert.messages]
    messages = by_message(named, summary.internet_message_ids)
    return undone_before(messages, await deps.undone.recall({key for keys in messages.values() for key in keys}))


async def _mark_dispatched(plan: Plan, deps: Deps) -> None:
    async def change(case: Incident) -> Change | None:
        stored = await deps.incidents.plan(plan.incident_id, plan.id)
        if stored is None or stored.value.dispatched:
            return None
        if plan.state is PlanState.AWAITING_APPROVAL and stored.value.state is not plan.state:
            # Approved meanwhile: what waited for that is to be sent.
            return None
        sent = Versioned(stored.value.model_copy(update={"dispatched": True}), stored.etag)
        begun, longer = await started(stored.value, deps)
        return Change(case, create=begun, replace=[sent, *longer])

    await deps.incidents.update(plan.incident_id, change)


async def _mailbox_total(enrichment: Enrichment, deps: Deps) -> int | None:
    try:
        return await deps.directory.mailbox_count()
    except UnavailableError:
        automatic = any(one.action is Action.AUTOMATIC for one in enrichment.decisions.values())
        if automatic and deps.now() - enrichment.decided_at < _MAX_WAIT:
            raise
        return None


async def _open_looks(plan: Plan, summary: ManifestSummary, deps: Deps) -> None:
    """Ask for the next look at what earlier plans took, where it was looked at before these alerts came.

    A burst of alerts about one mail does not use up the looks: the first plan has looked after all of them came.
    """
    if not summary.look_again:
        return
    alerts = await deps.alerts.read_all(plan.alert_ids)
    places = await deps.targets.places(plan.incident_id, summary.look_again)
    chunks: defaultdict[ChunkId, list[TargetId]] = defaultdict(list)
    for target, chunk in sorted(places.items()):
        chunks[chunk].append(target)
    await deps.queue.send_all(
        [
            LookAtChunk(
                incident_id=plan.incident_id,
                chunk_id=chunk,
                targets=tuple(targets),
                opener=plan.id,
                since=max((alert.received_at for alert in alerts), default=plan.created_at),
            )
            for chunk, targets in chunks.items()
        ],
        correlation_id=plan.incident_id,
    )


def _what_follows(plan: Plan, summary: ManifestSummary) -> list[Payload]:
    follows: list[Payload] = [IncidentChanged(incident_id=plan.incident_id)]
    for chunk in summary.chunks:
        if chunk.has_terminal:
            follows.append(ChunkChanged(incident_id=plan.incident_id, chunk_id=chunk.id))
        if plan.state is PlanState.RUNNING and chunk.has_pending:
            follows.append(PullChunk(incident_id=plan.incident_id, chunk_id=chunk.id))
    return follows
