"""What Sent Items and inbox rules say about where a mail went next. Pure rules."""

from collections.abc import Iterable, Iterator

from functions.expand_recipients.tree import Addressed, Delivery, Mail, Path
from shared.domain.mail_address import all_spelled
from shared.domain.message import MAX_SENDERS, Message, address, internet_message_id, visible
from shared.domain.target import Hop, Via
from shared.policy import Follow
from shared.ports.mailboxes import ForwardingRule, SentCopy


def sent_on(delivery: Delivery, copies: Iterable[SentCopy], follow: Follow) -> Iterator[tuple[Mail, tuple[str, ...]]]:
    """The mails that this recipient made of the mail by forward or reply, each with the addresses it was sent to."""
    for copy in copies:
        message_id = internet_message_id(copy.internet_message_id)
        if message_id is None or not (copy.is_forward or follow.replies):
            continue
        # From of the copy itself: a delegate sends in the name of another. Where it shows none, it is the owner's mail.
        owner = delivery.recipient
        senders = all_spelled([copy.sender] if copy.sender else [owner.address, *owner.addresses][:MAX_SENDERS])
        message = Message(
            internet_message_id=message_id,
            sender=next(iter(senders), None),
            senders=senders,
            subject=visible(copy.subject),
            received_at=copy.sent_at,
        )
        if message.key != delivery.mail:
            path = next_path(delivery, Via.FORWARD if copy.is_forward else Via.REPLY)
            yield Mail(message, path), addresses(copy.recipients)


def senders_copy(delivery: Delivery, mail: Mail) -> Delivery:
    """The copy of the new mail in its sender's Sent Items."""
    return Delivery(mail.message.key, delivery.recipient, mail.path)


def redirected(delivery: Delivery, rules: Iterable[ForwardingRule]) -> Iterator[Addressed]:
    """Where inbox rules redirect to. A redirect keeps the Message-ID: it is the same mail."""
    for rule in rules:
        if rule.redirects:
            path = next_path(delivery, Via.INBOX_RULE)
            for recipient in addresses(rule.recipients):
                yield Addressed(delivery.mail, recipient, path)


def forwarded_to(rules: Iterable[ForwardingRule]) -> tuple[str, ...]:
    """Where inbox rules forward to. A forward is a new mail, which Sent Items do not hold."""
    return addresses(recipient for rule in rules if not rule.redirects for recipient in rule.recipients)


def next_path(delivery: Delivery, via: Via) -> Path:
    """The path to a recipient that gets the mail from this one."""
    recipient = delivery.recipient
    return delivery.path.then(Hop(via=via, name=recipient.primary_address, ref=recipient.mailbox_id))


def addresses(raw: Iterable[str]) -> tuple[str, ...]:
    """The addresses in there, once each and sorted."""
    return tuple(sorted({found for text in raw if (found := address(text)) is not None}))
