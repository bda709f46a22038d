"""Container `incidents`: each case is one logical partition."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from shared.adapters.cosmos.alerts import MessageOwners
from shared.adapters.cosmos.database import (
    Database,
    document,
    moment_text,
    page,
    query,
    readable,
    record,
    replace,
    translate_errors,
    write_batch,
)
from shared.domain.base import Stored
from shared.domain.batch import MAX_BATCH
from shared.domain.ids import AlertId, IncidentId, PlanId, fresh
from shared.domain.incident import (
    MAX_ALERTS,
    AlertLink,
    AlertStep,
    CaseDocument,
    CaseMessage,
    Command,
    Incident,
    Intake,
    Lease,
    Plan,
    Related,
    Watch,
)
from shared.domain.message import Message
from shared.errors import ConflictError, NotFoundError, UnavailableError
from shared.ports.incidents import Change, Joined, Page
from shared.ports.versioned import Versioned

S = TypeVar("S", bound=Stored)

_CONTAINER = "incidents"
_INTAKE: str = Intake.model_fields["id"].default
_WATCH: str = Watch.model_fields["id"].default

# Others write the same header: report for each chunk, the stages for each batch of alerts. Each of them may be first.
_TRIES = 12

# The order of each list of a case. Both fields are in every document of the kind, so that none is left out.
_ORDER: dict[str, str] = {
    AlertLink.document_type: "receivedAt",
    CaseMessage.document_type: "id",
    Plan.document_type: "createdAt",
    Command.document_type: "at",
}

_MODELS: dict[str, type[Stored]] = {
    model.document_type: model for model in (Incident, AlertLink, CaseMessage, Related, Plan, Command, Watch)
}


class CosmosIncidents:
    """`IncidentStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owners = MessageOwners(database)

    async def assign_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """See `IncidentStore.assign_message`."""
        return await self._owners.assign(message_key, incident_id)

    async def reassign_message(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """See `IncidentStore.reassign_message`."""
        return await self._owners.reassign(message_key, old, new)

    async def open(self, incident: Incident) -> bool:
        """See `IncidentStore.open`."""
        operations = [
            ("create", (_document(incident, incident.id),)),
            ("create", (_document(Intake(incident_id=incident.id), incident.id),)),
        ]
        try:
            await self._batch(incident.id, operations)
        except ConflictError:
            return False
        return True

    async def join(
        self, link: AlertLink, messages: Sequence[Message], related: Sequence[IncidentId]
    ) -> tuple[Joined, Intake | None]:
        """See `IncidentStore.join`."""
        key = link.incident_id
        named: list[Stored] = [CaseMessage(id=m.key, incident_id=key, message=m) for m in messages]
        named += [Related(id=other, incident_id=key) for other in related]
        counted: list[Any] = [
            ("create", (_document(link, key),)),
            (
                "patch",
                (_INTAKE, [{"op": "incr", "path": "/alerts", "value": 1}]),
                {"filter_predicate": f"FROM c WHERE c.open = true AND c.alerts < {MAX_ALERTS}"},
            ),
        ]
        room = MAX_BATCH - len(counted)
        upserts: list[Any] = [("upsert", (_document(one, key),)) for one in named]
        # What does not fit beside the alert is written before it: an alert that joined has all its messages.
        early = max(0, len(upserts) - room)
        for start in range(0, early, MAX_BATCH):
            await self._batch(key, upserts[start : min(start + MAX_BATCH, early)])
        try:
            written = await self._batch(key, [*counted, *upserts[early:]])
        except (ConflictError, NotFoundError):
            return await self._why_not(link), None
        return Joined.JOINED, record(Intake, written[1]["resourceBody"])

    async def announce_wake(self, incident_id: IncidentId, after: datetime, until: datetime) -> bool:
        """See `IncidentStore.announce_wake`."""
        container = await self._database.container(_CONTAINER)
        try:
            with translate_errors("change an intake counter"):
                await container.patch_item(
                    _INTAKE,
                    partition_key=incident_id,
                    patch_operations=[{"op": "set", "path": "/wakeUntil", "value": moment_text(until)}],
                    filter_predicate=(
                        f"FROM c WHERE NOT IS_DEFINED(c.wakeUntil) OR c.wakeUntil < '{moment_text(after)}'"
                    ),
                    no_response=True,
                )
        except ConflictError:
            return False
        return True

    async def waiting_since(self, before: datetime, limit: int) -> set[IncidentId]:
        """See `IncidentStore.waiting_since`."""
        container = await self._database.container(_CONTAINER)
        text = (
            "SELECT VALUE c.incidentId FROM c"
            " WHERE (c.type = 'alert' AND c.step IN ('joined', 'decided') AND c.receivedAt < @before)"
            " OR (c.type = 'plan' AND c.dispatched = false AND c.createdAt < @before)"
        )
        found: set[IncidentId] = set()
        async for key in query(container, text, before=moment_text(before)):
            found.add(IncidentId(key))
            # Counted here and not by TOP: a case with many of them must not hide the others.
            if len(found) == limit:
                break
        return found

    async def _why_not(self, link: AlertLink) -> Joined:
        if await self.alert(link.incident_id, link.id) is not None:
            return Joined.ALREADY
        try:
            intake = (await self.intake(link.incident_id)).value
        except NotFoundError:
            return Joined.NO_CASE
        if not intake.open:
            return Joined.CLOSED
        if intake.alerts >= MAX_ALERTS:
            return Joined.FULL
        # Another write of the same counter (HTTP 409 or 449 of a batch): it is to be tried again.
        raise UnavailableError("join an alert", 0.0)

    async def read(self, incident_id: IncidentId) -> Incident:
        """See `IncidentStore.read`."""
        return (await self._header(incident_id)).value

    async def _header(self, incident_id: IncidentId) -> Versioned[Incident]:
        header, intake = await asyncio.gather(
            self._point(Incident, incident_id, incident_id), self._point(Intake, incident_id, _INTAKE)
        )
        if header is None or intake is None:
            raise NotFoundError("read an incident")
        return Versioned(header.value.changed(alerts=intake.value.alerts), header.etag)

    async def update(self, incident_id: IncidentId, change: Callable[[Incident], Awaitable[Change | None]]) -> Incident:
        """See `IncidentStore.update`."""
        for _ in range(_TRIES):
            now = await self._header(incident_id)
            wanted = await change(now.value)
            if wanted is None:
                return now.value
            header = wanted.header or now.value
            try:
                await self._batch(incident_id, _operations(header, now.etag, wanted))
            except ConflictError:
                continue
            return header
        raise ConflictError("change a case")

    async def intake(self, incident_id: IncidentId) -> Versioned[Intake]:
        """See `IncidentStore.intake`."""
        found = await self._point(Intake, incident_id, _INTAKE)
        if found is None:
            raise NotFoundError("read an intake counter")
        return found

    async def alert(self, incident_id: IncidentId, alert_id: AlertId) -> Versioned[AlertLink] | None:
        """See `IncidentStore.alert`."""
        return await self._point(AlertLink, incident_id, alert_id)

    async def alerts_at(self, incident_id: IncidentId, step: AlertStep, limit: int) -> list[Versioned[AlertLink]]:
        """See `IncidentStore.alerts_at`."""
        text = "SELECT TOP @limit * FROM c WHERE c.type = 'alert' AND c.step = @step ORDER BY c.receivedAt"
        return await self._found(AlertLink, incident_id, text, limit=limit, step=str(step))

    async def plan(self, incident_id: IncidentId, plan_id: PlanId) -> Versioned[Plan] | None:
        """See `IncidentStore.plan`."""
        return await self._point(Plan, incident_id, plan_id)

    async def undispatched_plan(self, incident_id: IncidentId) -> Plan | None:
        """See `IncidentStore.undispatched_plan`."""
        text = "SELECT TOP 1 * FROM c WHERE c.type = 'plan' AND c.dispatched = false"
        found = await self._found(Plan, incident_id, text)
        return found[0].value if found else None

    async def command(self, incident_id: IncidentId, command_id: str) -> Command | None:
        """See `IncidentStore.command`."""
        found = await self._point(Command, incident_id, command_id)
        return found.value if found else None

    async def watch(self, incident_id: IncidentId) -> Versioned[Watch] | None:
        """See `IncidentStore.watch`."""
        return await self._point(Watch, incident_id, _WATCH)

    async def due_watches(self, now: datetime, limit: int) -> list[IncidentId]:
        """See `IncidentStore.due_watches`."""
        container = await self._database.container(_CONTAINER)
        # One watch a case, so that no case takes the places of others.
        text = (
            "SELECT TOP @limit VALUE c.incidentId FROM c WHERE c.type = 'watch' AND c.nextAt < @now ORDER BY c.nextAt"
        )
        return [IncidentId(key) async for key in query(container, text, limit=limit, now=moment_text(now))]

    async def unrecorded(self, incident_id: IncidentId, limit: int) -> list[Versioned[CaseDocument]]:
        """See `IncidentStore.unrecorded`."""
        container = await self._database.container(_CONTAINER)
        text = "SELECT * FROM c WHERE c.unrecorded = true"
        found: list[Versioned[Any]] = []
        async for stored in query(container, text, partition=incident_id, page_size=limit):
            model = _MODELS.get(stored["type"])
            # A kind that only a newer version knows is left to that one.
            value = readable(model, _without_partition(stored)) if model else None
            if value is not None:
                found.append(Versioned(value, stored["_etag"]))
            # Counted here and not by TOP: what cannot be read must not take the places of others.
            if len(found) == limit:
                break
        return found

    async def related(self, incident_id: IncidentId) -> list[IncidentId]:
        """See `IncidentStore.related`."""
        container = await self._database.container(_CONTAINER)
        text = "SELECT VALUE c.id FROM c WHERE c.type = 'related'"
        return sorted([IncidentId(key) async for key in query(container, text, partition=incident_id)])

    async def plans(self, incident_id: IncidentId, since: datetime | None = None) -> AsyncIterator[Plan]:
        """See `IncidentStore.plans`."""
        container = await self._database.container(_CONTAINER)
        # Compared as text, which is how they are ordered too.
        begin = "" if since is None else moment_text(since)
        text = "SELECT * FROM c WHERE c.type = 'plan' AND c.createdAt >= @begin ORDER BY c.createdAt"
        async for stored in query(container, text, partition=incident_id, begin=begin):
            if (plan := readable(Plan, _without_partition(stored))) is not None:
                yield plan

    async def page(
        self,
        incident_id: IncidentId,
        kind: type[AlertLink | CaseMessage | Plan | Command],
        top: int,
        continuation: str | None,
    ) -> Page:
        """See `IncidentStore.page`."""
        container = await self._database.container(_CONTAINER)
        text = f"SELECT * FROM c WHERE c.type = @type ORDER BY c.{_ORDER[kind.document_type]}"  # noqa: S608 - from our own table
        items, following = await page(container, text, incident_id, top, continuation, type=kind.document_type)
        found = (readable(kind, _without_partition(stored)) for stored in items)
        return Page(tuple(value for value in found if value is not None), following)

    async def newest(self, limit: int) -> AsyncIterator[Incident]:
        """See `IncidentStore.newest`."""
        container = await self._database.container(_CONTAINER)
        text = "SELECT TOP @limit * FROM c WHERE c.type = 'incident' ORDER BY c.openedAt DESC"
        async for stored in query(container, text, limit=limit):
            if (incident := readable(Incident, _without_partition(stored))) is not None:
                yield incident

    async def acquire_lease(
        self, incident_id: IncidentId, name: str, now: datetime, until: datetime
    ) -> Versioned[Lease] | None:
        """See `IncidentStore.acquire_lease`."""
        key = f"lease:{name}"
        for _ in range(_TRIES):
            held = await self._point(Lease, incident_id, key)
            ours = Lease(id=key, incident_id=incident_id, until=until, holder=fresh("holder"))
            try:
                if held is None:
                    return await self._create_lease(ours)
                if held.value.until is None or held.value.until <= now:
                    return await self._replace_lease(ours, held.etag)
                await self._ask_holder(held.value)
            except ConflictError:
                # Acquired or released in this moment.
                continue
            return None
        raise ConflictError("take a lease")

    async def renew_lease(self, lease: Versioned[Lease], until: datetime) -> bool:
        """See `IncidentStore.renew_lease`."""
        try:
            await self._patch_held(lease.value, {"op": "set", "path": "/until", "value": moment_text(until)})
        except ConflictError:
            return False
        return True

    async def release_lease(self, lease: Versioned[Lease]) -> Versioned[Lease] | None:
        """See `IncidentStore.release_lease`."""
        held = lease
        for _ in range(_TRIES):
            try:
                await self._replace_lease(held.value.model_copy(update={"until": None}), held.etag)
            except ConflictError:
                found = await self._point(Lease, lease.value.incident_id, lease.value.id)
                if found is None or found.value.holder != lease.value.holder:
                    return None
                if found.value.again != lease.value.again:
                    return found
                # We renewed it ourselves.
                held = found
                continue
            return None
        raise ConflictError("release a lease")

    async def expired_leases(self, now: datetime, limit: int) -> list[Lease]:
        """See `IncidentStore.expired_leases`."""
        container = await self._database.container(_CONTAINER)
        # Moments are compared as text, which can be wrong within one second; leases last for minutes.
        text = "SELECT TOP @limit * FROM c WHERE c.type = 'lease' AND c.until < @now"
        found = query(container, text, limit=limit, now=moment_text(now))
        leases = [readable(Lease, _without_partition(stored)) async for stored in found]
        return [lease for lease in leases if lease is not None]

    async def _create_lease(self, lease: Lease) -> Versioned[Lease]:
        container = await self._database.container(_CONTAINER)
        with translate_errors("take a lease"):
            stored = await container.create_item(_document(lease, lease.incident_id))
        return Versioned(lease, stored["_etag"])

    async def _replace_lease(self, lease: Lease, etag: str) -> Versioned[Lease]:
        stored = _document(lease, lease.incident_id)
        return Versioned(lease, await replace(self._database, _CONTAINER, stored, etag))

    async def _ask_holder(self, held: Lease) -> None:
        """Make the holder look once more. Raises ConflictError if it no longer holds the lease."""
        await self._patch_held(held, {"op": "incr", "path": "/again", "value": 1})

    async def _patch_held(self, held: Lease, operation: dict[str, Any]) -> None:
        """Change one field of a lease. Raises ConflictError if its holder no longer holds it."""
        container = await self._database.container(_CONTAINER)
        # A condition takes no parameters. A string literal is escaped as in JSON; the holder is what stands in the
        # document, which need not be ours.
        with translate_errors("change a lease"):
            await container.patch_item(
                held.id,
                partition_key=held.incident_id,
                patch_operations=[operation],
                filter_predicate=f"FROM c WHERE c.holder = {json.dumps(held.holder)} AND IS_DEFINED(c.until)",
                no_response=True,
            )

    async def _point(self, model: type[S], incident_id: IncidentId, key: str) -> Versioned[S] | None:
        container = await self._database.container(_CONTAINER)
        try:
            with translate_errors(f"read {model.document_type}"):
                stored = await container.read_item(key, incident_id)
        except NotFoundError:
            return None
        if stored["type"] != model.document_type:
            return None
        return Versioned(record(model, _without_partition(stored)), stored["_etag"])

    async def _found(self, model: type[S], incident_id: IncidentId, text: str, **parameters: Any) -> list[Versioned[S]]:
        container = await self._database.container(_CONTAINER)
        return [
            Versioned(value, stored["_etag"])
            async for stored in query(container, text, partition=incident_id, **parameters)
            if (value := readable(model, _without_partition(stored))) is not None
        ]

    async def _batch(self, incident_id: IncidentId, operations: Sequence[Any]) -> list[Any]:
        container = await self._database.container(_CONTAINER)
        return await write_batch(container, "change a case", incident_id, list(operations))


def _operations(header: Incident, etag: str, change: Change) -> list[Any]:
    key = header.id
    replaced: list[tuple[Stored, str]] = [(header, etag), *((one.value, one.etag) for one in change.replace)]
    if change.intake is not None:
        replaced.append((change.intake.value, change.intake.etag))
    return [
        *(("replace", (_id(one), _document(one, key)), {"if_match_etag": tag}) for one, tag in replaced),
        *(("create", (_document(one, key),)) for one in change.create),
    ]


def _id(value: Stored) -> str:
    return str(value.to_document()["id"])


def _document(value: Stored, incident_id: IncidentId) -> dict[str, Any]:
    return {**document(value), "incidentId": incident_id}


def _without_partition(stored: dict[str, Any]) -> dict[str, Any]:
    """The document as its model knows it: the header's partition key is its own id."""
    if stored["type"] != Incident.document_type:
        return stored
    return {key: value for key, value in stored.items() if key != "incidentId"}
