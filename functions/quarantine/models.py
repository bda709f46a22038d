"""What the quarantine stage needs, and what it works with while it handles one message."""

import json
from dataclasses import dataclass, field

from functions.quarantine.rules import refused, too_large
from shared.clock import Clock
from shared.domain.ids import MailboxId, TargetId
from shared.domain.incident import Plan
from shared.domain.target import Copy, Target, TargetState
from shared.policy import Policy
from shared.ports.answers import Answer, Refusal
from shared.ports.incidents import IncidentStore
from shared.ports.mailboxes import Item, ItemKey, Mailboxes, MessageKey
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.undone import UndoneStore
from shared.settings import Settings


@dataclass(frozen=True)
class Deps:
    """The services of the quarantine stage."""

    mailboxes: Mailboxes
    targets: TargetStore
    incidents: IncidentStore
    undone: UndoneStore
    queue: MessageQueue
    policy: Policy
    settings: Settings
    now: Clock


@dataclass
class UnitOfWork:
    """The targets of a chunk while one message is handled: what each was and is, and how long the rest has to wait."""

    targets: dict[TargetId, Target]
    before: dict[TargetId, Target] = field(init=False)
    """As they are stored."""
    ready: set[TargetId] = field(default_factory=set)
    """Those that were answered in full: their copies may be moved once the chunk is committed."""
    seen: dict[ItemKey, Item] = field(default_factory=dict)
    """Copies that are to be put back, as they were seen last."""
    retry_after: float | None = None
    """The longest wait that a mailbox asked for, in seconds."""
    postponed: bool = False
    """Some targets did not fit into this commit; the next message takes them."""
    plan: Plan | None = None
    """The plan of the chunk: what a person has approved."""

    def __post_init__(self) -> None:
        self.before = dict(self.targets)

    def put(self, target: Target) -> None:
        """This is what the target is now."""
        self.targets[target.id] = target

    def put_copy(self, target_id: TargetId, copy: Copy) -> None:
        """This is what one of its copies is now."""
        target = self.targets[target_id]
        copies = tuple(copy if old.id == copy.id else old for old in target.copies)
        self.put(target.model_copy(update={"copies": copies}))

    def end(self, target: Target) -> None:
        """It has its terminal state; nothing is to be moved any more."""
        self.put(target)
        self.ready.discard(target.id)

    def refuse(self, target_id: TargetId, *refusals: Refusal) -> None:
        """Graph refused something about this target: the first refusal decides its next state."""
        for refusal in refusals:
            if refusal.kind.retryable and refusal.retry_after is not None:
                self.retry_after = max(self.retry_after or 0.0, refusal.retry_after)
            if target_id in self.ready:
                self.end(refused(self.targets[target_id], refusal))

    def of(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states."""
        return [target for target in self.targets.values() if target.state in states]

    def begin(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states; they are ready until something about them is refused."""
        targets = self.of(*states)
        self.ready |= {target.id for target in targets}
        return targets

    def still_ready(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states that nothing was refused about."""
        return [target for target in self.of(*states) if target.id in self.ready]

    def copies(self, state: TargetState) -> list[tuple[Target, Copy]]:
        """The copies of the targets in this state that nothing was refused about."""
        return [(target, copy) for target in self.still_ready(state) for copy in target.copies]

    def fit(self, most: int) -> None:
        """Leave to the next message what makes the commit larger than `most` bytes. What never fits is ended."""
        left = most
        for key in [key for key, target in self.targets.items() if target is not self.before[key]]:
            size = sent_size(self.targets[key])
            if size > most:
                self.end(too_large(self.before[key]))
            elif size > left:
                self.end(self.before[key])
                self.postponed = True
            else:
                left -= size

    def changed(self) -> list[Target]:
        """What has to be committed; from then on it counts as stored."""
        targets = [target for key, target in self.targets.items() if target is not self.before[key]]
        self.before = dict(self.targets)
        return targets


def sent_size(target: Target) -> int:
    """Bytes of the document as the Cosmos DB SDK sends it: a character outside ASCII takes six, or twelve."""
    return len(json.dumps(target.to_document()))


def mailbox_of(target: Target) -> MailboxId:
    """The mailbox to work in. Targets without one were terminal when they were planned."""
    if target.mailbox.id is None:
        raise ValueError(f"{target.id} has no mailbox and should have been terminal from the start")
    return target.mailbox.id


def message_key(target: Target) -> MessageKey:
    """Which message to search for in which mailbox."""
    return mailbox_of(target), target.internet_message_id


def item_key(target: Target, copy: Copy) -> ItemKey:
    """Which item of which mailbox the copy is."""
    return mailbox_of(target), copy.id


def refusals_in(*answers: Answer[object]) -> list[Refusal]:
    """Those answers that are refusals."""
    return [answer for answer in answers if isinstance(answer, Refusal)]


def items_in(*answers: Answer[tuple[Item, ...]]) -> list[Item]:
    """The items of those answers that are none."""
    return [item for answer in answers if not isinstance(answer, Refusal) for item in answer]
