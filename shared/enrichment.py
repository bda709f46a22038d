"""What the enrich stage finds out about an alert: a write-once blob that the next stage reads."""

from shared.domain.alert import Indicator
from shared.domain.base import Frozen
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import Decision
from shared.ports.answers import RefusalKind
from shared.ports.directory import MailboxKind, Recipient, RecipientKind


class Person(Frozen):
    """Who is behind an address that the alert names."""

    address: str
    kind: RecipientKind
    id: str | None = None
    name: str | None = None
    department: str | None = None
    job_title: str | None = None
    addresses: tuple[str, ...] = ()
    hidden_membership: bool = False
    mailbox: MailboxKind | None = None
    no_mailbox: RefusalKind | None = None
    """Why the mailbox cannot be worked in, if that is already known."""
    code: str | None = None
    """Graph's error code behind `no_mailbox`, or behind an address that the directory refused."""
    privileged: bool = False
    protected: bool = False

    @property
    def recipient(self) -> Recipient:
        """The directory object as the directory told it."""
        return Recipient(
            kind=self.kind,
            address=self.address,
            id=self.id,
            name=self.name,
            department=self.department,
            job_title=self.job_title,
            addresses=self.addresses,
            hidden_membership=self.hidden_membership,
        )


class Enrichment(Frozen):
    """All that is known of one alert when its plan is made."""

    incident_id: IncidentId
    alert_id: AlertId
    recipients: tuple[Person, ...]
    """One per address that the alert names, by address."""
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
