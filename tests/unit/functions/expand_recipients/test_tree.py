"""Any graph of groups ends, every mailbox is reached once per mail, and order does not matter."""

import random

from hypothesis import given
from hypothesis import strategies as st

from functions.expand_recipients.tree import Arrival, Mail, Offer, Tree
from shared.domain.message import Message
from shared.domain.target import Hop, TargetState, Via
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.directory import Recipient, RecipientKind

MAIL = Message(internet_message_id="<a@evil.example>")
ALERT = (Hop(via=Via.ALERT, name="tap", ref="alert-1"),)


def user(n: int) -> Recipient:
    return Recipient(RecipientKind.USER, f"user{n}@contoso.example", f"id-user{n}")


def group(n: int, *, hidden: bool = False) -> Recipient:
    return Recipient(RecipientKind.GROUP, f"group{n}@contoso.example", f"id-group{n}", hidden_membership=hidden)


def offer(recipient: Recipient) -> Arrival:
    return recipient, Offer(MAIL.key, recipient.address, ALERT, 0)


def tree() -> Tree:
    made = Tree()
    made.add_mail(Mail(MAIL, ALERT))
    return made


def spread(tree: Tree, arrivals: list[Arrival], members: dict[str, Answer[tuple[Recipient, ...]]]) -> int:
    """As the search does it; how many rounds it took."""
    rounds = 0
    while arrivals:
        rounds += 1
        _, groups = tree.arrive(arrivals)
        arrivals = [a for g in groups for a in tree.open(g, members.get(g[0].id or "", ()))]
    return rounds


def ways(tree: Tree) -> dict[str, list[str]]:
    return {place.mailbox.address: [hop.name for hop in place.way] for place in tree.reached.values()}


def test_nested_groups_and_their_way() -> None:
    made = tree()
    spread(made, [offer(group(1))], {"id-group1": (group(2), user(1)), "id-group2": (user(2),)})
    assert ways(made) == {
        "user1@contoso.example": ["tap", "group1@contoso.example"],
        "user2@contoso.example": ["tap", "group1@contoso.example", "group2@contoso.example"],
    }


def test_a_cycle_ends() -> None:
    made = tree()
    rounds = spread(made, [offer(group(1))], {"id-group1": (group(2),), "id-group2": (group(1), user(1))})
    assert rounds == 3
    assert set(ways(made)) == {"user1@contoso.example"}


def test_the_shortest_way_counts() -> None:
    made = tree()
    spread(made, [offer(group(1)), offer(user(1))], {"id-group1": (user(1),)})
    assert ways(made) == {"user1@contoso.example": ["tap"]}


def test_two_aliases_are_one_mailbox_under_its_primary_address() -> None:
    addresses = ("ann@contoso.example", "a.lee@contoso.example")
    aliases = [Recipient(RecipientKind.USER, address, "id-ann", addresses=addresses) for address in addresses]
    made = tree()
    made.arrive([offer(alias) for alias in aliases])
    assert [place.mailbox.address for place in made.reached.values()] == ["ann@contoso.example"]


def test_addresses_without_mailbox_end_with_their_reason() -> None:
    made = tree()
    made.arrive(
        [
            offer(Recipient(RecipientKind.GUEST, "guest@partner.example", "id-guest")),
            offer(Recipient(RecipientKind.CONTACT, "contact@partner.example", "id-contact")),
            offer(Recipient(RecipientKind.UNKNOWN, "nobody@contoso.example")),
            offer(Recipient(RecipientKind.UNKNOWN, "", "id-secret")),
        ]
    )
    assert {p.mailbox.address: (p.state, p.reason, p.mailbox.id) for p in made.reached.values()} == {
        "guest@partner.example": (TargetState.MAILBOX_MISSING, "guest", None),
        "contact@partner.example": (TargetState.MAILBOX_MISSING, "mail_contact", None),
        "nobody@contoso.example": (TargetState.MAILBOX_MISSING, "unknown_address", None),
        "id-secret": (TargetState.MAILBOX_MISSING, "unreadable_member", None),
    }


def test_hidden_membership_is_told_from_an_empty_group() -> None:
    made = tree()
    spread(made, [offer(group(1, hidden=True)), offer(group(2))], {})
    (place,) = made.reached.values()
    assert (place.mailbox.address, place.reason) == ("group1@contoso.example", "hidden_membership")


def test_hidden_membership_that_we_may_read_is_expanded() -> None:
    made = tree()
    spread(made, [offer(group(1, hidden=True))], {"id-group1": (user(1),)})
    assert set(ways(made)) == {"user1@contoso.example"}


def test_a_group_that_cannot_be_read_is_a_place_of_its_own() -> None:
    made = tree()
    spread(
        made,
        [offer(group(1)), offer(group(2))],
        {
            "id-group1": Refusal(RefusalKind.DENIED, "Authorization_RequestDenied", 403),
            "id-group2": Refusal(RefusalKind.PERMANENT, "Request_BadRequest", 400),
        },
    )
    assert {p.mailbox.address: (p.state, p.reason) for p in made.reached.values()} == {
        "group1@contoso.example": (TargetState.DENIED, "group:Authorization_RequestDenied"),
        "group2@contoso.example": (TargetState.FAILED, "group:Request_BadRequest"),
    }


def test_a_mailbox_that_cannot_be_worked_in_ends_for_every_mail() -> None:
    made = tree()
    other = Message(internet_message_id="<b@evil.example>")
    made.add_mail(Mail(other, ALERT))
    made.arrive([offer(user(1)), (user(1), Offer(other.key, "user1@contoso.example", ALERT, 0)), offer(user(2))])
    made.end("id-user1", TargetState.ON_PREMISES, "MailboxNotEnabledForRESTAPI")
    states = {(place.mail, place.holder): place.state for place in made.reached.values()}
    assert states == {
        (MAIL.key, "id-user1"): TargetState.ON_PREMISES,
        (other.key, "id-user1"): TargetState.ON_PREMISES,
        (MAIL.key, "id-user2"): TargetState.PLANNED,
    }


def test_what_transport_expanded_and_nobody_knows_is_a_dynamic_group() -> None:
    made = tree()
    made.arrive(
        [
            offer(Recipient(RecipientKind.UNKNOWN, "all@contoso.example")),
            offer(Recipient(RecipientKind.UNKNOWN, "typo@contoso.example")),
            offer(user(1)),
        ]
    )
    made.expanded_by_transport(MAIL.key, ["all@contoso.example", "user1@contoso.example", "elsewhere@contoso.example"])
    reasons = {place.mailbox.address: place.reason for place in made.reached.values()}
    assert reasons == {
        "all@contoso.example": "dynamic_group",
        "typo@contoso.example": "unknown_address",
        "user1@contoso.example": None,
    }


def test_marks_of_people() -> None:
    made = Tree(privileged=frozenset({"id-user1"}), protected=frozenset({"id-user2"}))
    made.add_mail(Mail(MAIL, ALERT))
    made.arrive([offer(user(1)), offer(user(2))])
    marks = {p.holder: (p.mailbox.privileged, p.mailbox.protected) for p in made.reached.values()}
    assert marks == {"id-user1": (True, False), "id-user2": (False, True)}


# A group is (its user members, its group members); the graph may have any cycles.
graphs = st.lists(
    st.tuples(st.sets(st.integers(0, 8), max_size=4), st.sets(st.integers(0, 7), max_size=4)), min_size=1, max_size=8
)


@given(graphs, st.sets(st.integers(0, 7), min_size=1), st.sets(st.integers(0, 8)), st.randoms(use_true_random=False))
def test_any_graph_ends_reaches_each_once_and_in_any_order(
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

    seeds = [offer(group(n)) for n in sorted(roots)] + [offer(user(n)) for n in sorted(named)]
    first, second = tree(), tree()
    assert spread(first, seeds, members(None)) <= len(graph) + 2
    shuffler.shuffle(seeds)
    spread(second, seeds, members(shuffler))
    assert first.reached == second.reached

    # The same set, found by a plain search.
    expected, todo, seen = set(named), set(roots), set()
    while todo:
        number = todo.pop()
        if number not in seen and number < len(graph):
            seen.add(number)
            expected |= graph[number][0]
            todo |= graph[number][1]
    assert {place.holder for place in first.reached.values()} == {f"id-user{n}" for n in expected}
