"""What the enrich stage finds out about an alert: a write-once blob that the next stage reads."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from shared.domain.alert import Indicator
from shared.domain.base import Frozen, Instant
from shared.domain.ids import AlertId, IncidentId, derive
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
    """All that is known of some alerts of a case when their plan is made."""

    incident_id: IncidentId
    recipients: tuple[Person, ...]
    """One per address that the alerts name, by address."""
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
    people = {person.address: person for one in enrichments for person in one.recipients}
    return Enrichment(
        incident_id=enrichments[0].incident_id,
        recipients=tuple(people[address] for address in sorted(people)),
        privileged=tuple(sorted({key for one in enrichments for key in one.privileged})),
        protected=tuple(sorted({key for one in enrichments for key in one.protected})),
        decisions={key: decision for one in enrichments for key, decision in one.decisions.items()},
        notes=tuple(sorted({note for one in enrichments for note in one.notes})),
    )
