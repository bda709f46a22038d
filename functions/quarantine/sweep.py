"""Recovery that does not depend on the queue being quick.

After a crash the host shows the message again when its lease ends, up to ten minutes later (fidelity.md 1). A claim
ends sooner; whoever finds it ended sends the chunk again. The message that comes back later finds nothing to do.
"""

from dataclasses import dataclass

from shared.clock import Clock
from shared.pipeline.case_lease import resumed
from shared.pipeline.payloads import PullChunk
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore

# One sweep a minute: more than this at once means an outage, and the next sweep takes the rest.
_AT_ONCE = 200


@dataclass(frozen=True)
class SweepDeps:
    """The services of the sweep."""

    targets: TargetStore
    incidents: IncidentStore
    queue: MessageQueue
    now: Clock


async def sweep(deps: SweepDeps) -> int:
    """Send the work of every chunk and case again whose lease ended without being given back; how many there were."""
    now = deps.now()
    chunks = await deps.targets.abandoned(now, _AT_ONCE)
    for chunk in chunks:
        await deps.queue.send(
            PullChunk(incident_id=chunk.incident_id, chunk_id=chunk.id), correlation_id=chunk.incident_id
        )
    leases = await deps.incidents.expired_leases(now, _AT_ONCE)
    for lease in leases:
        if (message := resumed(lease)) is not None:
            await deps.queue.send(message, correlation_id=lease.incident_id)
    return len(chunks) + len(leases)
