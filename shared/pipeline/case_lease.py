"""One worker at a time for each kind of work on a case, so that a burst of messages about one case is done together.

Message 1 takes the lease and works; messages 2 to 5,000 find it taken, ask its holder to look once more, and are done.
The holder works until nothing is left, and releases the lease only if no other message asked meanwhile. It renews the
lease while it works, so that the lease can be short. If the holder dies, its lease ends: the sweep sends a message, or
its own one is delivered again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.domain.ids import IncidentId
from shared.domain.incident import Lease
from shared.errors import ClawbackError
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, IncidentChanged, Payload
from shared.pipeline.stage import Done, Outcome
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.versioned import Versioned
from shared.settings import Settings

CaseWork = EnrichAlerts | ExpandRecipients | IncidentChanged
"""The messages that stand for all work of their kind on a case, however many of them there are."""

# Batches of work before another worker may go on: a case is not to hold its worker for as long as a function may run.
_BATCHES = 3


# How often a lease is renewed within its length.
_RENEWALS = 3


class CaseLeaseDeps(Protocol):
    """What is needed to work on a case alone."""

    @property
    def incidents(self) -> IncidentStore:
        """Where the leases are."""
        ...

    @property
    def queue(self) -> MessageQueue:
        """Where the message is sent again."""
        ...

    @property
    def settings(self) -> Settings:
        """How long a lease lasts."""
        ...

    @property
    def now(self) -> Clock:
        """The present moment."""
        ...


async def alone(message: CaseWork, work: Callable[[], Awaitable[bool]], deps: CaseLeaseDeps) -> Outcome:
    """Do the work that this message stands for, unless another worker is doing it.

    Args:
        message: names the case and the kind of work; is sent again if more is left than one delivery does.
        work: does one batch; whether it may have left something.
        deps: services.
    """
    now = deps.now()
    until = now + timedelta(seconds=deps.settings.lease_seconds)
    lease = await deps.incidents.acquire_lease(message.incident_id, message.stage, now, until)
    if lease is None:
        return Done()
    try:
        async with _renewed(lease, deps):
            for _ in range(_BATCHES):
                if await work():
                    continue
                asked_again = await deps.incidents.release_lease(lease)
                if asked_again is None:
                    return Done()
                lease = asked_again
    except Exception:  # delivered again, perhaps to another worker: it must not find the lease of this delivery
        with suppress(ClawbackError):
            await _release(lease, deps)
        raise
    await _release(lease, deps)
    await deps.queue.send(message, correlation_id=message.incident_id)
    return Done()


@asynccontextmanager
async def _renewed(lease: Versioned[Lease], deps: CaseLeaseDeps) -> AsyncIterator[None]:
    """Renew the lease while the work goes on."""
    renewal = asyncio.create_task(_renew(lease, deps))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.wait([renewal])


async def _renew(lease: Versioned[Lease], deps: CaseLeaseDeps) -> None:
    length = timedelta(seconds=deps.settings.lease_seconds)
    held = True
    while held:
        await _pause(length / _RENEWALS)
        # If it cannot be renewed now, there is another try before it ends. If it has ended, others may work too: each
        # write of this work is under an ETag.
        with suppress(ClawbackError):
            held = await deps.incidents.renew_lease(lease, deps.now() + length)


async def _pause(length: timedelta) -> None:
    await asyncio.sleep(length.total_seconds())


def resumed(lease: Lease) -> Payload | None:
    """The message that continues the work of a holder that died. None for a lease that a newer version made."""
    by_name = {f"lease:{kind.stage}": kind for kind in (EnrichAlerts, ExpandRecipients, IncidentChanged)}
    kind = by_name.get(lease.id)
    return kind(incident_id=IncidentId(lease.incident_id)) if kind else None


async def _release(lease: Versioned[Lease], deps: CaseLeaseDeps) -> None:
    held: Versioned[Lease] | None = lease
    while held is not None:
        held = await deps.incidents.release_lease(held)
