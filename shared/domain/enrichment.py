"""What the enrich stage finds out about alerts: a write-once blob that the next stage reads."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from shared.domain.base import Frozen, Instant
from shared.domain.ids import AlertId, IncidentId, derive
from shared.domain.incident import Decision
from shared.domain.indicators import Indicator
from shared.domain.recipient import Recipient


class Enrichment(Frozen):
    """All that is known of some alerts of a case when their plan is made."""

    incident_id: IncidentId
    recipients: tuple[Recipient, ...]
    """One per address that the alerts name, sorted by address."""
    privileged: tuple[str, ...] = ()
    """Ids of all privileged people of the tenant, among the recipients or not."""
    protected: tuple[str, ...] = ()
    """Ids of all protected people of the tenant."""
    indicators: dict[str, tuple[Indicator, ...]] = Field(default_factory=dict)
    """By alert id."""
    decisions: dict[str, Decision]
    """By alert id."""
    notes: tuple[str, ...] = ()
    """What could not be found out, and why."""

    @property
    def decided_at(self) -> Instant:
        """When the first of the alerts was decided."""
        return min(decision.at for decision in self.decisions.values())


def enrichment_path(incident: IncidentId, alerts: Iterable[AlertId]) -> str:
    """Where the enrichment of these alerts is kept among the evidence."""
    return f"enrichment/{incident}/{derive('alerts', *sorted(alerts))}.json"


def merged(enrichments: Sequence[Enrichment]) -> Enrichment:
    """What several enrichments of one case say together; of one address, what the last of them found."""
    recipients = {recipient.address: recipient for one in enrichments for recipient in one.recipients}
    return Enrichment(
        incident_id=enrichments[0].incident_id,
        recipients=tuple(recipients[address] for address in sorted(recipients)),
        privileged=tuple(sorted({key for one in enrichments for key in one.privileged})),
        protected=tuple(sorted({key for one in enrichments for key in one.protected})),
        decisions={key: decision for one in enrichments for key, decision in one.decisions.items()},
        notes=tuple(sorted({note for one in enrichments for note in one.notes})),
    )
