"""What pause and resume need."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.ports.queue import MessageQueue
from shared.ports.tenant import TenantStore
from shared.web.command_body import CommandBody, GivenReason


@dataclass(frozen=True)
class PauseDeps:
    """The services. Their identity reads what holds for the tenant, and cannot write it."""

    tenant: TenantStore
    queue: MessageQueue
    now: Clock


class PauseBody(CommandBody):
    """Why: that stands with the pause."""

    reason: GivenReason
