"""Any graph of forwards ends, reaches every mailbox once per mail, and gives the same plan however it was told."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipeline.stage import Done
from tests.unit.functions.tenant import MESSAGE_ID, Tenant

DEPTH = 3
PEOPLE = 5

# Who forwards which mail (0 is the malicious one) to whom, as which mail.
person = st.integers(0, PEOPLE - 1)
mail = st.integers(0, 3)
edges = st.lists(st.tuples(person, mail, st.sets(person, max_size=3), mail), max_size=12)
traced = st.sets(person)


def name(number: int) -> str:
    return f"p{number}"


def message_id(number: int) -> str:
    return f"<{number}@contoso.example>" if number else MESSAGE_ID


async def plan(
    forwards: list[tuple[int, int, set[int], int]], trace: set[int], order: random.Random | None = None
) -> Tenant:
    tenant = Tenant()
    people = [tenant.person(name(number)) for number in range(PEOPLE)]
    members, told, rows = people[:2], list(forwards), sorted(trace)
    if order is not None:
        for listed in (members, told, rows):
            order.shuffle(listed)
    tenant.group("some", *members)
    for sender, of, recipients, as_mail in told:
        addresses = [f"{name(number)}@contoso.example" for number in sorted(recipients)]
        tenant.sent(name(sender), message_id(of), message_id(as_mail), *addresses)
    for number in rows:
        tenant.traced(f"{name(number)}@contoso.example")
    await tenant.alert("some", "p2")
    await tenant.enrich()
    assert await tenant.expand() == Done()
    return tenant


@settings(max_examples=60, deadline=None)
@given(edges, traced, st.randoms(use_true_random=False))
def test_any_graph_of_forwards(
    forwards: list[tuple[int, int, set[int], int]], trace: set[int], shuffler: random.Random
) -> None:
    first = asyncio.run(plan(forwards, trace))
    second = asyncio.run(plan(forwards, trace, shuffler))
    assert first.plan.hash == second.plan.hash

    places = [(target.internet_message_id, target.mailbox.id) for target in first.targets.all]
    assert len(places) == len(set(places))
    assert {(MESSAGE_ID, name(number)) for number in {0, 1, 2} | trace} <= set(places)
    for target in first.targets.all:
        assert sum(hop.via in {"forward", "reply", "inbox_rule"} for hop in target.hops) <= DEPTH
