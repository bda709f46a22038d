"""Telling facts once: the chain grows under its head's ETag, and the sums with it, in one batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from functions.report.models import Anchor, AnchorCheck, Told, Verification
from shared.domain.activity import Entry, Head, link, verify
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import Incident, PlanState
from shared.errors import ConflictError, NotFoundError
from shared.ports.activity import ActivityStore
from shared.ports.evidence import EvidenceStore

# A transactional batch has at most 100 operations (Cosmos DB service limit); one is the head.
BATCH = 99

# Chunks of one incident settle at the same time; whoever was first has committed when we are told, so that trying
# again at once costs less than another turn through the queue.
_TRIES = 5

CLOSED = "closed"
"""The anchor of the moment when the case was closed; the others bear their plan's id."""


async def tell(incident_id: IncidentId, told: Sequence[Told], activity: ActivityStore) -> Head:
    """Add those facts that the chain does not have, and count their targets; the head after that.

    Raises:
        ConflictError: others kept being first.
    """
    head = Head(incident_id=incident_id)
    # The empty list too: the caller wants the head.
    for start in range(0, max(len(told), 1), BATCH):
        head = await _tell_batch(incident_id, told[start : start + BATCH], activity)
    return head


async def _tell_batch(incident_id: IncidentId, told: Sequence[Told], activity: ActivityStore) -> Head:
    for _ in range(_TRIES):
        now = await activity.head(incident_id)
        head, etag = (now.value, now.etag) if now else (Head(incident_id=incident_id), None)
        known = await activity.known(incident_id, [one.fact.id for one in told])
        news = [one for one in told if one.fact.id not in known]
        if not news:
            return head
        longer, entries = link(head, [one.fact for one in news])
        longer = _counted(longer, news)
        try:
            await activity.append(longer, etag, entries)
        except ConflictError:
            continue
        return longer
    raise ConflictError("the chain grows too fast")


def _counted(head: Head, news: Iterable[Told]) -> Head:
    counts = head.counts
    for one in news:
        if one.counts is not None:
            counts = counts.add(one.counts)
    return head.model_copy(update={"counts": counts.model_copy(update={"counted_to": head.seq})})


def finished_plans(incident: Incident) -> set[PlanId]:
    """The finished plans of which every target is counted on the incident; one without targets leaves no trace."""
    return {
        plan.id
        for plan in incident.plans
        if plan.state is PlanState.FINISHED and 0 < plan.targets <= incident.counts.plans.get(plan.id, 0)
    }


async def anchor(head: Head, name: str, at: datetime, evidence: EvidenceStore) -> None:
    """Keep the chain's end as evidence. The first anchor of a name stays."""
    mark = Anchor(incident_id=head.incident_id, name=name, seq=head.seq, hash=head.hash, at=at)
    content = mark.model_dump_json().encode()
    await evidence.keep(_path(head.incident_id, name), content, "application/json")


async def check(incident: Incident, activity: ActivityStore, evidence: EvidenceStore) -> Verification:
    """Whether the chain is whole, and still is what every anchor of this incident says it was."""
    now = await activity.head(incident.id)
    entries = [entry async for entry in activity.entries(incident.id)]
    chain = verify(now.value if now else Head(incident_id=incident.id), entries)
    names: list[str] = sorted(finished_plans(incident))
    if incident.sealed:
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
