"""Any graph of groups ends, every mailbox has a mail once, and order does not matter."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.expand_recipients.tree import MAX_HOPS, Delivery, Mail, Path, Tree
from shared.domain.message import Message
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import Hop, TargetState, Via
from shared.ports.answers import Answer, Refusal, RefusalKind

MAIL = Message(internet_message_id="<a@evil.example>")
ALERT = Path(Hop(via=Via.ALERT, name="tap", ref="alert-1"))


def user(n: int) -> Recipient:
    return Recipient(RecipientKind.USER, f"user{n}@contoso.example", f"id-user{n}")


def group(n: int, *, hidden: bool = False) -> Recipient:
    return Recipient(RecipientKind.GROUP, f"group{n}@contoso.example", f"id-group{n}", hidden_membership=hidden)


def delivery(recipient: Recipient, mail: Message = MAIL, path: Path = ALERT) -> Delivery:
    return Delivery(mail.key, recipient, path)


def tree() -> Tree:
    made = Tree()
    made.add_mail(Mail(MAIL, ALERT))
    return made


def spread(tree: Tree, deliveries: list[Delivery], members: dict[str, Answer[tuple[Recipient, ...]]]) -> int:
    """As the search does it; how many rounds it took."""
    rounds = 0
    while deliveries:
        rounds += 1
        _, groups = tree.take(deliveries)
        deliveries = [d for g in groups for d in tree.expand(g, members.get(g.recipient.id or "", ()))]
    return rounds


def paths(tree: Tree) -> dict[str, list[str]]:
    return {found.mailbox.address: [hop.name for hop in found.hops] for found in tree.deliveries.values()}


def test_nested_groups_and_their_path() -> None:
    made = tree()
    spread(made, [delivery(group(1))], {"id-group1": (group(2), user(1)), "id-group2": (user(2),)})
    assert paths(made) == {
        "user1@contoso.example": ["tap", "group1@contoso.example"],
        "user2@contoso.example": ["tap", "group1@contoso.example", "group2@contoso.example"],
    }


def test_a_cycle_of_groups_ends() -> None:
    made = tree()
    rounds = spread(made, [delivery(group(1))], {"id-group1": (group(2),), "id-group2": (group(1), user(1))})
    assert rounds == 3
    assert set(paths(made)) == {"user1@contoso.example"}


def test_the_shortest_path_counts() -> None:
    made = tree()
    spread(made, [delivery(group(1)), delivery(user(1))], {"id-group1": (user(1),)})
    assert paths(made) == {"user1@contoso.example": ["tap"]}


def test_members_of_a_group_share_one_path() -> None:
    made = tree()
    spread(made, [delivery(group(1))], {"id-group1": tuple(user(n) for n in range(50))})
    assert len({id(found.path) for found in made.deliveries.values()}) == 1


def test_a_thousand_groups_in_each_other_break_nothing_and_are_kept_short() -> None:
    made = tree()
    members: dict[str, Answer[tuple[Recipient, ...]]] = {f"id-group{n}": (group(n + 1),) for n in range(1000)}
    members["id-group1000"] = (user(1),)
    # Twice the same length: the two paths are compared hop by hop.
    members["id-group5000"] = (group(1),)
    spread(made, [delivery(group(0)), delivery(group(5000))], members)
    (found,) = made.deliveries.values()
    assert found.path.steps == len(found.path.hops) == 1002
    assert len(found.hops) == MAX_HOPS
    assert (found.hops[0].name, found.hops[-1].name) == ("tap", "group1000@contoso.example")
    assert found.hops[MAX_HOPS // 2] == Hop(via=Via.GROUP, name="983 more hops")
    assert not found.path.better_than(found.path.before or found.path)
    assert repr(found)
    assert found == found.__class__(found.mail, found.recipient, found.path)


@pytest.mark.parametrize("number", [MAX_HOPS, MAX_HOPS + 1])
def test_a_path_is_kept_whole_up_to_the_limit(number: int) -> None:
    path = ALERT
    for n in range(number - 1):
        path = path.then(Hop(via=Via.GROUP, name=f"group{n}"))
    kept = delivery(user(1), path=path).hops
    assert len(kept) == MAX_HOPS
    assert (kept == path.hops) is (number == MAX_HOPS)


def test_depth_counts_how_often_mail_was_sent_on() -> None:
    path = ALERT
    for via in (Via.GROUP, Via.FORWARD, Via.TRACE, Via.INBOX_RULE, Via.REPLY):
        path = path.then(Hop(via=via, name="x"))
    assert (path.depth, path.steps) == (3, 6)


def test_two_aliases_are_one_mailbox_under_its_primary_address() -> None:
    addresses = ("ann@contoso.example", "a.lee@contoso.example")
    aliases = [Recipient(RecipientKind.USER, address, "id-ann", addresses=addresses) for address in addresses]
    made = tree()
    made.take([delivery(alias) for alias in aliases])
    assert [found.mailbox.address for found in made.deliveries.values()] == ["ann@contoso.example"]


def test_two_aliases_of_a_contact_are_one_recipient() -> None:
    addresses = ("out@partner.example", "o@partner.example")
    aliases = [Recipient(RecipientKind.CONTACT, address, "id-out", addresses=addresses) for address in addresses]
    made = tree()
    made.take([delivery(alias) for alias in aliases])
    assert [found.holder for found in made.deliveries.values()] == ["out@partner.example"]


def test_addresses_without_mailbox_end_with_their_reason() -> None:
    made = tree()
    made.take(
        [
            delivery(Recipient(RecipientKind.GUEST, "guest@partner.example", "id-guest")),
            delivery(Recipient(RecipientKind.CONTACT, "contact@partner.example", "id-contact")),
            delivery(Recipient(RecipientKind.UNKNOWN, "nobody@contoso.example")),
            delivery(Recipient(RecipientKind.UNKNOWN, "", "id-secret")),
        ]
    )
    assert {d.mailbox.address: (d.state, d.reason, d.mailbox.id) for d in made.deliveries.values()} == {
        "guest@partner.example": (TargetState.MAILBOX_MISSING, "guest", None),
        "contact@partner.example": (TargetState.MAILBOX_MISSING, "mail_contact", None),
        "nobody@contoso.example": (TargetState.MAILBOX_MISSING, "unknown_address", None),
        "id-secret": (TargetState.MAILBOX_MISSING, "unreadable_member", None),
    }


def test_hidden_membership_is_told_from_an_empty_group() -> None:
    made = tree()
    spread(made, [delivery(group(1, hidden=True)), delivery(group(2))], {})
    (found,) = made.deliveries.values()
    assert (found.mailbox.address, found.mailbox.id, found.reason) == (
        "group1@contoso.example",
        None,
        "hidden_membership",
    )


def test_hidden_membership_that_we_may_read_is_expanded() -> None:
    made = tree()
    spread(made, [delivery(group(1, hidden=True))], {"id-group1": (user(1),)})
    assert set(paths(made)) == {"user1@contoso.example"}


def test_a_group_that_cannot_be_read_is_in_the_result_itself() -> None:
    made = tree()
    spread(
        made,
        [delivery(group(1)), delivery(group(2))],
        {
            "id-group1": Refusal(RefusalKind.DENIED, "Authorization_RequestDenied", 403),
            "id-group2": Refusal(RefusalKind.PERMANENT, "Request_BadRequest", 400),
        },
    )
    assert {d.mailbox.address: (d.state, d.reason) for d in made.deliveries.values()} == {
        "group1@contoso.example": (TargetState.DENIED, "group:Authorization_RequestDenied"),
        "group2@contoso.example": (TargetState.FAILED, "group:Request_BadRequest"),
    }


def test_a_mailbox_that_cannot_be_worked_in_ends_for_every_mail() -> None:
    made = tree()
    other = Message(internet_message_id="<b@evil.example>")
    made.add_mail(Mail(other, ALERT))
    made.take([delivery(user(1)), delivery(user(1), other), delivery(user(2))])
    made.end_mailbox("id-user1", TargetState.ON_PREMISES, "MailboxNotEnabledForRESTAPI")
    assert {at: found.state for at, found in made.deliveries.items()} == {
        (MAIL.key, "id-user1"): TargetState.ON_PREMISES,
        (other.key, "id-user1"): TargetState.ON_PREMISES,
        (MAIL.key, "id-user2"): TargetState.PLANNED,
    }


def test_what_transport_expanded_and_nobody_knows_is_a_dynamic_group() -> None:
    made = tree()
    made.take(
        [
            delivery(Recipient(RecipientKind.UNKNOWN, "all@contoso.example")),
            delivery(Recipient(RecipientKind.UNKNOWN, "typo@contoso.example")),
            delivery(user(1)),
        ]
    )
    made.expanded_by_transport(MAIL.key, ["all@contoso.example", "user1@contoso.example", "elsewhere@contoso.example"])
    reasons = {found.mailbox.address: found.reason for found in made.deliveries.values()}
    assert reasons == {
        "all@contoso.example": "dynamic_group",
        "typo@contoso.example": "unknown_address",
        "user1@contoso.example": None,
    }


# A group is (its user members, its group members); the graph may have any cycles.
graphs = st.lists(
    st.tuples(st.sets(st.integers(0, 8), max_size=4), st.sets(st.integers(0, 7), max_size=4)), min_size=1, max_size=8
)


@given(graphs, st.sets(st.integers(0, 7), min_size=1), st.sets(st.integers(0, 8)), st.randoms(use_true_random=False))
def test_any_graph_ends_has_each_recipient_once_and_in_any_order(
    graph: list[tuple[set[int], set[int]]], roots: set[int], named: set[int], shuffler: random.Random
) -> None:
    def members(order: random.Random | None) -> dict[str, Answer[tuple[Recipient, ...]]]:
        answers: dict[str, Answer[tuple[Recipient, ...]]] = {}
        for number, (users, groups) in enumerate(graph):
            listed = [user(n) for n in sorted(users)] + [group(n) for n in sorted(groups)]
            if order is not None:
                order.shuffle(listed)
            answers[f"id-group{number}"] = tuple(listed)
        return answers

    def outcome(tree: Tree) -> dict[tuple[str, str], tuple[object, ...]]:
        return {at: (d.mailbox, d.path.hops, d.state, d.reason) for at, d in tree.deliveries.items()}

    seeds = [delivery(group(n)) for n in sorted(roots)] + [delivery(user(n)) for n in sorted(named)]
    first, second = tree(), tree()
    assert spread(first, seeds, members(None)) <= len(graph) + 2
    shuffler.shuffle(seeds)
    spread(second, seeds, members(shuffler))
    assert outcome(first) == outcome(second)

    # The same set, found by a plain search.
    expected, todo, seen = set(named), set(roots), set()
    while todo:
        number = todo.pop()
        if number not in seen and number < len(graph):
            seen.add(number)
            expected |= graph[number][0]
            todo |= graph[number][1]
    assert {found.holder for found in first.deliveries.values()} == {f"id-user{n}" for n in expected}
