"""Work whose worker died, or whose message was lost, is taken up before the queue delivers a message again.

After a crash the host shows the message again when its own lease ends, up to ten minutes later (fidelity.md 1). The
lease on the chunk ends sooner, and the sweep then sends the chunk again. When the first message is
delivered again, it finds the work done.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.domain.target import Chunk
from shared.domain.tenant import Pause
from shared.errors import ConflictError
from shared.pipeline.case_lease import resumed
from shared.pipeline.envelope import MAX_AGE
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, PullChunk
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.tenant import TenantStore
from shared.ports.versioned import Versioned

# One sweep a minute: more than this at once means an outage, and the next sweep takes the rest.
_AT_ONCE = 200

# A chunk that was sent and is not committed, because a service is down, is sent again after this. It is longer than the
# longest backoff (15 minutes): until then the message that was sent comes back by itself.
_SENT_AGAIN_AFTER = timedelta(minutes=20)

# Longer than the longest backoff (15 minutes): after it, no message for the alert is on a queue.
_LONG = timedelta(minutes=20)

# Every five minutes, with at most four trace requests each: two fifths of what the tenant has (graph.md 2.7), so that
# new alerts are not held up. A hundred cases an hour; with more of them each waits longer for its turn.
_WATCHES_AT_ONCE = 10


@dataclass(frozen=True)
class SweepDeps:
    """The services of the sweep."""

    targets: TargetStore
    incidents: IncidentStore
    tenant: TenantStore
    queue: MessageQueue
    now: Clock


async def sweep(deps: SweepDeps) -> int:
    """Send a message for every chunk and case that a worker or a message left behind; how many there were."""
    now = deps.now()
    # While pulling is paused a chunk only waits: each sweep would add one more message that waits with it.
    paused = (await deps.tenant.read(Pause)).paused
    chunks = [] if paused else await deps.targets.abandoned(now, _AT_ONCE)
    for chunk in chunks:
        await _send_again(chunk, now, deps)
    leases = await deps.incidents.expired_leases(now, _AT_ONCE)
    for lease in leases:
        if (message := resumed(lease)) is not None:
            await deps.queue.send(message, correlation_id=lease.incident_id)
    return len(chunks) + len(leases)


async def _send_again(found: Versioned[Chunk], now: datetime, deps: SweepDeps) -> None:
    chunk = found.value
    since = chunk.waiting_since or now
    # The age of the first message: after the maximum age it becomes a dead letter, and is not sent again.
    await deps.queue.send(
        PullChunk(incident_id=chunk.incident_id, chunk_id=chunk.id), correlation_id=chunk.incident_id, since=since
    )
    # Noted after it was sent: if this process dies in between, it is sent twice, and the second one finds nothing.
    at = None if now - since > MAX_AGE else now + _SENT_AGAIN_AFTER
    noted = chunk.model_copy(update={"lease_until": None, "next_at": None, "sweep_at": at, "waiting_since": since})
    with suppress(ConflictError):
        # Somebody commits the chunk already, and notes when it is due.
        await deps.targets.commit(noted, found.etag, [])


async def sweep_watches(deps: SweepDeps) -> int:
    """Send the cases whose watch is due, the longest due first; how many there were.

    What is due notes itself when it is due again, so that a message that was lost is sent again by the next sweep.
    """
    due = await deps.incidents.due_watches(deps.now(), _WATCHES_AT_ONCE)
    for incident_id in due:
        await deps.queue.send(ExpandRecipients(incident_id=incident_id), correlation_id=incident_id)
    return len(due)


async def sweep_alerts(deps: SweepDeps) -> int:
    """Send cases again whose alerts or drafts of plans wait for longer than any message takes; how many there were.

    It is a second way for what must not be lost: the message of a worker that failed on every delivery is a dead
    letter, and others that asked meanwhile were done.
    """
    cases = await deps.incidents.waiting_since(deps.now() - _LONG, _AT_ONCE)
    for incident_id in sorted(cases):
        await deps.queue.send(EnrichAlerts(incident_id=incident_id), correlation_id=incident_id)
    return len(cases)
