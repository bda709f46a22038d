"""Who was exposed and for how long, as numbers that can be added up exactly once."""

from pydantic import Field

from shared.domain.base import Frozen
from shared.domain.target import ReadState, Target, TargetState

_READ_COUNTER = {ReadState.READ: "read", ReadState.UNREAD: "unread", ReadState.UNKNOWN: "read_unknown"}


class Counts(Frozen):
    """Sums over the targets of one incident. Seconds are whole, from delivery to the pull."""

    counted_to: int = 0
    """The sequence number of the last activity entry that is in here."""
    states: dict[str, int] = Field(default_factory=dict)
    plans: dict[str, int] = Field(default_factory=dict)
    """How many targets of each plan have reached a terminal state: what tells that a plan is finished."""
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
        """This counts with one target in the terminal state that it has just reached."""
        states = dict(self.states)
        if target.state is TargetState.RESTORED:
            # It was counted as quarantined, with its exposure, and is now only one of them.
            states[TargetState.QUARANTINED] = states.get(TargetState.QUARANTINED, 0) - 1
            states[TargetState.RESTORED] = states.get(TargetState.RESTORED, 0) + 1
            return self.model_copy(update={"states": {k: n for k, n in states.items() if n}})
        states[target.state] = states.get(target.state, 0) + 1
        plans = {**self.plans, target.plan_id: self.plans.get(target.plan_id, 0) + 1}
        update: dict[str, object] = {"states": states, "plans": plans}
        if target.state is TargetState.QUARANTINED:
            counter = _READ_COUNTER[target.read]
            update[counter] = getattr(self, counter) + 1
            if (seconds := target.exposed_seconds) is not None:
                update["exposed_targets"] = self.exposed_targets + 1
                update["exposed_seconds"] = self.exposed_seconds + seconds
                update["longest_exposure"] = max(self.longest_exposure, seconds)
        return self.model_copy(update=update)
