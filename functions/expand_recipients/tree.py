"""Who has which mail, and by what way it came to them. Pure: what to ask next is told, answers are given in.

Mail spreads in rounds. A round takes everything that the last one found, keeps the best way to each place, and
forgets places that were reached before: that ends in any graph of groups and forwards, and the order in which
answers come in changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.domain.message import Message, visible
from shared.domain.target import Hop, Mailbox, TargetState, Via
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.directory import Recipient, RecipientKind

Way = tuple[Hop, ...]

_NO_MAILBOX = {
    RecipientKind.GUEST: "guest",
    RecipientKind.CONTACT: "mail_contact",
    RecipientKind.UNKNOWN: "unknown_address",
}

_UNREADABLE = {
    RefusalKind.DENIED: TargetState.DENIED,
    RefusalKind.NOT_FOUND: TargetState.MAILBOX_MISSING,
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is looked for, and how it is known."""

    message: Message
    way: Way
    depth: int = 0
    """How many times mail was sent on before this one."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody got this mail: to be seen who that is."""

    mail: str
    """The message's key."""
    address: str
    way: Way
    depth: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A place that the mail got to. Without a mailbox id, or with a state, it is where the way ends."""

    mail: str
    mailbox: Mailbox
    way: Way
    depth: int
    state: TargetState = TargetState.PLANNED
    reason: str | None = None

    @property
    def holder(self) -> str:
        """What is reached only once: the mailbox, or the address where there is none."""
        return self.mailbox.id or self.mailbox.address

    @property
    def at(self) -> tuple[str, str]:
        """Which mail, in whose hands."""
        return self.mail, self.holder


Arrival = tuple[Recipient, Offer]


@dataclass
class Tree:
    """All mails and all places that they got to."""

    privileged: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    mails: dict[str, Mail] = field(default_factory=dict)
    reached: dict[tuple[str, str], Reached] = field(default_factory=dict)
    _opened: set[tuple[str, str]] = field(default_factory=set)

    def add_mail(self, mail: Mail) -> str:
        """Look for this mail too; its key."""
        key = mail.message.key
        known = self.mails.get(key)
        if known is None or _rank(mail.way, mail.depth) < _rank(known.way, known.depth):
            self.mails[key] = mail
        return key

    def arrive(self, arrivals: Iterable[Arrival]) -> tuple[list[Reached], list[Arrival]]:
        """One round: the places that are new, and the groups that are to be opened."""
        places: dict[tuple[str, str], Arrival] = {}
        groups: dict[tuple[str, str], Arrival] = {}
        for arrival in arrivals:
            recipient, offer = arrival
            at = (offer.mail, _holder(recipient))
            if recipient.kind is RecipientKind.GROUP:
                if at not in self._opened:
                    _keep_best(groups, at, arrival)
            elif at not in self.reached:
                _keep_best(places, at, arrival)
        self._opened.update(groups)
        new = [self._reach(at, arrival) for at, arrival in places.items()]
        return new, list(groups.values())

    def open(self, group: Arrival, members: Answer[tuple[Recipient, ...]]) -> list[Arrival]:
        """The arrivals of a group's members. A group that tells nothing is a place where the way ends."""
        recipient, offer = group
        if isinstance(members, Refusal):
            self._dead_end(group, _UNREADABLE.get(members.kind, TargetState.FAILED), f"group:{members.code}")
            return []
        if not members and recipient.hidden_membership:
            self._dead_end(group, TargetState.MAILBOX_MISSING, "hidden_membership")
            return []
        hop = Hop(via=Via.GROUP, name=recipient.address, ref=recipient.id)
        way = (*offer.way, hop)
        return [
            (member, Offer(mail=offer.mail, address=member.address, way=way, depth=offer.depth)) for member in members
        ]

    def end(self, mailbox_id: str, state: TargetState, reason: str) -> None:
        """There is no working in this mailbox: whatever got there ends there."""
        for mail in self.mails:
            at = (mail, mailbox_id)
            if at in self.reached:
                self._end_at(at, state, reason)

    def expanded_by_transport(self, mail: str, addresses: Iterable[str]) -> None:
        """Transport expanded these: what no object of the directory answers to is a dynamic distribution group."""
        for address in addresses:
            at = (mail, address)
            if at in self.reached and self.reached[at].reason == _NO_MAILBOX[RecipientKind.UNKNOWN]:
                self._end_at(at, TargetState.MAILBOX_MISSING, "dynamic_group")

    def _reach(self, at: tuple[str, str], arrival: Arrival) -> Reached:
        recipient, offer = arrival
        ends = _NO_MAILBOX.get(recipient.kind)
        has_mailbox = ends is None and recipient.id is not None
        reached = Reached(
            mail=offer.mail,
            mailbox=Mailbox.model_validate(
                {
                    "id": recipient.id if has_mailbox else None,
                    "address": next(iter(recipient.addresses), recipient.address) or at[1],
                    "name": visible(recipient.name),
                    "department": visible(recipient.department),
                    "privileged": recipient.id in self.privileged,
                    "protected": recipient.id in self.protected,
                }
            ),
            way=offer.way,
            depth=offer.depth,
            state=TargetState.PLANNED if has_mailbox else TargetState.MAILBOX_MISSING,
            reason=None if has_mailbox else _why(recipient, ends),
        )
        self.reached[at] = reached
        return reached

    def _dead_end(self, group: Arrival, state: TargetState, reason: str) -> None:
        recipient, offer = group
        at = (offer.mail, _holder(recipient))
        mailbox = Mailbox(address=recipient.address or at[1], name=visible(recipient.name))
        self.reached[at] = Reached(offer.mail, mailbox, offer.way, offer.depth, state, reason)

    def _end_at(self, at: tuple[str, str], state: TargetState, reason: str) -> None:
        was = self.reached[at]
        self.reached[at] = Reached(was.mail, was.mailbox, was.way, was.depth, state, reason)


def as_recipient(mailbox: Mailbox) -> Recipient:
    """The mailbox's owner, as the directory would tell it again."""
    return Recipient(
        kind=RecipientKind.USER,
        address=mailbox.address,
        id=mailbox.id,
        name=mailbox.name,
        department=mailbox.department,
    )


def _why(recipient: Recipient, ends: str | None) -> str:
    if recipient.kind is RecipientKind.UNKNOWN and recipient.id is not None:
        # A group has this member, and we may not read who it is (graph.md 6).
        return "unreadable_member"
    return ends or "unknown_address"


def _holder(recipient: Recipient) -> str:
    if recipient.kind in {RecipientKind.USER, RecipientKind.GROUP} or not recipient.address:
        return recipient.id or recipient.address
    return recipient.address


def _keep_best(best: dict[tuple[str, str], Arrival], at: tuple[str, str], arrival: Arrival) -> None:
    known = best.get(at)
    if known is None or _rank_of(arrival) < _rank_of(known):
        best[at] = arrival


def _rank_of(arrival: Arrival) -> tuple[object, ...]:
    # By address last: two aliases of one mailbox, named by the same alert, are the same way.
    recipient, offer = arrival
    return (*_rank(offer.way, offer.depth), offer.address, recipient.address)


def _rank(way: Sequence[Hop], depth: int) -> tuple[int, int, list[tuple[str, str, str]]]:
    """The order of ways to one place: fewer times sent on, fewer steps, and then any order that is always the same."""
    return depth, len(way), [(hop.via, hop.name, hop.ref or "") for hop in way]
