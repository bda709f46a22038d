"""What the enrich stage needs."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.policy import Policy
from shared.policy.people import PolicyPeople
from shared.ports.alerts import AlertStore
from shared.ports.directory import Directory
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the enrich stage."""

    alerts: AlertStore
    incidents: IncidentStore
    directory: Directory
    evidence: EvidenceStore
    queue: MessageQueue
    policy: Policy
    policy_people: PolicyPeople
    settings: Settings
    now: Clock
