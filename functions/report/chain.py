"""Telling facts once: the chain grows under its head's ETag, and the sums with it, in one batch."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from functions.report.models import Anchor, AnchorCheck, Told, Verification
from shared.domain.activity import Entry, Head, link, verify
from shared.domain.batch import MAX_BATCH, MAX_BATCH_BYTES, batch_size
from shared.domain.exposure import finished_targets
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import Incident
from shared.errors import ConflictError, NotFoundError
from shared.ports.activity import ActivityStore
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore

# What an entry has beside its audit event: two hashes, its number and the incident's id.
_LINK_BYTES = 512
# The rest of a batch is for the head and the counts of plans, of which each takes half a kilobyte.
_ENTRY_BYTES = MAX_BATCH_BYTES - 100_000

# Chunks of one incident settle at the same time; whoever was first has committed when we are told, so that trying
# again at once costs less than another turn through the queue.
_TRIES = 5

CLOSED = "closed"
"""The anchor of the moment when the case was closed; the others bear their plan's id."""


async def tell(incident_id: IncidentId, told: Sequence[Told], activity: ActivityStore) -> Head:
    """Add those audit events that the chain does not have, and count their targets; the head after that.

    Raises:
        ConflictError: others kept being first.
    """
    head = Head(incident_id=incident_id)
    for batch in batches(told):
        head = await _tell_batch(incident_id, batch, activity)
    return head


def batches(told: Iterable[Told]) -> Iterator[list[Told]]:
    """The audit events in parts that one transactional batch takes; at least one, which may be empty."""
    batch: list[Told] = []
    plans: set[PlanId] = set()
    size = 0
    for one in told:
        counted = {one.counts.plan_id} if one.counts else set()
        entry_size = batch_size([one.fact.to_document()]) + _LINK_BYTES
        # One operation is the head's, and each plan's count is one.
        operations = 1 + len(plans | counted) + len(batch) + 1
        if batch and (operations > MAX_BATCH or size + entry_size > _ENTRY_BYTES):
            yield batch
            batch, plans, size = [], set(), 0
        batch.append(one)
        plans |= counted
        size += entry_size
    yield batch


async def _tell_batch(incident_id: IncidentId, told: Sequence[Told], activity: ActivityStore) -> Head:
    for _ in range(_TRIES):
        now = await activity.head(incident_id)
        head, etag = (now.value, now.etag) if now else (Head(incident_id=incident_id), None)
        known = await activity.known(incident_id, [one.fact.id for one in told])
        news = [one for one in told if one.fact.id not in known]
        if not news:
            return head
        longer, entries = link(head, [one.fact for one in news])
        ended = [one.counts for one in news if one.counts is not None]
        # Read after the head: who changes a count meanwhile moves the head, and our batch is refused.
        plan_counts = {
            plan: await activity.plan_count(incident_id, plan) + more for plan, more in finished_targets(ended).items()
        }
        longer = longer.model_copy(update={"counts": head.counts.with_all(ended, counted_to=longer.seq)})
        try:
            await activity.append(longer, etag, entries, plan_counts)
        except ConflictError:
            continue
        return longer
    raise ConflictError("the chain grows too fast")


async def anchor(head: Head, name: str, at: datetime, evidence: EvidenceStore) -> Anchor:
    """Keep the chain's end as evidence. The first anchor of a name stays, and is what is returned."""
    mark = Anchor(incident_id=head.incident_id, name=name, seq=head.seq, hash=head.hash, at=at)
    path = _path(head.incident_id, name)
    await evidence.keep(path, mark.model_dump_json().encode(), "application/json")
    return Anchor.model_validate_json(await evidence.read(path))


async def check(
    incident: Incident, incidents: IncidentStore, activity: ActivityStore, evidence: EvidenceStore
) -> Verification:
    """Whether the chain is whole, and still is what every anchor of this incident says it was."""
    now = await activity.head(incident.id)
    entries = [entry async for entry in activity.entries(incident.id)]
    chain = verify(now.value if now else Head(incident_id=incident.id), entries)
    names: list[str] = sorted([plan.id async for plan in incidents.plans(incident.id) if plan.anchor_seq is not None])
    if incident.close_anchored:
        names.append(CLOSED)
    anchors = tuple([await _check_anchor(incident.id, name, entries, evidence) for name in names])
    return Verification(intact=chain.intact and all(a.holds for a in anchors), chain=chain, anchors=anchors)


async def _check_anchor(
    incident_id: IncidentId, name: str, entries: Sequence[Entry], evidence: EvidenceStore
) -> AnchorCheck:
    try:
        mark = Anchor.model_validate_json(await evidence.read(_path(incident_id, name)))
    except NotFoundError:
        return AnchorCheck(name=name, holds=False)
    there = entries[mark.seq - 1] if 0 < mark.seq <= len(entries) else None
    return AnchorCheck(name=name, seq=mark.seq, holds=there is not None and there.hash == mark.hash)


def _path(incident_id: IncidentId, name: str) -> str:
    return f"anchors/{incident_id}/{name}.json"
