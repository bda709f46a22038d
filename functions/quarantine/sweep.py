"""Recovery that does not depend on the queue being quick.

After a crash the host shows the message again when its lease ends, up to ten minutes later (fidelity.md 1). A claim
ends sooner; whoever finds it ended sends the chunk again. The message that comes back later finds nothing to do.
"""

from dataclasses import dataclass

from shared.clock import Clock
from shared.pipeline.payloads import PullChunk
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore

# One sweep a minute: more than this at once means an outage, and the next sweep takes the rest.
_AT_ONCE = 200


@dataclass(frozen=True)
class SweepDeps:
    """The services of the sweep."""

    targets: TargetStore
    queue: MessageQueue
    now: Clock


async def sweep(deps: SweepDeps) -> int:
    """Send every abandoned chunk again; how many there were."""
    chunks = await deps.targets.abandoned(deps.now(), _AT_ONCE)
    for chunk in chunks:
        await deps.queue.send(
            PullChunk(incident_id=chunk.incident_id, chunk_id=chunk.id), correlation_id=chunk.incident_id
        )
    return len(chunks)
