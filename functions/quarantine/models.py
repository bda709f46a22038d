"""What the quarantine stage needs, and what it works with during one round."""

from dataclasses import dataclass, field

from functions.quarantine.rules import refused
from shared.clock import Clock
from shared.domain.ids import MailboxId, TargetId
from shared.domain.target import Target, TargetState
from shared.policy import Policy
from shared.ports.answers import Refusal
from shared.ports.incidents import IncidentStore
from shared.ports.mailboxes import Mailboxes, MessageKey
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the quarantine stage."""

    mailboxes: Mailboxes
    targets: TargetStore
    incidents: IncidentStore
    queue: MessageQueue
    policy: Policy
    settings: Settings
    now: Clock


@dataclass
class Round:
    """The targets of a chunk during one round of work: what each is now, and how long to wait for the rest."""

    targets: dict[TargetId, Target]
    before: dict[TargetId, Target] = field(init=False)
    ready: set[TargetId] = field(default_factory=set)
    """Those that were answered in full: they may be acted upon once the chunk is committed."""
    retry_after: float | None = None
    """The longest wait that a mailbox asked for, in seconds."""
    postponed: bool = False
    """The next round has more to do, whatever state its targets are in."""

    def __post_init__(self) -> None:
        self.before = dict(self.targets)

    def put(self, target: Target) -> None:
        """This is what the target is now."""
        self.targets[target.id] = target

    def refuse(self, target_id: TargetId, refusal: Refusal) -> None:
        """Graph refused something about this target; the first refusal of a round decides what becomes of it."""
        if refusal.kind.retryable and refusal.retry_after is not None:
            self.retry_after = max(self.retry_after or 0.0, refusal.retry_after)
        if target_id in self.ready:
            self.put(refused(self.targets[target_id], refusal))
            self.ready.discard(target_id)

    def of(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states."""
        return [target for target in self.targets.values() if target.state in states]

    def to_act(self, state: TargetState) -> list[Target]:
        """The targets in this state that may be acted upon."""
        return [target for target in self.of(state) if target.id in self.ready]

    def fit(self, copies: int) -> None:
        """Leave to the next round what has more copies, all together, than one commit takes; the first always goes."""
        changed = [key for key, target in self.targets.items() if target is not self.before[key]]
        for place, key in enumerate(changed):
            copies -= len(self.targets[key].copies)
            if copies < 0 and place > 0:
                self.put(self.before[key])
                self.ready.discard(key)
                self.postponed = True

    def changed(self) -> list[Target]:
        """What has to be committed; from then on it counts as unchanged."""
        targets = [target for key, target in self.targets.items() if target is not self.before[key]]
        self.before = dict(self.targets)
        return targets


def message_at(target: Target) -> MessageKey:
    """What to search for, and where."""
    return mailbox_of(target), target.internet_message_id


def mailbox_of(target: Target) -> MailboxId:
    """The mailbox to work in. Targets without one were terminal when they were planned."""
    if target.mailbox.id is None:
        raise ValueError(f"{target.id} has no mailbox and should have been terminal from the start")
    return target.mailbox.id
