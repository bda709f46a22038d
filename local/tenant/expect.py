"""The targets that Clawback must find in a scenario's tenant, and their states. Computed without Clawback's own code.

It assumes the repository's policy.yaml (replies and inbox rules are followed, three times sent on at most) and
the application permissions of infra/bicep/graph/permissions.json (no Member.Read.Hidden).
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from local.emulators.graph import model
from local.emulators.graph.model import Message
from local.tenant.scenario import Kind
from local.tenant.transport import Mail, World
from shared.domain.target import TargetState

# A trace is asked for from a day before the mail on (functions/expand_recipients/trace.py).
_BEFORE = timedelta(days=1)
_DEPTH = 3

_NO_ACCESS = {
    Kind.GUEST: (TargetState.MAILBOX_MISSING, "guest"),
    Kind.CONTACT: (TargetState.MAILBOX_MISSING, "mail_contact"),
    Kind.OUT_OF_SCOPE: (TargetState.DENIED, "ErrorAccessDenied"),
    # Graph says the same of both (reference/graph.md 5.1).
    Kind.ON_PREMISES: (TargetState.ON_PREMISES, "MailboxNotEnabledForRESTAPI"),
    Kind.NO_MAILBOX: (TargetState.ON_PREMISES, "MailboxNotEnabledForRESTAPI"),
}

Hop = tuple[str, str, str]
"""Via, name, and the id behind the name."""
Rank = tuple[int, int, tuple[Hop, ...]]
"""How often the mail was sent on, number of hops, the hops. The smallest is the way that is reported."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The final state of one mail in one mailbox.

    `way` are the hops after the alert, as `group:sales@contoso.example`. `read` is None where nobody saw a copy.
    `folder` is where the copy lay before the pull, None where nothing is pulled.
    """

    address: str
    message_id: str
    state: str
    reason: str | None
    read: bool | None
    way: tuple[str, ...]
    folder: str | None


@dataclass
class _Spread:
    world: World
    waiting: list[tuple[Rank, str, str]] = field(default_factory=list)
    """Best way first: way, mail and who got it."""
    reached: dict[tuple[str, str], Rank] = field(default_factory=dict)
    ways: dict[str, Rank] = field(default_factory=dict)
    """How each mail itself was found."""

    def run(self) -> None:
        directory = self.world.directory
        start: Rank = (0, 0, ())
        self.ways["lure"] = start
        self._offer((key for key, _ in directory.lure_to), "lure", start)
        self._drain()
        traced: set[str] = set()
        while left := sorted(self.ways.keys() - traced):
            traced.update(left)
            for mail in left:
                self._offer(self._in_trace(mail), mail, _further(self.ways[mail], ("trace", "message trace", "")))
            self._drain()

    def _drain(self) -> None:
        while self.waiting:
            rank, mail, who = heapq.heappop(self.waiting)
            if (mail, who) in self.reached:
                continue
            self.reached[mail, who] = rank
            if who in self.world.directory.members:
                if who not in self.world.directory.hidden:
                    self._offer(self.world.directory.members[who], mail, self._step(rank, "group", who))
            elif self._can_be_opened(who) and rank[0] < _DEPTH:
                self._sent_on(rank, mail, who)

    def _sent_on(self, rank: Rank, mail: str, who: str) -> None:
        for sent in self.world.mails.values():
            if sent.who == who and mail in sent.ancestors:
                step = self._step(rank, "forward" if sent.is_forward else "reply", who, sent_on=1)
                self.ways[sent.key] = min(step, self.ways.get(sent.key, step))
                # The sender's own copy is in Sent Items.
                self._offer([who, *sent.to], sent.key, step)
        for rule in self.world.scenario.rules:
            if rule.who == who:
                self._offer(rule.redirect_to, mail, self._step(rank, "inbox_rule", who, sent_on=1))

    def _offer(self, people: Iterable[str], mail: str, rank: Rank) -> None:
        for who in people:
            heapq.heappush(self.waiting, (rank, mail, who))

    def _step(self, rank: Rank, via: str, who: str, sent_on: int = 0) -> Rank:
        directory = self.world.directory
        return _further(rank, (via, directory.address(who), directory.id(who)), sent_on)

    def _in_trace(self, mail: str) -> list[str]:
        message = self.world.mails[mail].message
        directory = self.world.directory
        owners = {directory.address(key): key for key in (directory.users | directory.contacts)}
        return [
            owners.get(row.recipient, row.recipient)
            for row in self.world.trace
            if row.message_id == message.internet_message_id
            and row.status is model.TraceStatus.DELIVERED
            and row.received >= message.received - _BEFORE
        ]

    def _can_be_opened(self, who: str) -> bool:
        return self.world.directory.kinds.get(who) in {Kind.PERSON, Kind.SHARED}


def expected(world: World) -> tuple[Expected, ...]:
    """The final state of the lure, and of each mail that was sent on from it, in every mailbox that got it."""
    spread = _Spread(world)
    spread.run()
    opened = world.directory.members.keys() - world.directory.hidden
    ends = [
        _end(world, world.mails[mail], who, tuple(f"{via}:{name}" for via, name, _ in way))
        for (mail, who), (_, _, way) in spread.reached.items()
        if who not in opened
    ]
    return tuple(sorted(ends, key=lambda end: (end.address, end.message_id)))


def _end(world: World, mail: Mail, who: str, way: tuple[str, ...]) -> Expected:
    read: bool | None = None
    folder: str | None = None
    if (fixed := _without_mailbox(world, who)) is not None:
        state, reason = fixed
    else:
        held = [one for one in world.boxes[who] if one.internet_message_id == mail.message.internet_message_id]
        within_reach = [one for one in held if one.folder != model.PURGES]
        ours = [one for one in within_reach if _may_be(mail, one)]
        if ours:
            state, reason = TargetState.QUARANTINED, None
            read, folder = any(one.is_read for one in ours), ours[0].folder
        elif within_reach:
            state, reason = TargetState.HELD, max(_why_not(mail, one) for one in within_reach)
        elif any(_may_be(mail, one) for one in held):
            state, reason = TargetState.GONE_BY_USER, "purged"
        else:
            state, reason = TargetState.NOT_FOUND, None
    return Expected(
        world.directory.address(who), mail.message.internet_message_id, str(state), reason, read, way, folder
    )


def _without_mailbox(world: World, who: str) -> tuple[TargetState, str] | None:
    if who in world.directory.hidden:
        return TargetState.MAILBOX_MISSING, "hidden_membership"
    kind = world.directory.kinds.get(who)
    if kind is None:
        return TargetState.MAILBOX_MISSING, "unknown_address"
    return _NO_ACCESS.get(kind)


def _may_be(mail: Mail, found: Message) -> bool:
    # The alert names the lure's sender; Sent Items name that of what was sent on.
    return found.from_.address.lower() == mail.message.from_.address.lower()


def _why_not(mail: Mail, found: Message) -> str:
    if not found.from_.address.startswith("/"):
        return "sender_differs"
    # An X.500 name says nothing of the sender. The trace has both mails, so that it says nothing either.
    return "received_earlier" if found.received <= mail.message.received - _BEFORE else "sender_unknown"


def _further(rank: Rank, hop: Hop, sent_on: int = 0) -> Rank:
    depth, length, way = rank
    return depth + sent_on, length + 1, (*way, hop)
