"""What the health check takes, and what it works with."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from shared.clock import Clock
from shared.commands import CommandBody
from shared.ports.evidence import EvidenceStore
from shared.ports.health import Probed
from shared.ports.queue import MessageQueue
from shared.settings import Settings

# Each is looked up and read one after the other, in the time that one message has.
_MAX_MAILBOXES = 20
# RFC 5321 4.5.3.1: 64 characters before the @, 255 behind it.
_MAX_ADDRESS = 320


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
    """Which mailboxes to look into, beside everything else."""

    mailboxes: tuple[Annotated[str, Field(min_length=1, max_length=_MAX_ADDRESS)], ...] = Field(
        (), max_length=_MAX_MAILBOXES
    )
