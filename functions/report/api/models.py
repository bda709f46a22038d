"""What the HTTP API for cases needs."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.policy import Policy
from shared.ports.activity import ActivityStore
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.tenant import TenantStore


@dataclass(frozen=True)
class ReadDeps:
    """The services of the reads."""

    incidents: IncidentStore
    targets: TargetStore
    activity: ActivityStore
    evidence: EvidenceStore
    tenant: TenantStore
    now: Clock


@dataclass(frozen=True)
class CommandDeps:
    """The services of the commands. Their identity reads state and sends; it touches no mailbox."""

    incidents: IncidentStore
    targets: TargetStore
    queue: MessageQueue
    now: Clock


@dataclass(frozen=True)
class ApproveDeps:
    """The services of an approval. Undo and close do without the policy: a mistake in it must not stop them."""

    incidents: IncidentStore
    queue: MessageQueue
    policy: Policy
    now: Clock
