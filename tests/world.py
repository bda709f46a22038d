"""One tenant and one case on the fakes: what the tests of all stages begin with.

A stage's tests derive their class from `World`, with the few methods that only they need (see
`tests/unit/functions/tenant.py`). Everything happens to the case `INCIDENT` and the mail `MESSAGE_ID`.
"""

from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, TypeVar

from shared.domain.ids import IncidentId
from shared.domain.incident import AlertLink, Incident, Plan
from shared.domain.recipient import Recipient, RecipientKind
from shared.policy import Policy
from shared.policy.people import PolicyPeople
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.directory import TraceRow
from shared.ports.mailboxes import Item, SentCopy
from shared.settings import Settings
from tests.fakes.activity import FakeActivity
from tests.fakes.alerts import FakeAlerts
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import START, FakeClock
from tests.fakes.directory import FakeDirectory
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.mailboxes import FakeMailboxes
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets
from tests.fakes.undone import FakeUndone

D = TypeVar("D")

INCIDENT = IncidentId("incident-1")
MESSAGE_ID = "<it's-a-trap@evil.example>"
SENDER = "ceo@evil.example"
DELIVERED = START - timedelta(minutes=10)
# A process that died cannot end its lease; the tests wait this long instead of six minutes.
LEASE_SECONDS = 60

AUTOMATIC = {"version": 1, "rules": [{"name": "all", "then": "automatic"}], "limits": {"mailbox_share": 1.0}}


@dataclass
class World:
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
        self.undone = FakeUndone(self.checkpoints)
        self.activity = FakeActivity(self.checkpoints)
        self.evidence = FakeEvidence(self.checkpoints)
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            lease_seconds=LEASE_SECONDS,
        )

    def provide(self, deps: type[D]) -> D:
        """An instance of a stage's `Deps`, as a new process has it: by today's policy, and with nothing cached."""
        policy = Policy.model_validate(self.policy)
        made = {"policy": policy, "policy_people": PolicyPeople(policy, self.directory, self.now)}
        names = [one.name for one in fields(deps)]  # type: ignore[arg-type]  # every Deps is a dataclass
        return deps(**{name: made[name] if name in made else getattr(self, name) for name in names})

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

    def mail(self, mailbox: str, folder: str, number: int = 1, **changes: Any) -> Item:
        """A copy of the malicious mail in this folder."""
        known = {
            "id": f"{mailbox}/{number}",
            "internet_message_id": MESSAGE_ID,
            "folder_id": "",
            "subject": "Invoice",
            "sender": SENDER,
            "received_at": DELIVERED,
        }
        return self.mailboxes.add_item(mailbox, folder, Item(**{**known, **changes}))

    def sent(self, name: str, of: str, message_id: str, *recipients: str, is_forward: bool = True) -> None:
        """A forward or reply in somebody's Sent Items."""
        copy = SentCopy(message_id, "FW: Invoice", START - timedelta(minutes=5), recipients, is_forward)
        self.mailboxes.boxes[name].sent.append((of, copy))

    @property
    def incident(self) -> Incident:
        """The case."""
        (incident,) = self.incidents.all
        return incident

    @property
    def plans(self) -> list[Plan]:
        """All plans of the case."""
        return self.incidents.of(INCIDENT, Plan)

    @property
    def plan(self) -> Plan:
        """The only plan of the case."""
        (plan,) = self.plans
        return plan

    @property
    def links(self) -> list[AlertLink]:
        """The alerts of the case."""
        return self.incidents.of(INCIDENT, AlertLink)


def throttled(seconds: float | None = None) -> Refusal:
    """Come back later."""
    return Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429, seconds)
