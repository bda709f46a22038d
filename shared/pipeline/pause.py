"""Pause and resume, as any stage takes it from its queue."""

from datetime import datetime

from shared.domain.tenant import Pause, PauseChange
from shared.pipeline.payloads import ChangePause
from shared.ports.tenant import TenantStore


async def change_pause(message: ChangePause, tenant: TenantStore, now: datetime) -> None:
    """Note that a person paused all pulling, or resumed it; once, however many queues and deliveries bring it.

    Raises:
        ConflictError, UnavailableError, DeniedError: to be tried again.
    """
    told = PauseChange(
        command_id=message.command_id,
        paused=message.paused,
        by=message.by,
        # A change from the future would stand against every later one.
        at=min(message.at, now),
        reason=message.reason,
    )
    await tenant.update(Pause, lambda before: before.after(told))
