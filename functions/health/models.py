"""What the health check takes, and what it works with."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.health.check import Addresses
from shared.ports.evidence import EvidenceStore
from shared.ports.health import Probed
from shared.ports.queue import MessageQueue
from shared.settings import Settings
from shared.web.command_body import CommandBody


@dataclass(frozen=True)
class BeginDeps:
    """The services that web itself uses, each of which is looked at."""

    settings: Settings
    queue: MessageQueue
    evidence: EvidenceStore
    state: Probed
    now: Clock


@dataclass(frozen=True)
class ReadDeps:
    """The services of reading."""

    evidence: EvidenceStore


class HealthBody(CommandBody):
    """Which mailboxes to look into, in addition to everything else."""

    mailboxes: Addresses = ()
