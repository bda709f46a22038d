"""Which incident an alert belongs to."""

from functions.ingest_alert.models import Deps
from shared.domain.alert import Alert
from shared.domain.ids import AlertId, IncidentId, derive
from shared.domain.incident import AlertLink, Incident
from shared.domain.message import Message
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

# An incident is one document, of at most 2 MB (Cosmos DB service limit). A link with its plan is under 2.5 KB and a
# message under 4 KB, at their longest.
MAX_ALERTS = 300
MAX_MESSAGES = 200

# Alerts about one mail come in bursts: losing a race is settled here, not by another turn of the whole payload.
_TRIES = 5


async def join(alert: Alert, deps: Deps, *, repeated: bool) -> Incident:
    """The incident that this alert is in: joined, or opened if no message of the alert had one.

    An incident that is closed or full is succeeded by a new one. Raises ConflictError if others keep being first.
    """
    for _ in range(_TRIES - 1):
        try:
            return await _join(alert, deps, repeated=repeated)
        except ConflictError:
            continue
    return await _join(alert, deps, repeated=repeated)


async def _join(alert: Alert, deps: Deps, *, repeated: bool) -> Incident:
    found, claims = await _claim(alert, deps)
    seen = {found, *claims.values()}
    if repeated and (joined := await _joined_before(alert.id, seen, deps)):
        return joined
    while (now := await _read(found, deps)) and not _takes(now.value, alert):
        # Named after the one before it alone: whoever comes at the same time means the same successor.
        successor = IncidentId(derive("inc", "after", found))
        for key in [key for key, claimed in claims.items() if claimed == found]:
            claims[key] = await deps.incidents.move_claim(key, found, successor)
        found = successor
        seen |= {found, *claims.values()}
    return await _add(alert, found, now, seen - {found}, deps)


async def _claim(alert: Alert, deps: Deps) -> tuple[IncidentId, dict[str, IncidentId]]:
    """The incident that the alert's messages lead to, and what each of them belongs to."""
    own = IncidentId(derive("inc", alert.id))
    # Sorted: of two alerts that share messages, both ask for the same one first, and its winner opens.
    claims = {key: await deps.incidents.claim_message(key, own) for key in sorted(_keys(alert))}
    found = next((incident for incident in claims.values() if incident != own), own)
    for key in [key for key, claimed in claims.items() if claimed == own != found]:
        claims[key] = await deps.incidents.move_claim(key, own, found)
    return found, claims


def _keys(alert: Alert) -> set[str]:
    return {key for message in alert.messages for key in _keys_of(message, alert)}


def _keys_of(message: Message, alert: Alert) -> set[str]:
    """All that another report of the same mail might know it by."""
    if message.internet_message_id or message.network_message_id:
        without = message.model_copy(update={"internet_message_id": None})
        return {message.key, without.key if message.network_message_id else message.key}
    if message.received_at and (message.sender or message.subject):
        return {message.key}
    # Nothing tells it from other mails that nothing is known of: it joins nobody.
    return {derive("msg", "event", alert.source, alert.vendor_alert_id)}


async def _joined_before(alert: AlertId, incidents: set[IncidentId], deps: Deps) -> Incident | None:
    """Where a repeated alert is already: in these incidents, or in those that they are related to."""
    seen: set[IncidentId] = set()
    while left := incidents - seen:
        for incident_id in sorted(left):
            seen.add(incident_id)
            if (incident := await _read(incident_id, deps)) is None:
                continue
            link = incident.value.alert(alert)
            # Closed before it was decided: nobody will decide it there any more, so it goes on to the successor.
            if link and (link.decision is not None or incident.value.closed_at is None):
                return incident.value
            incidents = incidents | set(incident.value.related)
    return None


def _takes(incident: Incident, alert: Alert) -> bool:
    open_ = incident.closed_at is None
    messages = len(incident.messages) + len(alert.messages)
    return open_ and len(incident.alerts) < MAX_ALERTS and messages <= MAX_MESSAGES


async def _add(
    alert: Alert, found: IncidentId, now: Versioned[Incident] | None, related: set[IncidentId], deps: Deps
) -> Incident:
    link = AlertLink(
        id=alert.id,
        source=alert.source,
        received_at=alert.received_at,
        severity=alert.severity,
        threat_type=alert.threat_type,
        title=alert.title,
    )
    # An alert may tell twice of one mail.
    messages = {message.key: message.model_copy(update={"recipients": ()}) for message in alert.messages}
    if now is None:
        incident = Incident(
            id=found,
            opened_at=deps.now(),
            title=alert.title,
            alerts=(link,),
            messages=tuple(messages.values()),
            related=tuple(sorted(related)),
        )
        if not await deps.incidents.add(incident):
            raise ConflictError("incident opened by another alert")
        return incident
    incident = now.value
    if incident.alert(alert.id):
        return incident
    known = {message.key for message in incident.messages}
    joined = incident.model_copy(
        update={
            "alerts": (*incident.alerts, link),
            "messages": (*incident.messages, *(m for key, m in messages.items() if key not in known)),
            "related": tuple(sorted({*incident.related, *related})),
        }
    )
    return (await deps.incidents.replace(joined.with_state(), now.etag)).value


async def _read(incident_id: IncidentId, deps: Deps) -> Versioned[Incident] | None:
    try:
        return await deps.incidents.read(incident_id)
    except NotFoundError:
        return None
