"""Recovery that does not wait for the queue.

After a crash the host shows the message again when its own lease ends, up to ten minutes later (fidelity.md 1). The
lease on the chunk ends sooner, and the sweep then sends the chunk again. The message that comes back finds it done.
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
