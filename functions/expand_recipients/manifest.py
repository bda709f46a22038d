"""The frozen list of targets: what an approval names by its hash, and what chunks are cut from.

A manifest is JSON Lines: a header, then one target a line, in order, each in its chunk. It is written and read as a
stream, so that 100,000 targets take no more memory than 99.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from functions.expand_recipients.tree import Delivery, Tree
from shared.domain.base import Frozen
from shared.domain.batch import MAX_BATCH_BYTES, sent_size
from shared.domain.ids import AlertId, ChunkId, IncidentId, PlanId, TargetId
from shared.domain.incident import Plan
from shared.domain.target import MAX_CHUNK_TARGETS, Chunk, Target, chunk_id, target_id
from shared.ports.evidence import EvidenceStore

# Targets grow while they are worked on: by the folder, marks and ids of each copy.
_CHUNK_BYTES = MAX_BATCH_BYTES // 2

AddChunk = Callable[[Chunk, list[Target]], Awaitable[bool]]


class ManifestHeader(Frozen):
    """The first line."""

    # No default: it is to stand in the file.
    version: Literal[1]
    plan_id: PlanId
    incident_id: IncidentId
    alert_ids: tuple[AlertId, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """What one chunk of a plan begins with."""

    id: ChunkId
    has_pending: bool
    has_terminal: bool


@dataclass(slots=True)
class ManifestSummary:
    """What the limits and the plan need to know of a manifest."""

    hash: str = ""
    """SHA-256 of the kept bytes."""
    notes: tuple[str, ...] = ()
    targets: int = 0
    mailboxes: int = 0
    pending: int = 0
    """Targets that there is something to do for."""
    pending_mailboxes: int = 0
    protected: int = 0
    """Mailboxes of protected people among those."""
    sender_unknown: int = 0
    """Targets to pull of mails of which neither From nor NetworkMessageId is known."""
    internet_message_ids: set[str] = field(default_factory=set)
    """Message-IDs of what is looked for."""
    chunks: list[ChunkSummary] = field(default_factory=list)


def manifest_path(incident: IncidentId, plan: PlanId) -> str:
    """Where the manifest is kept among the evidence."""
    return f"plans/{incident}/{plan}.jsonl"


def identified(incident: IncidentId, tree: Tree) -> dict[TargetId, Delivery]:
    """Everything that was reached, by the id of the target that it becomes."""
    return {target_id(incident, place.holder, place.mail): place for place in tree.deliveries.values()}


def freeze(
    plan: Plan,
    places: dict[TargetId, Delivery],
    tree: Tree,
    *,
    known: Collection[TargetId],
    notes: Iterable[str],
) -> Iterator[bytes]:
    """The lines of the manifest of what was reached, without the targets that the case already has.

    Sorted by mailbox: what is to be done in one mailbox is in one chunk, and is done by one worker.
    """
    header = ManifestHeader(
        version=1, plan_id=plan.id, incident_id=plan.incident_id, alert_ids=plan.alert_ids, notes=tuple(notes)
    )
    yield _line(header.to_document())
    new = sorted((key for key in places if key not in known), key=lambda key: (places[key].holder, places[key].mail))
    number, held, size = 0, 0, 0
    for key in new:
        document = _target(key, places[key], tree, plan, chunk_id(plan.id, number)).to_document()
        grown = sent_size(document)
        if held == MAX_CHUNK_TARGETS or (held and size + grown > _CHUNK_BYTES):
            number, held, size = number + 1, 0, 0
            document["chunkId"] = chunk_id(plan.id, number)
        held, size = held + 1, size + grown
        yield _line(document)


async def read_manifest(path: str, evidence: EvidenceStore, add_chunk: AddChunk | None = None) -> ManifestSummary:
    """Read a manifest, and give each of its chunks to `add_chunk`.

    Raises:
        NotFoundError: there is none.
    """
    summary, digest = ManifestSummary(), hashlib.sha256()
    mailboxes, pending, protected = _Runs(), _Runs(), _Runs()
    async for header, targets in _chunks(evidence.lines(path), digest.update):
        summary.notes = header.notes
        if not targets:
            continue
        for target in targets:
            summary.targets += 1
            mailboxes.add(target.mailbox.id)
            if not target.terminal:
                summary.pending += 1
                summary.internet_message_ids.add(target.internet_message_id)
                pending.add(target.mailbox.id)
                summary.sender_unknown += not (target.traits.senders or target.network_message_id)
                protected.add(target.mailbox.id if target.mailbox.protected else None)
        first = targets[0]
        summary.chunks.append(
            ChunkSummary(
                id=first.chunk_id,
                has_pending=any(not target.terminal for target in targets),
                has_terminal=any(target.terminal for target in targets),
            )
        )
        if add_chunk is not None:
            chunk = Chunk(
                id=first.chunk_id, incident_id=header.incident_id, plan_id=header.plan_id, targets=len(targets)
            )
            await add_chunk(chunk, targets)
    summary.hash = digest.hexdigest()
    summary.mailboxes, summary.pending_mailboxes, summary.protected = mailboxes.count, pending.count, protected.count
    return summary


async def _chunks(
    lines: AsyncIterator[bytes], seen: Callable[[bytes], None]
) -> AsyncIterator[tuple[ManifestHeader, list[Target]]]:
    """The targets chunk by chunk; a manifest without targets gives one empty list."""
    header: ManifestHeader | None = None
    held: list[Target] = []
    any_yet = False
    async for line in lines:
        seen(line)
        if header is None:
            header = ManifestHeader.model_validate_json(line)
            continue
        target = Target.model_validate_json(line)
        if held and held[0].chunk_id != target.chunk_id:
            yield header, held
            any_yet, held = True, []
        held.append(target)
    if header is not None and (held or not any_yet):
        yield header, held


class _Runs:
    """Counts different values in a sorted stream, None not among them."""

    def __init__(self) -> None:
        self.count = 0
        self._last: str | None = None

    def add(self, value: str | None) -> None:
        if value is not None and value != self._last:
            self.count += 1
            self._last = value


def _line(document: dict[str, Any]) -> bytes:
    # Canonical JSON: sorted keys, no spaces, ASCII.
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _target(key: TargetId, place: Delivery, tree: Tree, plan: Plan, chunk: ChunkId) -> Target:
    message, traits = tree.mails[place.mail].message, tree.traits(place)
    return Target(
        id=key,
        incident_id=plan.incident_id,
        plan_id=plan.id,
        chunk_id=chunk,
        mailbox=place.mailbox,
        message_key=place.mail,
        internet_message_id=message.internet_message_id or "",
        sender=message.sender,
        senders=message.senders,
        subject=message.subject,
        network_message_id=traits.network_message_id,
        named_at=traits.received_at,
        traced_at=traits.traced_at,
        hops=place.hops,
        state=place.state,
        reason=place.reason,
    )
