"""Who has which mail, and by which path it came to them. Pure rules: the search asks the services.

Mail spreads in rounds. A round takes every delivery that the last one led to, keeps the best path to each recipient,
and leaves out recipients that have the mail already: that ends in any graph of groups and forwards, and the order in
which answers come in changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from shared.domain.identity import Traits
from shared.domain.mail_address import all_spelled
from shared.domain.message import Message
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import Hop, Mailbox, TargetState, Via
from shared.ports.answers import Answer, Refusal, RefusalKind

# A target is written in a batch with up to 98 others, and a batch has 2 MB. Group in group in group is the only way to
# more hops than this; the first and the last of them are enough to understand it.
MAX_HOPS = 20

_SENT_ON = frozenset({Via.FORWARD, Via.REPLY, Via.INBOX_RULE})

_NO_MAILBOX = {
    RecipientKind.GUEST: "guest",
    RecipientKind.CONTACT: "mail_contact",
    RecipientKind.UNKNOWN: "unknown_address",
}

_UNREADABLE_GROUP = {
    RefusalKind.DENIED: TargetState.DENIED,
    RefusalKind.NOT_FOUND: TargetState.MAILBOX_MISSING,
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Path:
    """The hops from an alert to a recipient, last hop first: what two recipients have in common they share."""

    last: Hop
    before: "Path | None" = None
    steps: int = 1
    depth: int = 0
    """How many times mail was sent on: forwarded, answered, or passed on by an inbox rule."""

    def then(self, hop: Hop) -> "Path":
        """This path and one hop more."""
        return Path(hop, self, self.steps + 1, self.depth + (hop.via in _SENT_ON))

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All hops, from the alert on."""
        found = []
        path: Path | None = self
        while path is not None:
            found.append(path.last)
            path = path.before
        return tuple(reversed(found))

    @property
    def rank(self) -> tuple[int, int, list[tuple[str, str, str]]]:
        """The order of paths to one recipient: fewer times sent on, fewer hops, then one that is always the same."""
        return self.depth, self.steps, [(hop.via, hop.name, hop.ref or "") for hop in self.hops]

    def better_than(self, other: "Path") -> bool:
        """Whether this is the better of two paths. Their hops are compared only if nothing else decides."""
        mine, others = (self.depth, self.steps), (other.depth, other.steps)
        return self is not other and (mine < others or (mine == others and self.rank < other.rank))


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is searched for, and the path to it."""

    message: Message
    path: Path


class Addressed(NamedTuple):
    """A mail was sent to this address; whose address it is, is not looked up yet."""

    mail: str
    """The message's key."""
    address: str
    path: Path


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail at a recipient. With a state other than PLANNED it is where the path ends."""

    mail: str
    """The message's key."""
    recipient: Recipient
    path: Path
    state: TargetState = TargetState.PLANNED
    reason: str | None = None
    known: bool = False
    """Whether it is a target of the case already. Then it is not followed again."""

    @property
    def holder(self) -> str:
        """What has the mail only once: the mailbox, or the address where there is none."""
        return self.recipient.holder

    @property
    def at(self) -> tuple[str, str]:
        """Which mail, in whose hands."""
        return self.mail, self.recipient.holder

    @property
    def mailbox(self) -> Mailbox:
        """What a target keeps of the recipient."""
        return Mailbox.of(self.recipient)

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The path as a target keeps it: of a very long one, the first and the last hops."""
        hops = self.path.hops
        if len(hops) <= MAX_HOPS:
            return hops
        head, tail = MAX_HOPS // 2, MAX_HOPS // 2 - 1
        left_out = hops[head:-tail]
        return (*hops[:head], Hop(via=left_out[0].via, name=f"{len(left_out)} more hops"), *hops[-tail:])


At = tuple[str, str]


@dataclass(slots=True)
class Tree:
    """All mails and all their deliveries."""

    mails: dict[str, Mail] = field(default_factory=dict)
    deliveries: dict[At, Delivery] = field(default_factory=dict)
    times: dict[str, Mapping[str, datetime]] = field(default_factory=dict)
    """For each mail, when transport gave it to which address; empty where message trace is not sure."""
    _expanded: set[At] = field(default_factory=set)

    def add_mail(self, mail: Mail) -> str:
        """Search for this mail too; its key."""
        key = mail.message.key
        known = self.mails.get(key)
        if known is None or mail.path.better_than(known.path):
            self.mails[key] = mail
        return key

    def traits(self, delivery: Delivery) -> Traits:
        """What is known of the mail at this recipient, to compare items of the mailbox with."""
        message, recipient = self.mails[delivery.mail].message, delivery.recipient
        times = self.times.get(delivery.mail, {})
        traced = [times[address] for address in {recipient.address, *recipient.addresses} if address in times]
        return Traits(
            senders=frozenset(all_spelled(message.from_addresses)),
            subject=message.subject,
            received_at=message.received_at,
            network_message_id=message.network_message_id,
            traced_at=min(traced, default=None),
        )

    def take(self, deliveries: Iterable[Delivery]) -> tuple[list[At], list[Delivery]]:
        """One round: which deliveries are new, and the groups that are to be expanded."""
        new: dict[At, Delivery] = {}
        groups: dict[At, Delivery] = {}
        for delivery in deliveries:
            at = delivery.at
            if delivery.recipient.kind is RecipientKind.GROUP and delivery.state is TargetState.PLANNED:
                if at not in self._expanded:
                    _keep_best(groups, at, delivery)
            elif at not in self.deliveries:
                _keep_best(new, at, delivery)
        self._expanded.update(groups)
        self.deliveries |= {at: _ended(delivery) for at, delivery in new.items()}
        return list(new), list(groups.values())

    def expand(self, group: Delivery, members: Answer[tuple[Recipient, ...]]) -> Iterable[Delivery]:
        """The deliveries to a group's members. The path ends at a group that does not show its members."""
        if isinstance(members, Refusal):
            state = _UNREADABLE_GROUP.get(members.kind, TargetState.FAILED)
            return (replace(group, state=state, reason=f"group:{members.code}"),)
        if not members and group.recipient.hidden_membership:
            return (replace(group, state=TargetState.MAILBOX_MISSING, reason="hidden_membership"),)
        path = group.path.then(Hop(via=Via.GROUP, name=group.recipient.address, ref=group.recipient.id))
        return (Delivery(group.mail, member, path) for member in members)

    def end(self, at: At, state: TargetState, reason: str) -> None:
        """There is no working in this mailbox: the path ends there."""
        self._change(at, state=state, reason=reason)

    def end_mailbox(self, mailbox_id: str, state: TargetState, reason: str) -> None:
        """There is no working in this mailbox: every path that led there ends there."""
        for mail in self.mails:
            self.end((mail, mailbox_id), state, reason)

    def is_known(self, at: At) -> None:
        """This delivery is a target of the case already."""
        self._change(at, known=True)

    def expanded_by_transport(self, mail: str, addresses: Iterable[str]) -> None:
        """Transport expanded these: what no object of the directory answers to is a dynamic distribution group."""
        for address in addresses:
            delivery = self.deliveries.get((mail, address))
            if delivery is not None and delivery.reason == _NO_MAILBOX[RecipientKind.UNKNOWN]:
                self._change((mail, address), reason="dynamic_group")

    def _change(self, at: At, **changes: object) -> None:
        if at in self.deliveries:
            self.deliveries[at] = replace(self.deliveries[at], **changes)  # type: ignore[arg-type]  # fields of several types


def _ended(delivery: Delivery) -> Delivery:
    """The delivery; ended if its recipient has no mailbox here."""
    recipient = delivery.recipient
    if delivery.state is not TargetState.PLANNED or recipient.mailbox_id is not None:
        return delivery
    reason = _NO_MAILBOX.get(recipient.kind, _NO_MAILBOX[RecipientKind.UNKNOWN])
    if recipient.kind is RecipientKind.UNKNOWN and recipient.id is not None:
        # A group has this member, and we may not read who it is (graph.md 6).
        reason = "unreadable_member"
    return replace(delivery, state=TargetState.MAILBOX_MISSING, reason=reason)


def _keep_best(best: dict[At, Delivery], at: At, delivery: Delivery) -> None:
    known = best.get(at)
    if known is None or delivery.path.better_than(known.path):
        best[at] = delivery
