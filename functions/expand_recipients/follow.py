"""What Sent Items and inbox rules say about where mail went next. Pure rules."""

from collections.abc import Iterable, Iterator

from functions.expand_recipients.tree import Arrival, Mail, Offer, Reached, Way, as_recipient
from shared.domain.message import Message, address, internet_message_id, visible
from shared.domain.target import Hop, Via
from shared.policy import Follow
from shared.ports.mailboxes import ForwardingRule, Item, SentCopy


def sent_on(holder: Reached, copies: Iterable[SentCopy], rules: Follow) -> Iterator[tuple[Mail, tuple[str, ...]]]:
    """The mails that the holder sent on, each with the addresses it went to."""
    for copy in copies:
        message_id = internet_message_id(copy.internet_message_id)
        if message_id is None or (not copy.is_forward and not rules.replies):
            continue
        # No sender: the mail was found in its sender's own Sent Items, and a delegate's copy bears another name.
        message = Message(internet_message_id=message_id, subject=visible(copy.subject), received_at=copy.sent_at)
        if message.key == holder.mail:
            continue
        way = step(holder, Via.FORWARD if copy.is_forward else Via.REPLY)
        yield Mail(message, way, holder.depth + 1), addresses(copy.recipients)


def own_copy(holder: Reached, mail: Mail) -> Arrival:
    """What was sent on lies in the Sent Items of whoever sent it."""
    return as_recipient(holder.mailbox), Offer(mail.message.key, holder.mailbox.address, mail.way, mail.depth)


def redirected(holder: Reached, rules: Iterable[ForwardingRule]) -> Iterator[Offer]:
    """A redirect keeps the Message-ID: the same mail, one step further."""
    way = step(holder, Via.INBOX_RULE)
    for rule in rules:
        if rule.redirects:
            for recipient in addresses(rule.recipients):
                yield Offer(holder.mail, recipient, way, holder.depth + 1)


def forwarded_to(rules: Iterable[ForwardingRule]) -> tuple[str, ...]:
    """Where rules forward to. A forward is a new mail, which Sent Items do not hold."""
    return addresses(recipient for rule in rules if not rule.redirects for recipient in rule.recipients)


def same_sender(message: Message, item: Item) -> bool:
    """Whether the item may be the message: nothing is known that speaks against it."""
    return message.sender is None or item.sender is None or message.sender.lower() == item.sender.lower()


def step(holder: Reached, via: Via) -> Way:
    """The way to whoever gets the mail from this holder."""
    return (*holder.way, Hop(via=via, name=holder.mailbox.address, ref=holder.mailbox.id))


def addresses(raw: Iterable[str]) -> tuple[str, ...]:
    """The addresses in there, once each and sorted."""
    return tuple(sorted({found for text in raw if (found := address(text)) is not None}))
