"""What the expand_recipients stage needs."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.policy import Policy
from shared.ports.alerts import AlertStore
from shared.ports.directory import Directory
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.mailboxes import Mailboxes
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.undone import UndoneStore
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the expand_recipients stage."""

    alerts: AlertStore
    incidents: IncidentStore
    targets: TargetStore
    undone: UndoneStore
    directory: Directory
    mailboxes: Mailboxes
    evidence: EvidenceStore
    queue: MessageQueue
    policy: Policy
    settings: Settings
    now: Clock
