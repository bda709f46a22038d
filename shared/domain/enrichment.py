"""What the enrich stage finds out about an alert: a write-once blob that the next stage reads."""

from shared.domain.base import Frozen
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import Decision
from shared.domain.indicators import Indicator
from shared.domain.recipient import Recipient


class Enrichment(Frozen):
    """All that is known of one alert when its plan is made."""

    incident_id: IncidentId
    alert_id: AlertId
    recipients: tuple[Recipient, ...]
    """One per address that the alert names, sorted by address."""
    privileged: tuple[str, ...] = ()
    """Ids of all privileged people of the tenant, among the recipients or not."""
    protected: tuple[str, ...] = ()
    """Ids of all protected people of the tenant."""
    indicators: tuple[Indicator, ...] = ()
    decision: Decision
    notes: tuple[str, ...] = ()
    """What could not be found out, and why."""


def enrichment_path(incident: IncidentId, alert: AlertId) -> str:
    """Where the enrichment is kept among the evidence."""
    return f"enrichment/{incident}/{alert}.json"
