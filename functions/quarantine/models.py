"""What the quarantine stage needs, and what it works with while it handles one message."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from functions.quarantine.rules import move_asked, refused, too_large, wait_of
from shared.clock import Clock
from shared.domain.batch import batch_size
from shared.domain.ids import MailboxId, TargetId
from shared.domain.incident import Plan
from shared.domain.target import Copy, Target, TargetState
from shared.policy import Policy
from shared.ports.answers import Answer, Refusal
from shared.ports.directory import Directory
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.mailboxes import Item, ItemKey, Mailboxes, MessageKey
from shared.ports.queue import MessageQueue
from shared.ports.targets import TargetStore
from shared.ports.tenant import TenantStore
from shared.ports.undone import UndoneStore
from shared.settings import Settings

_LOOKING = {TargetState.PLANNED, TargetState.LOCATED}


@dataclass(frozen=True)
class Deps:
    """The services of the quarantine stage."""

    mailboxes: Mailboxes
    directory: Directory
    evidence: EvidenceStore
    targets: TargetStore
    incidents: IncidentStore
    tenant: TenantStore
    undone: UndoneStore
    queue: MessageQueue
    policy: Policy
    settings: Settings
    now: Clock


@dataclass
class WayBack:
    """What is known, while one message is handled, of the copies that are to be put back."""

    hidden: dict[ItemKey, Item] = field(default_factory=dict)
    """Those that are in the hidden folder, as they were seen last."""
    holders: list[Target] = field(default_factory=list)
    """Every target, of whichever case, that has one of the copies."""
    answers: dict[ItemKey, Item] = field(default_factory=dict)
    """What the moves back answered."""
    stuck: dict[TargetId, list[Refusal]] = field(default_factory=lambda: defaultdict(list))
    """Why copies of a target are not back. Each stands for one copy: the others go on."""
    found_elsewhere: set[TargetId] = field(default_factory=set)
    """Targets with a copy that somebody else took out of the hidden folder, and put somewhere else."""


@dataclass
class UnitOfWork:
    """The targets of a chunk while one message is handled: what each was and is, and how long the rest has to wait."""

    targets: dict[TargetId, Target]
    now: Clock
    before: dict[TargetId, Target] = field(init=False)
    """As they are stored."""
    ready: set[TargetId] = field(default_factory=set)
    """Those that were answered in full: their copies may be moved once the chunk is committed."""
    way_back: WayBack = field(default_factory=WayBack)
    began: datetime = field(init=False)
    """Before anything was searched for."""
    waits: dict[MailboxId, datetime] = field(init=False)
    """Mailboxes that asked to be left alone, and until when."""
    retries: dict[TargetId, datetime] = field(default_factory=dict)
    """When targets are due again that were refused in this round."""
    postponed: bool = False
    """Some targets did not fit into this commit; the next message takes them."""
    plan: Plan | None = None
    """The plan of the chunk: what a person has approved."""

    def __post_init__(self) -> None:
        self.before = dict(self.targets)
        self.began = self.now()
        self.waits = {}
        for target in self.targets.values():
            if target.not_before is not None and target.mailbox.id is not None:
                self._leave_alone(target.mailbox.id, target.not_before)

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
        """Graph refused something about this target: the first refusal decides its next state.

        A mailbox that says how long to wait is left alone as a whole: its other targets are not ready any more either.
        """
        for refusal in refusals:
            target = self.targets[target_id]
            if refusal.kind.retryable:
                due = self.now() + wait_of(target, refusal)
                self.retries[target_id] = max(due, self.retries.get(target_id, due))
                if refusal.retry_after is not None:
                    self._leave_alone(mailbox_of(target), due)
            if target_id in self.ready:
                self.end(refused(self.targets[target_id], refusal, self.now()))
        if (wait := self.waits.get(mailbox_of(self.targets[target_id]))) is not None:
            if self.targets[target_id].not_before != wait:
                self.put(self.targets[target_id].model_copy(update={"not_before": wait}))
            self.ready -= {key for key, one in self.targets.items() if one.mailbox.id in self.waits}

    def _leave_alone(self, mailbox: MailboxId, until: datetime) -> None:
        if until > self.now():
            self.waits[mailbox] = max(until, self.waits.get(mailbox, until))

    def due(self, target: Target, now: datetime) -> datetime:
        """When there is something to do for a target that is left over."""
        times = [now, self.retries.get(target.id), self.waits.get(mailbox_of(target))]
        return max(time for time in times if time is not None)

    def leave_out(self, *states: TargetState, but: Collection[TargetId]) -> None:
        """Leave alone what is in one of these states, but for those of these ids."""
        self.targets = {key: one for key, one in self.targets.items() if one.state not in states or key in but}

    def of(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states."""
        return [target for target in self.targets.values() if target.state in states]

    def begin(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states whose mailbox need not be left alone.

        They are ready until something about them is refused.
        """
        targets = [target for target in self.of(*states) if mailbox_of(target) not in self.waits]
        self.ready |= {target.id for target in targets}
        return targets

    def still_ready(self, *states: TargetState) -> list[Target]:
        """The targets in one of these states that nothing was refused about."""
        return [target for target in self.of(*states) if target.id in self.ready]

    def copies(self, state: TargetState) -> list[tuple[Target, Copy]]:
        """The copies of the targets in this state that nothing was refused about."""
        return [(target, copy) for target in self.still_ready(state) for copy in target.copies]

    def write_ahead(self) -> None:
        """Note on the copies that are about to be moved that nobody knows, from now on, whether they were."""
        for target in self.still_ready(TargetState.LOCATED):
            self.put(move_asked(target))

    def fit(self, most: int) -> None:
        """Leave to the next message what makes the commit larger than `most` bytes. What never fits is ended."""
        left = most
        changed = [key for key, target in self.targets.items() if target is not self.before[key]]
        # What was refused before comes last: it must not take the room of the others in every round.
        for key in sorted(changed, key=lambda key: _failed_before(self.before[key])):
            size = target_size(self.targets[key])
            if size > most:
                self.end(too_large(_as_seen(self.before[key], self.targets[key])))
            elif size > left:
                self.end(self.before[key])
                self.postponed = True
            else:
                left -= size

    def changed(self) -> list[Target]:
        """What has to be committed; from then on it counts as stored."""
        for key, target in self.targets.items():
            if target.terminal and self.before[key].state in _LOOKING:
                self.put(target.model_copy(update={"looked_at": self.began}))
        targets = [target for key, target in self.targets.items() if target is not self.before[key]]
        self.before = dict(self.targets)
        return targets


def _failed_before(target: Target) -> tuple[bool, int]:
    """To sort by: what could not be put back comes last, before it what was refused most often."""
    return target.put_back_failed, target.attempts


def _as_seen(before: Target, now: Target) -> Target:
    """The target without what was found now; but what was seen of the copies that it has stays known."""
    known = {copy.id: copy for copy in now.copies}
    places = {key: {"moved_at": copy.moved_at, "unmoved": copy.unmoved} for key, copy in known.items()}
    copies = tuple(copy.model_copy(update=places.get(copy.id, {})) for copy in before.copies)
    return before.model_copy(update={"copies": copies})


def target_size(target: Target) -> int:
    """Bytes of the target in a batch, as they are sent."""
    return batch_size([target.to_document()])


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
