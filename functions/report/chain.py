"""Each audit event is recorded once: the chain, its head and the counts change together, under the ETag of the head."""

from asyncio import gather
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from functions.report.models import Anchor, AnchorCheck, CountedEvent, Verification
from shared.domain.activity import ChainReport, Document, Head, Place, link, verify
from shared.domain.batch import MAX_BATCH, MAX_BATCH_BYTES, batch_size
from shared.domain.exposure import finished_targets
from shared.domain.ids import IncidentId, PlanId
from shared.domain.incident import Incident
from shared.errors import ConflictError, NotFoundError, UnreadableError
from shared.ports.activity import ActivityStore
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore

# What an entry has beside its audit event: two hashes, its number and the incident's id.
_LINK_BYTES = 512
# The rest of a batch is for the head and the counts of plans, of which each takes half a kilobyte.
_ENTRY_BYTES = MAX_BATCH_BYTES - 100_000

# Several chunks of a case are recorded at the same time. A conflict says that another one is done: trying again at
# once costs less than another delivery of the message.
_TRIES = 5

# How many entries one request checks. Azure ends a request after 230 s.
MAX_ENTRIES = 20_000

# After every entry: Cosmos DB keeps integers exactly up to here.
_NO_END = 2**53

# Anchors that are read side by side: each is a small blob.
_ANCHORS_AT_ONCE = 32

CLOSED = "closed"
"""The name of the anchor that is made when the case is closed; the others have the ids of their plans."""


async def record(incident_id: IncidentId, events: Sequence[CountedEvent], activity: ActivityStore) -> Head:
    """Add those audit events that the chain does not have, and count their targets; the head after that.

    Raises:
        ConflictError: others were first each time.
    """
    head = Head(incident_id=incident_id)
    for batch in batches(events):
        head = await _record_batch(incident_id, batch, activity)
    return head


def batches(events: Iterable[CountedEvent]) -> Iterator[list[CountedEvent]]:
    """The audit events in parts that one transactional batch takes; at least one, which may be empty."""
    batch: list[CountedEvent] = []
    plans: set[PlanId] = set()
    size = 0
    for one in events:
        counted = {one.target.plan_id} if one.target else set()
        entry_size = batch_size([one.event.to_document()]) + _LINK_BYTES
        # One operation is the head's, and each plan's count is one.
        operations = 1 + len(plans | counted) + len(batch) + 1
        if batch and (operations > MAX_BATCH or size + entry_size > _ENTRY_BYTES):
            yield batch
            batch, plans, size = [], set(), 0
        batch.append(one)
        plans |= counted
        size += entry_size
    yield batch


async def _record_batch(incident_id: IncidentId, events: Sequence[CountedEvent], activity: ActivityStore) -> Head:
    for _ in range(_TRIES):
        now = await activity.head(incident_id)
        head, etag = (now.value, now.etag) if now else (Head(incident_id=incident_id), None)
        known = await activity.known(incident_id, [one.event.id for one in events])
        news = [one for one in events if one.event.id not in known]
        if not news:
            return head
        longer, entries = link(head, [one.event for one in news])
        ended = [one.target for one in news if one.target is not None]
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
    incident: Incident,
    incidents: IncidentStore,
    activity: ActivityStore,
    evidence: EvidenceStore,
    *,
    after: int = 0,
    most: int = MAX_ENTRIES,
) -> Verification:
    """Whether the chain is whole, and still is what every anchor of this incident says it was.

    One entry is held at a time. A long chain is checked in parts: the next one begins where this one ended.

    Args:
        incident: the incident.
        incidents: its plans.
        activity: its chain.
        evidence: its anchors.
        after: the sequence number of the entry that the part follows; 0 for the first part.
        most: how many entries are checked at most.

    Raises:
        ValueError: the chain ends before `after`.
    """
    # Before the head: an anchor that is made meanwhile is of a later one, and would seem to be of another chain.
    places = await _places(incident, incidents, evidence)
    now = await activity.head(incident.id)
    head = now.value if now else Head(incident_id=incident.id)
    if after > head.seq:
        raise ValueError("the chain ends before this part")
    to = min(after + most, head.seq)
    last = to == head.seq
    start = await _place(incident.id, after, activity)
    if start is None:
        chain = ChainReport(
            incident_id=incident.id,
            intact=False,
            entries=0,
            head_hash=head.hash,
            broken_at=after,
            problem="entry missing",
        )
        return Verification(intact=False, chain=chain, checked_to=after)
    found: list[AnchorCheck] = []
    here = [(seq, name) for seq, name in places if after < seq and (last or seq <= to)]
    anchors = _anchors(incident.id, here, evidence)
    entries = _watched(activity.entries(incident.id, after, to), anchors, found)
    chain = await verify(head, entries, start=start, to=None if last else to)
    if chain.intact and last:
        chain = await _nothing_after(chain, head, activity)
    return Verification(
        intact=chain.intact and all(anchor.holds for anchor in found),
        chain=chain,
        anchors=tuple(found),
        checked_to=after + chain.entries,
        next=to if chain.intact and not last else None,
    )


async def _place(incident_id: IncidentId, seq: int, activity: ActivityStore) -> Place | None:
    """The place of the entry with this sequence number; None if it is missing."""
    if seq == 0:
        return Place()
    async for entry in activity.entries(incident_id, seq - 1, seq):
        return Place(seq, str(entry.get("hash")))
    return None


async def _nothing_after(chain: ChainReport, head: Head, activity: ActivityStore) -> ChainReport:
    """The report; broken if there is an entry after the head, which no append leaves there."""
    async for entry in activity.entries(head.incident_id, head.seq):
        now = await activity.head(head.incident_id)
        if now is None or now.value.seq < entry["seq"]:
            update = {"intact": False, "broken_at": entry["seq"], "problem": "entry after the head"}
            return chain.model_copy(update=update)
        break
    return chain


@dataclass(frozen=True, slots=True)
class _Expected:
    """An anchor and the place where it belongs. `mark` is None if the anchor is missing."""

    name: str
    seq: int
    mark: Anchor | None


async def _watched(
    entries: AsyncIterator[Document], anchors: AsyncIterator[_Expected], found: list[AnchorCheck]
) -> AsyncIterator[Document]:
    """The entries; on the way, each anchor is compared with the entry at its place."""
    anchor = await anext(anchors, None)
    async for entry in entries:
        while anchor is not None and anchor.seq <= entry["seq"]:
            there = entry.get("hash") if anchor.seq == entry["seq"] else None
            found.append(_compared(anchor, there))
            anchor = await anext(anchors, None)
        yield entry
    while anchor is not None:
        found.append(_compared(anchor, None))
        anchor = await anext(anchors, None)


def _compared(anchor: _Expected, there: str | None) -> AnchorCheck:
    if anchor.mark is None:
        return AnchorCheck(name=anchor.name, holds=False)
    return AnchorCheck(
        name=anchor.name, seq=anchor.mark.seq, holds=(anchor.mark.seq, anchor.mark.hash) == (anchor.seq, there)
    )


async def _anchors(
    incident_id: IncidentId, places: Sequence[tuple[int, str]], evidence: EvidenceStore
) -> AsyncIterator[_Expected]:
    """The anchors at these places, in order."""
    for start in range(0, len(places), _ANCHORS_AT_ONCE):
        some = places[start : start + _ANCHORS_AT_ONCE]
        marks = await gather(*(_read_anchor(incident_id, name, evidence) for _, name in some))
        for (seq, name), mark in zip(some, marks, strict=True):
            yield _Expected(name, seq, mark)


async def _places(incident: Incident, incidents: IncidentStore, evidence: EvidenceStore) -> list[tuple[int, str]]:
    """Place and name of each anchor of the incident, in order. A missing one of the closing has its place at the end.

    A plan that names no place may have an anchor all the same: whoever writes another chain can change the plan too,
    or delete it, and not the evidence. An anchor whose plan is missing has no place in the chain.
    """
    found: list[tuple[int, str]] = []
    # Before the plans: a plan is there before its anchor.
    without_plan = {PurePosixPath(path).stem async for path in evidence.names(_folder(incident.id))} - {CLOSED}
    async for plan in incidents.plans(incident.id):
        without_plan.discard(plan.id)
        seq = plan.anchor_seq
        if seq is None and plan.targets and (mark := await _read_anchor(incident.id, plan.id, evidence)) is not None:
            seq = mark.seq
        if seq is not None:
            found.append((seq, plan.id))
    closed = await _read_anchor(incident.id, CLOSED, evidence)
    if closed is not None:
        found.append((closed.seq, CLOSED))
    elif incident.close_anchored:
        found.append((_NO_END, CLOSED))
    found += [(_NO_END, name) for name in without_plan if await _missing(incident.id, PlanId(name), incidents)]
    return sorted(found)


async def _missing(incident_id: IncidentId, plan_id: PlanId, incidents: IncidentStore) -> bool:
    try:
        return await incidents.plan(incident_id, plan_id) is None
    except UnreadableError:
        # It is there, of a newer version: lists leave it out.
        return False


async def _read_anchor(incident_id: IncidentId, name: str, evidence: EvidenceStore) -> Anchor | None:
    try:
        return Anchor.model_validate_json(await evidence.read(_path(incident_id, name)))
    except NotFoundError:
        return None


def _path(incident_id: IncidentId, name: str) -> str:
    return f"{_folder(incident_id)}{name}.json"


def _folder(incident_id: IncidentId) -> str:
    return f"anchors/{incident_id}/"
