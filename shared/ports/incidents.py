"""The cases: each is one partition with a header and documents of its own; and which case a message belongs to.

Every method may raise UnavailableError.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.domain.ids import AlertId, IncidentId, PlanId
from shared.domain.incident import (
    AlertLink,
    AlertStep,
    CaseDocument,
    CaseMessage,
    Command,
    Incident,
    Intake,
    Lease,
    Plan,
    Watch,
)
from shared.domain.message import Message
from shared.ports.versioned import Versioned


class Joined(StrEnum):
    """What became of an alert that was to join a case."""

    JOINED = "joined"
    ALREADY = "already"
    """The alert is in this case."""
    NO_CASE = "no_case"
    CLOSED = "closed"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction writes: all of it or nothing, at most 100 documents.

    `replace` names each document as it becomes, with the ETag that it was read with. `create` names new ones. `intake`
    is the case's intake counter, with its ETag, where no alert may join between reading and writing.
    """

    header: Incident | None = None
    create: Sequence[CaseDocument] = ()
    replace: Sequence[Versioned[CaseDocument]] = ()
    intake: Versioned[Intake] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and where the next one begins; None at the end."""

    items: tuple[CaseDocument, ...]
    continuation: str | None


class IncidentStore(Protocol):
    """Container `incidents`, and the owners of messages."""

    async def assign_message(self, message_key: str, incident_id: IncidentId) -> IncidentId:
        """The case that this message belongs to: `incident_id` if it had none so far."""
        ...

    async def reassign_message(self, message_key: str, old: IncidentId, new: IncidentId) -> IncidentId:
        """The message now belongs to `new`, unless somebody else has already taken it from `old`."""
        ...

    async def open(self, incident: Incident) -> bool:
        """Keep the header and intake counter of a new case; False if it is already there."""
        ...

    async def join(
        self, link: AlertLink, messages: Sequence[Message], related: Sequence[IncidentId]
    ) -> tuple[Joined, Intake | None]:
        """Add an alert to its case, with the messages that it names. The header is not touched.

        Returns:
            What became of it, and the intake counter after it has joined.
        """
        ...

    async def announce_wake(self, incident_id: IncidentId, after: datetime, until: datetime) -> bool:
        """Announce a message about this case that is not seen before `until`, and that the caller now sends.

        False if another one is announced that is not seen before `after`.
        """
        ...

    async def waiting_since(self, before: datetime, limit: int) -> set[IncidentId]:
        """Cases with an alert or a draft that waits; at most `limit`.

        The alert was received before this moment and has no plan yet, or the plan was
        begun before it and its messages have not been sent yet.
        """
        ...

    async def read(self, incident_id: IncidentId) -> Incident:
        """The header, with the number of alerts that have joined until now. Raises NotFoundError."""
        ...

    async def update(self, incident_id: IncidentId, change: Callable[[Incident], Awaitable[Change | None]]) -> Incident:
        """Change a case under the ETag of its header, again as often as others were first.

        Args:
            incident_id: the case.
            change: what to write, given the header as it is; None for nothing. Is called again after a conflict, so
                it reads whatever else it needs by itself.

        Returns:
            The header as it is afterwards.

        Raises:
            NotFoundError: there is no such case.
            ConflictError: others kept being first.
        """
        ...

    async def intake(self, incident_id: IncidentId) -> Versioned[Intake]:
        """The intake counter. Raises NotFoundError."""
        ...

    async def alert(self, incident_id: IncidentId, alert_id: AlertId) -> Versioned[AlertLink] | None:
        """One alert of the case."""
        ...

    async def alerts_at(self, incident_id: IncidentId, step: AlertStep, limit: int) -> list[Versioned[AlertLink]]:
        """Alerts that have come this far, the first received first."""
        ...

    async def plan(self, incident_id: IncidentId, plan_id: PlanId) -> Versioned[Plan] | None:
        """One plan of the case."""
        ...

    async def undispatched_plan(self, incident_id: IncidentId) -> Plan | None:
        """A plan that is a draft, or whose messages to the next stages have not been sent. None if there is none."""
        ...

    async def command(self, incident_id: IncidentId, command_id: str) -> Command | None:
        """One command that a person gave."""
        ...

    async def watch(self, incident_id: IncidentId) -> Versioned[Watch] | None:
        """The watch of the case; None if it never had one."""
        ...

    async def due_watches(self, now: datetime, limit: int) -> list[IncidentId]:
        """At most `limit` cases whose watch is due before `now`, the longest due first."""
        ...

    async def unrecorded(self, incident_id: IncidentId, limit: int) -> list[Versioned[CaseDocument]]:
        """Documents of the case of which something is not in the activity chain yet; the header among them."""
        ...

    async def related(self, incident_id: IncidentId) -> list[IncidentId]:
        """Other cases that alerts of this one lead to."""
        ...

    def plans(self, incident_id: IncidentId, since: datetime | None = None) -> AsyncIterator[Plan]:
        """The plans of the case in the order of their making: all, or those made at `since` and later."""
        ...

    async def page(
        self,
        incident_id: IncidentId,
        kind: type[AlertLink | CaseMessage | Plan | Command],
        top: int,
        continuation: str | None,
    ) -> Page:
        """One page of the alerts, messages, plans or commands of a case.

        Raises:
            ValueError: this continuation is none of this list.
        """
        ...

    def newest(self, limit: int) -> AsyncIterator[Incident]:
        """Cases by `opened_at`, newest first."""
        ...

    async def acquire_lease(
        self, incident_id: IncidentId, name: str, now: datetime, until: datetime
    ) -> Versioned[Lease] | None:
        """The lease of this name; None if somebody else has it, who then looks once more before releasing it."""
        ...

    async def renew_lease(self, lease: Versioned[Lease], until: datetime) -> bool:
        """Hold the lease longer; False if it is not held any more. What others asked meanwhile is not lost."""
        ...

    async def release_lease(self, lease: Versioned[Lease]) -> Versioned[Lease] | None:
        """Release the lease: None. If others asked meanwhile, it is still held, and is returned as it is now."""
        ...

    async def expired_leases(self, now: datetime, limit: int) -> list[Lease]:
        """Leases of all cases that ended before `now` without being released: their holder died."""
        ...
