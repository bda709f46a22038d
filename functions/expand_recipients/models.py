"""What the expand_recipients stage needs."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.policy import Policy
from shared.ports.directory import Directory
from shared.ports.evidence import EvidenceStore
from shared.ports.mailboxes import Mailboxes
from shared.ports.queue import MessageQueue
from shared.ports.state import AlertStore, IncidentStore, TargetStore
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the expand_recipients stage."""

    alerts: AlertStore
    incidents: IncidentStore
    targets: TargetStore
    directory: Directory
    mailboxes: Mailboxes
    evidence: EvidenceStore
    queue: MessageQueue
    policy: Policy
    settings: Settings
    now: Clock
