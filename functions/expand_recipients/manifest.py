"""The frozen list of targets: what an approval names by its hash, and what chunks are cut from."""

import hashlib
import json
from collections.abc import Collection, Iterable
from typing import Literal

from functions.expand_recipients.tree import Delivery, Tree
from shared.domain.base import Frozen
from shared.domain.ids import AlertId, ChunkId, IncidentId, PlanId, TargetId
from shared.domain.incident import plan_id
from shared.domain.target import MAX_CHUNK_TARGETS, Chunk, Target, chunk_id, target_id


class Manifest(Frozen):
    """All targets of one plan, in their order, each in its chunk."""

    # No default: it is to stand in the file.
    version: Literal[1]
    plan_id: PlanId
    incident_id: IncidentId
    alert_id: AlertId
    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, ASCII; what has its default value is left out."""
        document = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @property
    def pending(self) -> tuple[Target, ...]:
        """The targets that there is something to do for."""
        return tuple(target for target in self.targets if not target.terminal)

    def chunks(self) -> list[tuple[Chunk, list[Target]]]:
        """The targets by chunk, with the chunks' headers."""
        by_chunk: dict[ChunkId, list[Target]] = {}
        for target in self.targets:
            by_chunk.setdefault(target.chunk_id, []).append(target)
        return [
            (Chunk(id=key, incident_id=self.incident_id, plan_id=self.plan_id, targets=len(targets)), targets)
            for key, targets in by_chunk.items()
        ]


def manifest_hash(content: bytes) -> str:
    """SHA-256 of the kept bytes."""
    return hashlib.sha256(content).hexdigest()


def manifest_path(incident: IncidentId, plan: PlanId) -> str:
    """Where the manifest is kept among the evidence."""
    return f"plans/{incident}/{plan}.json"


def identified(incident: IncidentId, tree: Tree) -> dict[TargetId, Delivery]:
    """Everything that was reached, by the id of the target that it becomes."""
    return {target_id(incident, place.holder, place.mail): place for place in tree.deliveries.values()}


def freeze(
    incident: IncidentId,
    alert: AlertId,
    places: dict[TargetId, Delivery],
    tree: Tree,
    *,
    known: Collection[TargetId],
    notes: Iterable[str],
) -> Manifest:
    """The manifest of what was reached, without the targets that the incident already has.

    Sorted by mailbox: what is to be done in one mailbox is in one chunk, and is done by one worker.
    """
    plan = plan_id(incident, alert)
    new = [key for key in places if key not in known]
    new.sort(key=lambda key: (places[key].holder, places[key].mail))
    targets = tuple(
        _target(key, places[key], tree, incident, plan, chunk_id(plan, number // MAX_CHUNK_TARGETS))
        for number, key in enumerate(new)
    )
    return Manifest(version=1, plan_id=plan, incident_id=incident, alert_id=alert, targets=targets, notes=tuple(notes))


def _target(key: TargetId, place: Delivery, tree: Tree, incident: IncidentId, plan: PlanId, chunk: ChunkId) -> Target:
    message = tree.mails[place.mail].message
    return Target(
        id=key,
        incident_id=incident,
        plan_id=plan,
        chunk_id=chunk,
        mailbox=place.mailbox,
        message_key=place.mail,
        internet_message_id=message.internet_message_id or "",
        sender=message.sender,
        subject=message.subject,
        hops=place.hops,
        state=place.state,
        reason=place.reason,
    )
