from dataclasses import replace
from datetime import UTC, datetime

import pytest

from functions.expand_recipients.follow import addresses, forwarded_to, redirected, senders_copy, sent_on
from functions.expand_recipients.tree import Delivery, Path
from shared.domain.message import Message
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import Hop, Via
from shared.policy import Follow
from shared.ports.mailboxes import ForwardingRule, SentCopy

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
MAIL = Message(internet_message_id="<a@evil.example>")
ANN = Delivery(
    mail=MAIL.key,
    recipient=Recipient(RecipientKind.USER, "ann@contoso.example", "id-ann"),
    path=Path(Hop(via=Via.ALERT, name="tap", ref="alert-1")).then(Hop(via=Via.FORWARD, name="x@contoso.example")),
)


def copy(message_id: str = "<b@contoso.example>", *, is_forward: bool = True) -> SentCopy:
    return SentCopy(message_id, "FW: \u202einvoice", NOW, ("Bob <Bob@contoso.example>", "not an address"), is_forward)


def test_a_forward_is_a_mail_of_its_own_one_step_further() -> None:
    ((mail, recipients),) = sent_on(ANN, [copy()], Follow())
    assert mail.message == Message(
        internet_message_id="<b@contoso.example>",
        sender="ann@contoso.example",
        senders=("ann@contoso.example",),
        subject="FW: invoice",
        received_at=NOW,
    )
    assert mail.path.hops == (*ANN.path.hops, Hop(via=Via.FORWARD, name="ann@contoso.example", ref="id-ann"))
    assert mail.path.depth == 2
    assert recipients == ("bob@contoso.example",)


def test_the_sender_of_a_forward_is_the_one_that_its_copy_shows() -> None:
    ((mail, _),) = sent_on(ANN, [replace(copy(), sender="Chair@contoso.example")], Follow())
    assert mail.message.from_addresses == ("chair@contoso.example",)


@pytest.mark.parametrize(("replies", "expected"), [(True, [Via.REPLY]), (False, [])])
def test_replies_are_followed_if_the_policy_says_so(replies: bool, expected: list[Via]) -> None:
    found = sent_on(ANN, [copy(is_forward=False)], Follow(replies=replies))
    assert [mail.path.last.via for mail, _ in found] == expected


@pytest.mark.parametrize("message_id", ["", "<>", "<a\r\nb@x>", "<a@evil.example>"])
def test_what_has_no_usable_id_of_its_own_is_not_followed(message_id: str) -> None:
    assert list(sent_on(ANN, [copy(message_id)], Follow())) == []


def test_whoever_sent_it_on_has_it_too() -> None:
    ((mail, _),) = sent_on(ANN, [copy()], Follow())
    own = senders_copy(ANN, mail)
    assert (own.holder, own.mail, own.path) == ("id-ann", mail.message.key, mail.path)


def test_a_redirect_is_the_same_mail_and_a_forward_by_rule_is_not() -> None:
    rules = [
        ForwardingRule("to Bob", ("bob@contoso.example",), redirects=True),
        ForwardingRule("out", ("x@partner.example", "X@Partner.example"), redirects=False),
    ]
    (addressed,) = redirected(ANN, rules)
    assert (addressed.mail, addressed.address, addressed.path.depth) == (MAIL.key, "bob@contoso.example", 2)
    assert addressed.path.last == Hop(via=Via.INBOX_RULE, name="ann@contoso.example", ref="id-ann")
    assert forwarded_to(rules) == ("x@partner.example",)


def test_addresses_are_cleaned() -> None:
    assert addresses(["B@x.example", "a@x.example", "b@X.example", "", "<>"]) == ("a@x.example", "b@x.example")
