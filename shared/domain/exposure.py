"""Who was exposed and for how long, as numbers that can be added up exactly once."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from shared.domain.base import Frozen
from shared.domain.ids import PlanId
from shared.domain.target import ReadState, Target, TargetState

_READ_COUNTER = {ReadState.READ: "read", ReadState.UNREAD: "unread", ReadState.UNKNOWN: "read_unknown"}

_PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED}

_BACK = {TargetState.RESTORED, TargetState.PARTLY_RESTORED}


def _counted_as(target: Target) -> TargetState:
    """The state in which a target was counted before it was put back, or the rest of it."""
    if target.state is TargetState.RESTORED and target.partly_restored_at is not None:
        return TargetState.PARTLY_RESTORED
    return target.pulled_as


# Where mail can still be opened, or may be, although nothing is being done about it.
_LEFT = {
    TargetState.DENIED,
    TargetState.FAILED,
    TargetState.HELD,
    TargetState.ON_PREMISES,
    TargetState.PARTLY_QUARANTINED,
}

# Where it can be opened as long as nothing was pulled.
_ON_THE_WAY = {TargetState.PLANNED, TargetState.LOCATED, TargetState.RESTORING, TargetState.PARTLY_RESTORED}


class Exposure(Frozen):
    """How long a person could open the mail of one target, and whether that is still so."""

    seconds: int | None = None
    """Whole seconds, of all periods together; None if a beginning or an end is not known."""
    still: bool = False
    """Whether it can still be opened, or may be: the seconds run on."""


def exposure(target: Target, now: datetime) -> Exposure:
    """How long the mail of this target could be opened until now.

    It runs from delivery to the pull; on, where something is left; and again from its return, where it was put back.
    """
    back = target.state in _BACK
    unpulled = target.state in _ON_THE_WAY and target.pulled_at is None
    left = target.state in _LEFT or unpulled
    returns = [copy.restored_at for copy in target.copies] + [target.partly_restored_at, target.restored_at]
    returned = min((at for at in returns if at), default=None) if back else None
    end = now if left else target.pulled_at
    if target.delivered_at is None or end is None or (back and not left and returned is None):
        return Exposure(still=left or back)
    seconds = _between(target.delivered_at, end)
    if returned is not None and not left:
        seconds += _between(max(returned, end), now)
    return Exposure(seconds=seconds, still=left or back)


def _between(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))


class Counts(Frozen):
    """Sums over the targets of one incident. Of fixed size. Seconds are whole, from delivery to the pull."""

    counted_to: int = 0
    """The sequence number of the last activity entry that is in here."""
    states: dict[str, int] = Field(default_factory=dict)
    read: int = 0
    unread: int = 0
    read_unknown: int = 0
    exposed_targets: int = 0
    exposed_seconds: int = 0
    longest_exposure: int = 0

    @property
    def targets(self) -> int:
        """How many targets have reached a terminal state."""
        return sum(self.states.values())

    def add(self, target: Target) -> "Counts":
        """These counts with one target in the terminal state that it has just reached."""
        if target.state in _BACK:
            # It was counted as it was before, with its exposure, and is now only one of them.
            states = Counter(self.states)
            states[_counted_as(target)] -= 1
            states[target.state] += 1
            return self.model_copy(update={"states": {state: number for state, number in states.items() if number}})
        counts = self
        if target.past_looks:
            # The newest look counts, and the one before it no longer.
            counts = _summed(self, target.at_look(target.past_looks[-1]), -1)
        return _summed(counts, target, 1)

    def with_all(self, targets: Iterable[Target], *, counted_to: int) -> "Counts":
        """These counts with all of these targets added, up to the audit event of this sequence number."""
        counts = self
        for target in targets:
            counts = counts.add(target)
        return counts.model_copy(update={"counted_to": counted_to})


def _summed(counts: Counts, target: Target, sign: int) -> Counts:
    """The sums with this target (1), or without it (-1). The longest exposure stays: it was one."""
    states = Counter(counts.states)
    states[target.state] += sign
    update: dict[str, object] = {"states": {state: number for state, number in states.items() if number}}
    if target.state in _PULLED:
        # The exposure of what is partly quarantined has no end yet: it has no time of its pull.
        counter = _READ_COUNTER[target.read]
        update[counter] = getattr(counts, counter) + sign
        if (seconds := target.exposed_seconds) is not None:
            update["exposed_targets"] = counts.exposed_targets + sign
            update["exposed_seconds"] = counts.exposed_seconds + sign * seconds
            update["longest_exposure"] = max(counts.longest_exposure, seconds)
    return counts.model_copy(update=update)


def finished_targets(targets: Iterable[Target]) -> Counter[PlanId]:
    """How many more targets of each plan are finished, given targets in the terminal state that they just reached.

    A plan is finished when the first look at each of its targets is over. A restored target was counted before, as it
    was pulled.
    """
    first = (target for target in targets if target.look == 1 and target.state not in _BACK)
    return Counter(target.plan_id for target in first)
