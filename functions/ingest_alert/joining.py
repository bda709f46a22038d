"""Which case an alert belongs to."""

from functions.ingest_alert.models import Deps
from shared.domain.alert import Alert
from shared.domain.ids import AlertId, IncidentId, derive
from shared.domain.incident import AlertLink, Incident, Intake
from shared.domain.message import Message
from shared.errors import ConflictError
from shared.ports.incidents import Joined

# Each time that people close a case, the next alert about the mail opens a successor: more than this is a mistake.
_MAX_SUCCESSORS = 1000


async def join(alert: Alert, deps: Deps, *, repeated: bool) -> tuple[IncidentId, Intake | None]:
    """The case that this alert is in: joined, or opened if no message of the alert had one.

    A case that is closed or full is succeeded by a new one.

    Returns:
        The case, and its intake counter if the alert has joined it just now.

    Raises:
        ConflictError: others keep being first.
    """
    found, owners = await _owners(alert, deps)
    seen = {found, *owners.values()}
    # Owners change. A second delivery begins at the same case as the first one: from there on, the alert is in the
    # first case that was neither closed nor full, and a case that is one of both stays so.
    found = await deps.incidents.assign_message(derive("msg", "alert", alert.id), found)
    seen.add(found)
    if repeated and (joined := await _joined_before(alert.id, seen, deps)):
        return joined, None
    messages = list(_messages(alert).values())
    for _ in range(_MAX_SUCCESSORS):
        outcome, intake = await deps.incidents.join(_link(alert, found), messages, sorted(seen - {found}))
        match outcome:
            case Joined.JOINED | Joined.ALREADY:
                return found, intake
            case Joined.NO_CASE:
                await deps.incidents.open(_opened(alert, found, messages, deps))
            case Joined.CLOSED | Joined.FULL:
                # Its id depends only on the case before it: workers that come at the same time agree on the successor.
                successor = IncidentId(derive("inc", "after", found))
                for key in [key for key, owner in owners.items() if owner == found]:
                    owners[key] = await deps.incidents.reassign_message(key, found, successor)
                found = successor
                seen |= {found, *owners.values()}
    raise ConflictError("too many closed cases about one mail")


async def _owners(alert: Alert, deps: Deps) -> tuple[IncidentId, dict[str, IncidentId]]:
    """The case that the alert's messages lead to, and the one that each of them belongs to."""
    own = IncidentId(derive("inc", alert.id))
    # Sorted: two alerts that share messages ask for the same one first, so that only one of them opens a case.
    owners = {key: await deps.incidents.assign_message(key, own) for key in sorted(_keys(alert))}
    found = next((owner for owner in owners.values() if owner != own), own)
    for key in [key for key, owner in owners.items() if owner == own != found]:
        owners[key] = await deps.incidents.reassign_message(key, own, found)
    return found, owners


def _keys(alert: Alert) -> set[str]:
    return {key for message in alert.messages for key in _keys_of(message, alert)}


def _keys_of(message: Message, alert: Alert) -> frozenset[str]:
    # Two mails of which nothing is known cannot be compared: each opens a case of its own.
    return message.keys or frozenset({derive("msg", "event", alert.source, alert.vendor_alert_id)})


async def _joined_before(alert: AlertId, incidents: set[IncidentId], deps: Deps) -> IncidentId | None:
    """Where a repeated alert is already: in these cases, or in those that they are related to."""
    seen: set[IncidentId] = set()
    while left := incidents - seen:
        for incident_id in sorted(left):
            seen.add(incident_id)
            if await deps.incidents.alert(incident_id, alert) is not None:
                return incident_id
            incidents = incidents | set(await deps.incidents.related(incident_id))
    return None


def _messages(alert: Alert) -> dict[str, Message]:
    # An alert may name one mail twice.
    return {message.key: message.model_copy(update={"recipients": ()}) for message in alert.messages}


def _link(alert: Alert, incident_id: IncidentId) -> AlertLink:
    return AlertLink(
        id=alert.id,
        incident_id=incident_id,
        source=alert.source,
        received_at=alert.received_at,
        severity=alert.severity,
        threat_type=alert.threat_type,
        title=alert.title,
        addresses=sum(len(message.recipients) for message in alert.messages),
    )


def _opened(alert: Alert, incident_id: IncidentId, messages: list[Message], deps: Deps) -> Incident:
    return Incident(id=incident_id, opened_at=deps.now(), title=alert.title, message=next(iter(messages), None))
