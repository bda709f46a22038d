"""What holds for the whole tenant: whether pulling is paused, and what automatic pulls have taken of the budget.

Each is one document, changed under its ETag. Pure rules: the same change applied twice is applied once.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.ids import PlanId

MAX_CHANGES = 50
"""Changes of the pause that are kept: the newest."""

MAX_RESERVATIONS = 500
"""Plans that the budget remembers by id: the newest. One that is recorded when it is forgotten counts twice."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# Sums are kept for each of these spans: at most 145 of them, 80 bytes each, however many plans there are.
_BUCKET = timedelta(minutes=10)


class PauseChange(Frozen):
    """A person paused all pulling, or resumed it."""

    command_id: str
    paused: bool
    by: str
    at: Instant
    reason: str


class Pause(Stored):
    """Whether all pulling is paused: what the newest of its changes says."""

    document_type: ClassVar[str] = "pause"

    id: str = "pause"
    changes: tuple[PauseChange, ...] = ()
    """The oldest first."""

    @property
    def paused(self) -> bool:
        """Whether nothing may be pulled now."""
        return bool(self.changes) and self.changes[-1].paused

    def after(self, change: PauseChange) -> "Pause | None":
        """The pause with this change; None if it changes nothing: it is known already, or it is older than all.

        Messages come in any order: a pause that is delivered after its resume does not pause again. Of two changes at
        the same moment the pause is the later one.
        """
        if any(known.command_id == change.command_id for known in self.changes):
            return None
        ordered = sorted((*self.changes, change), key=lambda one: (one.at, one.paused))
        changes = tuple(ordered[-MAX_CHANGES:])
        return None if changes == self.changes else self.model_copy(update={"changes": changes})


class Amount(Frozen):
    """How much is pulled. A mailbox that two plans touch counts twice."""

    targets: int = 0
    mailboxes: int = 0


class Taken(Amount):
    """What plans took within ten minutes."""

    since: Instant


class Reservation(Amount):
    """What one plan took."""

    plan_id: PlanId
    at: Instant


class Budget(Stored):
    """What plans that no person approved have taken within a day, in the whole tenant."""

    document_type: ClassVar[str] = "budget"

    id: str = "budget"
    taken: tuple[Taken, ...] = ()
    """The oldest first."""
    reservations: tuple[Reservation, ...] = ()
    """The newest plans, the oldest first: a plan that comes again is not counted again."""

    def used(self, span: timedelta, now: datetime) -> Amount:
        """What was taken within `span` (up to a day) before `now`; up to ten minutes more, never less."""
        return _sum(one for one in self.taken if one.since + _BUCKET > now - span)

    def has(self, plan_id: PlanId) -> bool:
        """Whether this plan is counted."""
        return any(one.plan_id == plan_id for one in self.reservations)

    def with_plan(self, plan_id: PlanId, amount: Amount, now: datetime) -> "Budget":
        """The budget after this plan took that much."""
        told = Reservation(plan_id=plan_id, at=now, targets=amount.targets, mailboxes=amount.mailboxes)
        return self._changed((*self.reservations, told)[-MAX_RESERVATIONS:], told, 1, now)

    def without_plan(self, plan_id: PlanId, now: datetime) -> "Budget | None":
        """The budget after what this plan took is given back; None if it is not counted."""
        told = next((one for one in self.reservations if one.plan_id == plan_id), None)
        if told is None:
            return None
        return self._changed(tuple(one for one in self.reservations if one is not told), told, -1, now)

    def _changed(self, kept: tuple[Reservation, ...], told: Reservation, sign: int, now: datetime) -> "Budget":
        since = _bucket(told.at)
        sums = {one.since: one for one in self.taken if one.since + _BUCKET > now - DAY}
        if since in sums or sign > 0:
            before = sums.get(since, Taken(since=since))
            sums[since] = Taken(
                since=since,
                targets=before.targets + sign * told.targets,
                mailboxes=before.mailboxes + sign * told.mailboxes,
            )
        taken = tuple(sums[key] for key in sorted(sums) if sums[key].targets or sums[key].mailboxes)
        return self.model_copy(update={"taken": taken, "reservations": kept})


def _sum(amounts: Iterable[Amount]) -> Amount:
    found = list(amounts)
    return Amount(targets=sum(one.targets for one in found), mailboxes=sum(one.mailboxes for one in found))


def _bucket(at: datetime) -> datetime:
    seconds = _BUCKET.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
