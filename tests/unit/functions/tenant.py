"""A small tenant and one alert about it, for the tests of the enrich and expand_recipients stages."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from functions.enrich.handler import handle as enrich
from functions.enrich.models import Deps as EnrichDeps
from functions.expand_recipients.handler import handle as expand
from functions.expand_recipients.models import Deps as ExpandDeps
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType, alert_id
from shared.domain.enrichment import Enrichment, enrichment_path
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import AlertLink, Incident, Plan
from shared.domain.message import Message
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import Target
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients
from shared.pipeline.stage import Outcome
from shared.policy import Policy
from shared.policy.people import PolicyPeople
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.directory import TraceRow
from shared.ports.mailboxes import SentCopy
from shared.settings import Settings
from tests.fakes.alerts import FakeAlerts
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import START, FakeClock
from tests.fakes.directory import FakeDirectory
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.mailboxes import FakeMailboxes
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets

INCIDENT = IncidentId("incident-1")
ALERT = alert_id("tap", "1")
MESSAGE_ID = "<it's-a-trap@evil.example>"
SENDER = "ceo@evil.example"
DELIVERED = START - timedelta(minutes=10)
LEASE_SECONDS = 60

AUTOMATIC = {"version": 1, "rules": [{"name": "all", "then": "automatic"}], "limits": {"mailbox_share": 1.0}}


@dataclass
class Tenant:
    """Fakes, and what they hold. A person's mailbox id is the person's name."""

    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    policy: dict[str, Any] = field(default_factory=lambda: dict(AUTOMATIC))

    def __post_init__(self) -> None:
        self.now = FakeClock()
        self.directory = FakeDirectory(self.checkpoints)
        self.mailboxes = FakeMailboxes(self.checkpoints)
        self.alerts = FakeAlerts(self.checkpoints)
        self.incidents = FakeIncidents(self.checkpoints)
        self.targets = FakeTargets(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            lease_seconds=LEASE_SECONDS,
        )

    def person(self, name: str, *aliases: str, department: str = "Sales") -> Recipient:
        """A user with a mailbox."""
        addresses = (f"{name}@contoso.example", *(f"{alias}@contoso.example" for alias in aliases))
        user = Recipient(
            RecipientKind.USER, addresses[0], name, name.title(), department=department, addresses=addresses
        )
        for address in addresses:
            self.directory.people[address] = user
        self.mailboxes.add_box(name)
        return user

    def group(self, name: str, *members: Recipient, hidden: bool = False) -> Recipient:
        """A group with these direct members."""
        address = f"{name}@contoso.example"
        group = Recipient(RecipientKind.GROUP, address, name, addresses=(address,), hidden_membership=hidden)
        self.directory.people[address] = group
        self.directory.groups[name] = list(members)
        return group

    def traced(self, recipient: str, status: str = "delivered", **changes: Any) -> None:
        """A row of message trace; of the malicious mail, unless told otherwise."""
        known = {
            "received_at": DELIVERED,
            "internet_message_id": MESSAGE_ID,
            "network_message_id": "nmid-1",
            "subject": "Invoice",
            "sender": SENDER,
        }
        self.directory.rows.append(TraceRow(recipient=recipient, status=status, **{**known, **changes}))

    def sent(self, name: str, of: str, message_id: str, *recipients: str, is_forward: bool = True) -> None:
        """A forward or reply in somebody's Sent Items."""
        copy = SentCopy(message_id, "FW: Invoice", START - timedelta(minutes=5), recipients, is_forward)
        self.mailboxes.boxes[name].sent.append((of, copy))

    async def alert(self, *recipients: str, number: int = 1, **changes: Any) -> AlertId:
        """An alert about the malicious mail, joined into the incident."""
        known = {
            "internet_message_id": MESSAGE_ID,
            "sender": SENDER,
            "subject": "Invoice",
            "received_at": DELIVERED,
            "recipients": tuple(f"{name}@contoso.example" if "@" not in name else name for name in recipients),
        }
        alert = Alert(
            id=alert_id("tap", str(number)),
            source="tap",
            vendor_alert_id=str(number),
            received_at=START,
            severity=Severity.HIGH,
            threat_type=ThreatType.PHISH,
            messages=(Message.model_validate({**known, **changes}),),
            evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
        )
        await self.alerts.add(alert)
        link = AlertLink(
            id=alert.id,
            incident_id=INCIDENT,
            source="tap",
            received_at=START + timedelta(milliseconds=number),
            severity=alert.severity,
            threat_type=alert.threat_type,
        )
        await self.incidents.open(Incident(id=INCIDENT, opened_at=START))
        await self.incidents.join(link, alert.messages, [])
        return alert.id

    async def enrich(self) -> Outcome:
        """One delivery to the enrich stage, in a process of its own: nothing is cached."""
        policy = Policy.model_validate(self.policy)
        deps = EnrichDeps(
            alerts=self.alerts,
            incidents=self.incidents,
            directory=self.directory,
            evidence=self.evidence,
            queue=self.queue,
            policy=policy,
            policy_people=PolicyPeople(policy, self.directory, self.now),
            settings=self.settings,
            now=self.now,
        )
        return await enrich(EnrichAlerts(incident_id=INCIDENT), deps)

    async def expand(self) -> Outcome:
        """One delivery to the expand_recipients stage."""
        return await expand(ExpandRecipients(incident_id=INCIDENT), self.expand_deps)

    @property
    def expand_deps(self) -> ExpandDeps:
        """The services of the expand_recipients stage."""
        return ExpandDeps(
            alerts=self.alerts,
            incidents=self.incidents,
            targets=self.targets,
            directory=self.directory,
            mailboxes=self.mailboxes,
            evidence=self.evidence,
            queue=self.queue,
            policy=Policy.model_validate(self.policy),
            settings=self.settings,
            now=self.now,
        )

    @property
    def incident(self) -> Incident:
        """The incident."""
        (incident,) = self.incidents.all
        return incident

    @property
    def plan(self) -> Plan:
        """The only plan."""
        (plan,) = self.plans
        return plan

    @property
    def plans(self) -> list[Plan]:
        """All plans."""
        return self.incidents.of(INCIDENT, Plan)

    @property
    def links(self) -> list[AlertLink]:
        """The alerts of the case."""
        return self.incidents.of(INCIDENT, AlertLink)

    @property
    def enrichment(self) -> Enrichment:
        """What the enrich stage kept of the first alert alone."""
        return Enrichment.model_validate_json(self.evidence.blobs[enrichment_path(INCIDENT, [ALERT])])

    @property
    def enrichments(self) -> list[Enrichment]:
        """All that the enrich stage kept."""
        kept = [content for path, content in self.evidence.blobs.items() if path.startswith("enrichment/")]
        return [Enrichment.model_validate_json(content) for content in kept]

    def reached(self) -> dict[str, str]:
        """The way to each target of the malicious mail or what was made of it, by address."""
        return {t.mailbox.address.partition("@")[0]: way(t) for t in self.targets.all}


def way(target: Target) -> str:
    """The way to a target, without its beginning: `group:sales forward:ann`."""
    hops = [f"{hop.via}:{hop.name.partition('@')[0]}" for hop in target.hops if hop.via != "alert"]
    return " ".join(hops)


def throttled(seconds: float | None = None) -> Refusal:
    """Come back later."""
    return Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429, seconds)
