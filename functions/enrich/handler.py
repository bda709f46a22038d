"""The enrich stage: who the recipients are, what the alert indicates, how urgent it is, what policy says."""

from functions.enrich.indicators import collect
from functions.enrich.models import Deps
from functions.enrich.people import recipients
from functions.enrich.priority import score
from shared.domain.alert import Alert
from shared.domain.enrichment import Enrichment, enrichment_path
from shared.domain.ids import IncidentId
from shared.domain.incident import Action, AlertLink, Incident
from shared.domain.recipient import RecipientKind
from shared.errors import NotFoundError
from shared.pipeline.payloads import EnrichAlert, ExpandRecipients, IncidentChanged
from shared.pipeline.stage import Done, Outcome, Reject
from shared.policy import PolicyInput, decide


async def handle(message: EnrichAlert, deps: Deps) -> Outcome:
    """Find out, decide, and hand on; what an earlier delivery found out and decided stays."""
    incident = await deps.incidents.read(message.incident_id)
    if incident.value.alert(message.alert_id) is None:
        return Reject("alert_not_joined", "the incident does not know this alert")
    path = enrichment_path(message.incident_id, message.alert_id)
    try:
        kept = await deps.evidence.read(path)
    except NotFoundError:
        alert = await deps.alerts.read(message.alert_id)
        found = await enrich(message.incident_id, alert, deps)
        await deps.evidence.keep(path, found.model_dump_json(exclude_none=True).encode(), "application/json")
        # Somebody else may have been first, with another answer of the directory: what was kept counts.
        kept = await deps.evidence.read(path)
    enrichment = Enrichment.model_validate_json(kept)
    decided = _with_decision(incident.value, enrichment)
    if decided != incident.value:
        await deps.incidents.replace(decided, incident.etag)
    changed = IncidentChanged(incident_id=message.incident_id)
    await deps.queue.send(changed, correlation_id=message.incident_id)
    if enrichment.decision.action is not Action.IGNORE:
        expand = ExpandRecipients(incident_id=message.incident_id, alert_id=message.alert_id, enrichment=path)
        await deps.queue.send(expand, correlation_id=message.incident_id)
    return Done()


async def enrich(incident_id: IncidentId, alert: Alert, deps: Deps) -> Enrichment:
    """All that can be found out about the alert, and the decision that follows."""
    addresses = sorted({address.lower() for message in alert.messages for address in message.recipients})
    named = await deps.policy_people.read()
    people = await recipients(addresses, named, deps.directory)
    special_people = sum(person.privileged for person in people)
    now = deps.now()
    priority = score(
        alert,
        recipients=len(people),
        groups=sum(person.kind is RecipientKind.GROUP for person in people),
        privileged=special_people,
        now=now,
    )
    facts = PolicyInput(alert=alert, priority=priority, recipients=len(people), privileged=special_people, at=now)
    return Enrichment(
        incident_id=incident_id,
        alert_id=alert.id,
        recipients=people,
        privileged=tuple(sorted(named.privileged)),
        protected=tuple(sorted(named.protected)),
        indicators=collect(alert),
        decision=decide(deps.policy, facts),
        notes=named.notes,
    )


def _with_decision(incident: Incident, enrichment: Enrichment) -> Incident:
    """The incident with the alert's decision; as it was if it has one."""

    def decided(link: AlertLink) -> AlertLink:
        if link.id != enrichment.alert_id or link.decision is not None:
            return link
        return link.model_copy(update={"decision": enrichment.decision})

    return incident.model_copy(update={"alerts": tuple(map(decided, incident.alerts))}).with_state()
