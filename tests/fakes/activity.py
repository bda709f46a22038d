"""Container `activity`, as far as the port shows it: entries, head and counts change all or nothing."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence

from shared.domain.activity import Document, Entry, Head, PlanCount, plan_count_id
from shared.domain.batch import check_batch
from shared.domain.ids import IncidentId, PlanId
from shared.errors import ConflictError
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.stored import Stored


class FakeActivity:
    """`ActivityStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._heads: dict[str, Stored[Head]] = {}
        self._entries: dict[str, dict[str, Stored[Entry]]] = {}
        self._plans: dict[str, dict[PlanId, int]] = {}
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    async def head(self, incident_id: IncidentId) -> Versioned[Head] | None:
        self._checkpoint("read head")
        stored = self._heads.get(incident_id)
        return stored.read() if stored else None

    async def plan_count(self, incident_id: IncidentId, plan_id: PlanId) -> int:
        self._checkpoint("read plan count")
        return self._plans.get(incident_id, {}).get(plan_id, 0)

    async def known(self, incident_id: IncidentId, ids: Sequence[str]) -> set[str]:
        self._checkpoint("known facts")
        return set(self._entries.get(incident_id, {})) & set(ids)

    async def append(
        self, head: Head, etag: str | None, entries: Sequence[Entry], plan_counts: Mapping[PlanId, int]
    ) -> None:
        self._checkpoint("before append")
        counts = [
            PlanCount(id=plan_count_id(plan), incident_id=head.incident_id, terminal=count)
            for plan, count in plan_counts.items()
        ]
        check_batch(record.to_document() for record in (head, *counts, *entries))
        stored, kept = self._heads.get(head.incident_id), self._entries.setdefault(head.incident_id, {})
        if (stored.etag if stored else None) != etag:
            raise ConflictError("the chain has grown")
        if any(entry.id in kept for entry in entries):
            raise ConflictError("an entry is already there")
        self._heads[head.incident_id] = Stored(head)
        kept.update({entry.id: Stored(entry) for entry in entries})
        self._plans.setdefault(head.incident_id, {}).update(plan_counts)
        self._checkpoint("after append")

    async def entries(self, incident_id: IncidentId, after: int = 0, to: int | None = None) -> AsyncIterator[Document]:
        self._checkpoint("read chain")
        documents = [json.loads(stored.text) for stored in self._entries.get(incident_id, {}).values()]
        for document in sorted(documents, key=lambda one: int(one["seq"])):
            if after < document["seq"] and (to is None or document["seq"] <= to):
                yield document
