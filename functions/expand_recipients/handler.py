"""The expand_recipients stage: from an alert's addresses to a frozen plan."""

from asyncio import gather
from datetime import timedelta
from functools import partial

from functions.expand_recipients.limits import approval_reasons
from functions.expand_recipients.manifest import Manifest, freeze, identified, manifest_hash, manifest_path
from functions.expand_recipients.models import Deps
from functions.expand_recipients.search import search
from functions.expand_recipients.trace import Traces
from functions.expand_recipients.turn import record, take_turn, write_chunks
from shared.domain.alert import Alert
from shared.domain.enrichment import Enrichment
from shared.domain.incident import Action, Incident, Plan, PlanState, plan_id
from shared.errors import NotFoundError, UnavailableError
from shared.pipeline.payloads import ChunkChanged, ExpandRecipients, IncidentChanged, Payload, PullChunk
from shared.pipeline.stage import Done, Outcome, Reject, RetryLater

# Choosing takes well under a second for most plans.
_TURN_SECONDS = 1.0
# A limit that cannot be computed holds the plan, but not before the directory had some time to answer.
_PATIENCE = timedelta(minutes=5)


LOOKED_AT_BEFORE = "looked_at_before"
"""The note that earlier plans of the case have these targets, which are not looked at again."""


async def handle(message: ExpandRecipients, deps: Deps) -> Outcome:
    """Find everybody who has the mail, freeze who is new, and let the pull begin or wait for a person."""
    incident, alert, kept = await gather(
        deps.incidents.read(message.incident_id),
        deps.alerts.read(message.alert_id),
        deps.evidence.read(message.enrichment),
    )
    if incident.value.alert(message.alert_id) is None:
        return Reject("alert_not_joined", "the incident does not know this alert")
    enrichment = Enrichment.model_validate_json(kept)
    path = manifest_path(message.incident_id, plan_id(message.incident_id, message.alert_id))
    try:
        content = await deps.evidence.read(path)
    except NotFoundError:
        known_to_case = partial(deps.targets.known, message.incident_id)
        traces = Traces(message.incident_id, deps.evidence, deps.now)
        found = await search([alert], enrichment, deps, known=known_to_case, traces=traces)
        if not await take_turn(message.incident_id, message.alert_id, deps):
            return RetryLater("another plan chooses", _TURN_SECONDS)
        places = identified(message.incident_id, found.tree)
        known = await deps.targets.known(message.incident_id, list(places))
        # One plan looks at each of them once: whoever sends the same Message-ID again counts on that.
        again = (f"{LOOKED_AT_BEFORE}: {len(known)}",) if known else ()
        notes = (*found.notes, *again)
        ours = freeze(message.incident_id, message.alert_id, places, found.tree, known=known, notes=notes)
        content = ours.to_bytes()
        won = await deps.evidence.keep(path, content, "application/json")
        if won.sha256 != manifest_hash(content):
            # Another delivery was first: what was kept is the plan.
            content = await deps.evidence.read(path)
    manifest = Manifest.model_validate_json(content)
    await write_chunks(manifest, deps)
    plan = await _record(manifest, manifest_hash(content), alert, enrichment, deps)
    await deps.queue.send_all(_what_follows(manifest, plan), correlation_id=message.incident_id)
    return Done()


async def _record(manifest: Manifest, digest: str, alert: Alert, enrichment: Enrichment, deps: Deps) -> Plan:
    """Put the plan on the incident: running, held by a limit, or finished because there is nothing to do."""
    now, pending = deps.now(), manifest.pending
    total = await _mailbox_total(enrichment, deps) if pending else 0

    def make(incident: Incident) -> Plan:
        held = approval_reasons(
            deps.policy, enrichment.decision, alert, manifest, incident=incident, mailbox_total=total
        )
        running = PlanState.RUNNING if pending else PlanState.FINISHED
        return Plan(
            id=manifest.plan_id,
            alert_id=manifest.alert_id,
            hash=digest,
            manifest=manifest_path(manifest.incident_id, manifest.plan_id),
            targets=len(manifest.targets),
            mailboxes=len({target.mailbox.id for target in manifest.targets} - {None}),
            chunks=len({target.chunk_id for target in manifest.targets}),
            state=PlanState.AWAITING_APPROVAL if held else running,
            approval_reasons=held,
            notes=manifest.notes,
            planned_at=now,
        )

    return await record(manifest.incident_id, make, deps)


async def _mailbox_total(enrichment: Enrichment, deps: Deps) -> int | None:
    try:
        return await deps.directory.mailbox_count()
    except UnavailableError:
        if enrichment.decision.action is Action.AUTOMATIC and deps.now() - enrichment.decision.at < _PATIENCE:
            raise
        return None


def _what_follows(manifest: Manifest, plan: Plan) -> list[Payload]:
    """Sent on every delivery: an earlier one may have died after its commit."""
    follows: list[Payload] = [IncidentChanged(incident_id=manifest.incident_id)]
    for chunk, targets in manifest.chunks():
        if any(target.terminal for target in targets):
            follows.append(ChunkChanged(incident_id=manifest.incident_id, chunk_id=chunk.id))
        if plan.state is PlanState.RUNNING and not all(target.terminal for target in targets):
            follows.append(PullChunk(incident_id=manifest.incident_id, chunk_id=chunk.id))
    return follows
