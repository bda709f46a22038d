"""Work whose worker died is taken up before the queue delivers its message again.

After a crash the host shows the message again when its own lease ends, up to ten minutes later (fidelity.md 1). The
lease on the chunk ends sooner, and the sweep then sends the chunk again. When the first message is
delivered again, it finds the work done.
"""

from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.domain.tenant import Pause
from shared.pipeline.case_lease import resumed
from shared.pipeline.payloads import EnrichAlerts, PullChunk
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.tenant import TenantStore

# One sweep a minute: more than this at once means an outage, and the next sweep takes the rest.
_AT_ONCE = 200

# Longer than the longest backoff (15 minutes): after it, no message for the alert is on a queue.
_LONG = timedelta(minutes=20)


@dataclass(frozen=True)
class SweepDeps:
    """The services of the sweep."""

    targets: TargetStore
    incidents: IncidentStore
    tenant: TenantStore
    queue: MessageQueue
    now: Clock


async def sweep(deps: SweepDeps) -> int:
    """Send a message for every chunk and case whose lease ended without being released; how many there were."""
    now = deps.now()
    # While pulling is paused a chunk only waits: each sweep would add one more message that waits with it.
    paused = (await deps.tenant.read(Pause)).paused
    chunks = [] if paused else await deps.targets.abandoned(now, _AT_ONCE)
    for chunk in chunks:
        await deps.queue.send(
            PullChunk(incident_id=chunk.incident_id, chunk_id=chunk.id), correlation_id=chunk.incident_id
        )
    leases = await deps.incidents.expired_leases(now, _AT_ONCE)
    for lease in leases:
        if (message := resumed(lease)) is not None:
            await deps.queue.send(message, correlation_id=lease.incident_id)
    return len(chunks) + len(leases)


async def sweep_alerts(deps: SweepDeps) -> int:
    """Send cases again whose alerts or drafts of plans wait for longer than any message takes; how many there were.

    It is a second way for what must not be lost: the message of a worker that failed on every delivery is a dead
    letter, and others that asked meanwhile were done.
    """
    cases = await deps.incidents.waiting_since(deps.now() - _LONG, _AT_ONCE)
    for incident_id in sorted(cases):
        await deps.queue.send(EnrichAlerts(incident_id=incident_id), correlation_id=incident_id)
    return len(cases)
