"""Container `incidents` in dictionaries: each case is a partition whose transactions hold together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from shared.domain.batch import check_batch
from shared.domain.ids import AlertId, IncidentId, PlanId
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
    PlanCounts,
    PlanState,
    Related,
    Watch,
)
from shared.domain.message import Message
from shared.errors import ConflictError, NotFoundError
from shared.ports.incidents import Change, Joined, Page
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.documents import Documents

_KINDS = (Incident, AlertLink, CaseMessage, Related, Plan, Command, Watch)
_TRIES = 12

D = TypeVar("D", AlertLink, CaseMessage, Plan, Command, Watch)


class FakeIncidents:
    """`IncidentStore`. `before_write` is called before each transaction of `update`: others who are quicker."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.owners: dict[str, IncidentId] = {}
        self.cases: dict[str, Documents] = {}
        self.leases: dict[str, Documents] = {}
        self.before_write: Callable[[], None] = lambda: None
        self.max_alerts = MAX_ALERTS
        self._holders = count(1)
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    # What tests look at.

    @property
    def all(self) -> list[Incident]:
        """The headers of all cases."""
        return [self._header(IncidentId(key)).value for key in self.cases]

    def of(self, incident_id: IncidentId, model: type[D]) -> list[D]:
        """All documents of one kind of a case."""
        return [found.value for found in self.cases[incident_id].all(model)]

    def put(self, incident_id: IncidentId, *documents: CaseDocument | Intake) -> None:
        """Write documents of a case, whatever was there."""
        for document in documents:
            self.cases[incident_id].put(document.id, document)

    def keep(self, incident: Incident, *documents: CaseDocument) -> Incident:
        """Write a case whole; its header gets the numbers and the state that follow from its documents."""
        links = [one for one in documents if isinstance(one, AlertLink)]
        plans = [one for one in documents if isinstance(one, Plan)]
        steps = [link.step for link in links]
        header = incident.changed(
            alerts=len(links),
            decided=sum(step is not AlertStep.JOINED for step in steps),
            ignored=sum(step is AlertStep.IGNORED for step in steps),
            planned=sum(step is AlertStep.PLANNED for step in steps),
            plans=PlanCounts(
                awaiting_approval=sum(plan.state is PlanState.AWAITING_APPROVAL for plan in plans),
                running=sum(plan.state is PlanState.RUNNING for plan in plans),
                finished=sum(plan.state is PlanState.FINISHED for plan in plans),
            ),
        )
        intake = Intake(incident_id=incident.id, alerts=len(links), open=incident.closed_at is None)
        self.cases.setdefault(incident.id, Documents())
        self.put(incident.id, header, intake, *documents)
        return header

    # The port.

    async def assign_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        self._checkpoint("before assign message")
        owner = self.owners.setdefault(message_key, incident_id)
        self._checkpoint("after assign message")
        return owner

    async def reassign_message(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        self._checkpoint("before reassign message")
        if message_key not in self.owners:
            raise NotFoundError(message_key)
        if self.owners[message_key] == old:
            self.owners[message_key] = new
        self._checkpoint("after reassign message")
        return self.owners[message_key]

    async def open(self, incident: Incident) -> bool:
        self._checkpoint("before open case")
        new = incident.id not in self.cases
        if new:
            self.cases[incident.id] = Documents()
            self.put(incident.id, incident, Intake(incident_id=incident.id))
        self._checkpoint("after open case")
        return new

    async def join(
        self, link: AlertLink, messages: Sequence[Message], related: Sequence[IncidentId]
    ) -> tuple[Joined, Intake | None]:
        self._checkpoint("before join")
        joined = self._join(link, messages, related)
        self._checkpoint("after join")
        return joined, self._intake(link.incident_id).value if joined is Joined.JOINED else None

    async def announce_wake(self, incident_id: IncidentId, after: datetime, until: datetime) -> bool:
        self._checkpoint("before announce wake")
        intake = self._intake(incident_id).value
        if intake.wake_until is not None and intake.wake_until >= after:
            return False
        self.put(incident_id, intake.model_copy(update={"wake_until": until}))
        self._checkpoint("after announce wake")
        return True

    async def waiting_since(self, before: datetime, limit: int) -> set[IncidentId]:
        self._checkpoint("alerts that wait")
        links = [link.value for key in self.cases for link in self._all(IncidentId(key), AlertLink)]
        waiting = {AlertStep.JOINED, AlertStep.DECIDED}
        found = {link.incident_id for link in links if link.step in waiting and link.received_at < before}
        plans = [plan.value for key in self.cases for plan in self._all(IncidentId(key), Plan)]
        found |= {plan.incident_id for plan in plans if not plan.dispatched and plan.created_at < before}
        return set(sorted(found)[:limit])

    def _join(self, link: AlertLink, messages: Sequence[Message], related: Sequence[IncidentId]) -> Joined:
        case = self.cases.get(link.incident_id)
        if case is None:
            return Joined.NO_CASE
        if link.id in case:
            return Joined.ALREADY
        intake = self._intake(link.incident_id).value
        if not intake.open:
            return Joined.CLOSED
        if intake.alerts >= self.max_alerts:
            return Joined.FULL
        self.put(link.incident_id, link, intake.model_copy(update={"alerts": intake.alerts + 1}))
        self.put(link.incident_id, *(CaseMessage(id=m.key, incident_id=link.incident_id, message=m) for m in messages))
        self.put(link.incident_id, *(Related(id=other, incident_id=link.incident_id) for other in related))
        return Joined.JOINED

    async def read(self, incident_id: IncidentId) -> Incident:
        self._checkpoint("read case")
        return self._header(incident_id).value

    def _header(self, incident_id: IncidentId) -> Versioned[Incident]:
        found = self.cases[incident_id].get(incident_id, Incident) if incident_id in self.cases else None
        if found is None:
            raise NotFoundError(incident_id)
        alerts = self._intake(incident_id).value.alerts
        return Versioned(found.value.changed(alerts=alerts), found.etag)

    def _intake(self, incident_id: IncidentId) -> Versioned[Intake]:
        found = self.cases[incident_id].get("intake", Intake) if incident_id in self.cases else None
        if found is None:
            raise NotFoundError(incident_id)
        return found

    async def update(self, incident_id: IncidentId, change: Callable[[Incident], Awaitable[Change | None]]) -> Incident:
        for _ in range(_TRIES):
            self._checkpoint("read case to change it")
            now = self._header(incident_id)
            wanted = await change(now.value)
            if wanted is None:
                return now.value
            self._checkpoint("before change case")
            self.before_write()
            try:
                self._write(now, wanted)
            except ConflictError:
                continue
            self._checkpoint("after change case")
            return wanted.header or now.value
        raise ConflictError("others keep being first")

    def _write(self, now: Versioned[Incident], change: Change) -> None:
        header = change.header or now.value
        case = self.cases[header.id]
        replaced: list[Versioned[Any]] = [Versioned(header, now.etag), *change.replace]
        if change.intake is not None:
            replaced.append(change.intake)
        check_batch(one.to_document() for one in (*(one.value for one in replaced), *change.create))
        for one in replaced:
            case.check(one.value.id, one.etag)
        if any(one.id in case for one in change.create):
            raise ConflictError("a document is already there")
        self.put(header.id, *(one.value for one in replaced), *change.create)

    async def intake(self, incident_id: IncidentId) -> Versioned[Intake]:
        self._checkpoint("read intake counter")
        return self._intake(incident_id)

    async def alert(self, incident_id: IncidentId, alert_id: AlertId) -> Versioned[AlertLink] | None:
        return self._point(incident_id, alert_id, AlertLink)

    async def alerts_at(self, incident_id: IncidentId, step: AlertStep, limit: int) -> list[Versioned[AlertLink]]:
        self._checkpoint("alerts at a step")
        found = [one for one in self._all(incident_id, AlertLink) if one.value.step is step]
        return sorted(found, key=lambda one: one.value.received_at)[:limit]

    async def plan(self, incident_id: IncidentId, plan_id: PlanId) -> Versioned[Plan] | None:
        return self._point(incident_id, plan_id, Plan)

    async def undispatched_plan(self, incident_id: IncidentId) -> Plan | None:
        self._checkpoint("undispatched plan")
        return next((one.value for one in self._all(incident_id, Plan) if not one.value.dispatched), None)

    async def command(self, incident_id: IncidentId, command_id: str) -> Command | None:
        found = self._point(incident_id, command_id, Command)
        return found.value if found else None

    async def watch(self, incident_id: IncidentId) -> Versioned[Watch] | None:
        return self._point(incident_id, "watch", Watch)

    async def due_watches(self, now: datetime, limit: int) -> list[IncidentId]:
        self._checkpoint("due watches")
        watches = [one.value for key in self.cases for one in self._all(IncidentId(key), Watch)]
        due = sorted((one.next_at, one.incident_id) for one in watches if one.next_at is not None and one.next_at < now)
        return [key for _, key in due][:limit]

    async def unrecorded(self, incident_id: IncidentId, limit: int) -> list[Versioned[CaseDocument]]:
        self._checkpoint("unrecorded documents")
        found: list[Versioned[Any]] = [one for kind in _KINDS for one in self._all(incident_id, kind)]
        return [one for one in found if one.value.unrecorded][:limit]

    async def related(self, incident_id: IncidentId) -> list[IncidentId]:
        self._checkpoint("related cases")
        return sorted(one.value.id for one in self._all(incident_id, Related))

    async def plans(self, incident_id: IncidentId, since: datetime | None = None) -> AsyncIterator[Plan]:
        self._checkpoint("plans")
        for one in sorted(self._all(incident_id, Plan), key=lambda one: one.value.created_at):
            if since is None or one.value.created_at >= since:
                yield one.value

    async def page(
        self,
        incident_id: IncidentId,
        kind: type[AlertLink | CaseMessage | Plan | Command],
        top: int,
        continuation: str | None,
    ) -> Page:
        self._checkpoint("page of a case")
        if continuation is not None and not continuation.isdigit():
            raise ValueError("no continuation of this list")
        start = int(continuation or 0)
        found = [one.value for one in self._all(incident_id, kind)]
        more = len(found) > start + top
        return Page(tuple(found[start : start + top]), str(start + top) if more else None)

    async def newest(self, limit: int) -> AsyncIterator[Incident]:
        self._checkpoint("newest cases")
        for incident in sorted(self.all, key=lambda i: (i.opened_at, i.id), reverse=True)[:limit]:
            yield incident

    async def acquire_lease(
        self, incident_id: IncidentId, name: str, now: datetime, until: datetime
    ) -> Versioned[Lease] | None:
        self._checkpoint("before acquire lease")
        case = self.leases.setdefault(incident_id, Documents())
        key = f"lease:{name}"
        held = case.get(key, Lease)
        if held is not None and held.value.until is not None and held.value.until > now:
            case.put(key, held.value.model_copy(update={"again": held.value.again + 1}))
            self._checkpoint("after ask again")
            return None
        lease = Lease(id=key, incident_id=incident_id, until=until, holder=f"holder-{next(self._holders)}")
        kept = case.put(key, lease)
        self._checkpoint("after acquire lease")
        return kept

    async def renew_lease(self, lease: Versioned[Lease], until: datetime) -> bool:
        self._checkpoint("before renew lease")
        case = self.leases[lease.value.incident_id]
        held = case.get(lease.value.id, Lease)
        if held is None or held.value.holder != lease.value.holder or held.value.until is None:
            return False
        case.put(lease.value.id, held.value.model_copy(update={"until": until}))
        self._checkpoint("after renew lease")
        return True

    async def release_lease(self, lease: Versioned[Lease]) -> Versioned[Lease] | None:
        self._checkpoint("before release lease")
        case = self.leases[lease.value.incident_id]
        held = case.get(lease.value.id, Lease)
        if held is None or held.value.holder != lease.value.holder:
            return None
        if held.value.again != lease.value.again:
            return held
        case.put(lease.value.id, held.value.model_copy(update={"until": None}))
        self._checkpoint("after release lease")
        return None

    async def expired_leases(self, now: datetime, limit: int) -> list[Lease]:
        self._checkpoint("expired leases")
        leases = [one.value for case in self.leases.values() for one in case.all(Lease)]
        return [lease for lease in leases if lease.until is not None and lease.until < now][:limit]

    def _point(self, incident_id: IncidentId, key: str, model: type[D]) -> Versioned[D] | None:
        self._checkpoint(f"read {model.document_type}")
        return self.cases[incident_id].get(key, model) if incident_id in self.cases else None

    def _all(self, incident_id: IncidentId, model: type[Any]) -> list[Versioned[Any]]:
        case = self.cases.get(incident_id)
        found: list[Versioned[Any]] = case.all(model) if case else []
        return found
