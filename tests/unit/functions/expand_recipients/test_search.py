"""Any graph of forwards ends, has every mail at a recipient once, and gives the same plan however it was told.

Several alerts of a case are searched for together, and what is asked is asked once.
"""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.expand_recipients.search import SearchResult, search
from functions.expand_recipients.trace import Traces
from shared.domain.enrichment import merged
from shared.domain.ids import AlertId, TargetId
from shared.domain.target import target_id
from shared.pipeline.stage import Done
from shared.ports.mailboxes import ForwardingRule
from tests.unit.functions.tenant import INCIDENT, MESSAGE_ID, Tenant

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


FORWARD_ID = "<forward@contoso.example>"


async def found_by(tenant: Tenant, *alerts: AlertId, known: set[TargetId] | None = None) -> SearchResult:
    """One search for these alerts, when both stages before it are done."""

    async def of_case(targets: list[TargetId]) -> set[TargetId]:
        return (known or set()) & set(targets)

    await tenant.enrich()
    return await search(
        [await tenant.alerts.read(alert) for alert in alerts],
        merged(tenant.enrichments),
        tenant.expand_deps,
        known=of_case,
        traces=Traces(INCIDENT, tenant.evidence, tenant.now),
    )


def asked(tenant: Tenant, *places: str) -> list[int]:
    return [tenant.checkpoints.names.count(place) for place in places]


def holders(result: SearchResult) -> dict[str, str]:
    """The path to everybody who has a mail, without its beginning."""
    return {
        delivery.holder: " ".join(f"{hop.via}:{hop.name.partition('@')[0]}" for hop in delivery.hops[1:])
        for delivery in result.tree.deliveries.values()
    }


async def test_many_alerts_about_one_mail_ask_once() -> None:
    tenant = Tenant()
    people = [tenant.person(f"p{number}") for number in range(300)]
    tenant.group("sales", *people[:20])
    tenant.sent("p7", MESSAGE_ID, FORWARD_ID, "out@partner.example")
    tenant.traced("p299@contoso.example")
    tenant.traced("out@partner.example", internet_message_id=FORWARD_ID)
    alerts = [await tenant.alert("sales", f"p{number}", number=number + 1) for number in range(200)]
    tenant.checkpoints.names.clear()

    result = await found_by(tenant, *alerts)

    # The trace of the original and of the forward. Sent Items of 200 people, of the forward's sender once more for the
    # forward, and of p299; the sender's rules are known by then.
    assert asked(tenant, "trace", "sent descendants", "forwarding rules", "members") == [2, 3, 2, 1]
    assert {f"p{number}" for number in range(200)} | {"p299", "out@partner.example"} == set(holders(result))
    assert result.notes == ()
    again = await found_by(tenant, *reversed(alerts))
    assert {at: d.hops for at, d in again.tree.deliveries.items()} == {
        at: d.hops for at, d in result.tree.deliveries.items()
    }
    # The case has asked the trace already.
    assert asked(tenant, "trace") == [2]


async def test_what_the_case_has_already_is_not_followed_again() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    for name in ("ann", "bob"):
        tenant.sent(name, MESSAGE_ID, f"<{name}@contoso.example>", f"{name}@partner.example")
        rule = ForwardingRule("out", (f"rule-{name}@partner.example",), redirects=True)
        tenant.mailboxes.boxes[name].rules = (rule,)
    alert = await tenant.alert("ann", "bob")
    key = (await tenant.alerts.read(alert)).messages[0].key
    ann = target_id(INCIDENT, "ann", key)

    result = await found_by(tenant, alert, known={ann, TargetId("target-of-somebody-else")})

    assert set(holders(result)) == {"ann", "bob", "bob@partner.example", "rule-bob@partner.example"}
    assert result.known == {ann}
    assert {d.holder: d.known for d in result.tree.deliveries.values() if d.mail == key} == {
        "ann": True,
        "bob": False,
        "rule-bob@partner.example": False,
    }


async def test_nothing_is_asked_of_mailboxes_when_all_is_known() -> None:
    tenant = Tenant()
    tenant.person("ann")
    alert = await tenant.alert("ann")
    key = (await tenant.alerts.read(alert)).messages[0].key
    tenant.checkpoints.names.clear()
    await found_by(tenant, alert, known={target_id(INCIDENT, "ann", key)})
    assert not {"sent descendants", "forwarding rules", "find visible"} & set(tenant.checkpoints.names)


async def test_no_target_is_asked_for_twice() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.group("secret", hidden=True)
    tenant.sent("ann", MESSAGE_ID, FORWARD_ID, "ann@contoso.example", "secret@contoso.example")
    tenant.traced("ann@contoso.example")
    alert = await tenant.alert("ann", "secret")
    await tenant.enrich()
    asked_for: list[TargetId] = []

    async def known(targets: list[TargetId]) -> set[TargetId]:
        asked_for.extend(targets)
        return set(targets)

    traces = Traces(INCIDENT, tenant.evidence, tenant.now)
    result = await search(
        [await tenant.alerts.read(alert)], merged(tenant.enrichments), tenant.expand_deps, known=known, traces=traces
    )
    assert len(asked_for) == len(set(asked_for)) == len(result.tree.deliveries) == 2
    assert result.known == set(asked_for)


async def test_alerts_that_know_one_mail_by_less_than_its_id_ask_for_it_once() -> None:
    tenant = Tenant()
    for name in ("ann", "bob", "eve"):
        tenant.person(name)
    tenant.traced("ann@contoso.example")
    nameless = {"internet_message_id": None, "network_message_id": "NMID-1"}
    alerts = [await tenant.alert(name, number=n, **nameless) for n, name in enumerate(("bob", "ann"), start=1)]
    alerts.append(await tenant.alert("eve", number=3))
    tenant.checkpoints.names.clear()
    result = await found_by(tenant, *alerts)
    # Who it is, and who has it.
    assert asked(tenant, "trace") == [2]
    assert set(holders(result)) == {"ann", "bob", "eve"}
    assert {mail.message.internet_message_id for mail in result.tree.mails.values()} == {MESSAGE_ID}


async def test_messages_that_nobody_can_identify_are_counted_once_each() -> None:
    tenant = Tenant()
    tenant.person("ann")
    alerts = [await tenant.alert("ann", number=n, internet_message_id=None) for n in (1, 2)]
    alerts.append(await tenant.alert("ann", number=3, internet_message_id=None, subject="Another"))
    assert (await found_by(tenant, *alerts)).notes == ("message_not_identified: 2",)


async def test_hundreds_of_nested_groups_are_planned() -> None:
    tenant = Tenant()
    inner = tenant.person("ann")
    for number in range(450):
        inner = tenant.group(f"group{number}", inner)
    await tenant.alert("group449")
    await tenant.enrich()
    assert await tenant.expand() == Done()
    (target,) = tenant.targets.all
    assert (target.mailbox.id, len(target.hops)) == ("ann", 20)
    assert (target.hops[1].name, target.hops[-1].name) == ("group449@contoso.example", "group0@contoso.example")


async def test_marks_of_people_who_are_found_later() -> None:
    tenant = Tenant()
    ann, bob = tenant.person("ann"), tenant.person("bob")
    tenant.group("sales", ann)
    tenant.group("executives", ann)
    tenant.policy |= {
        "privileged": {"groups": ["executives@contoso.example"]},
        "protected": {"people": ["bob@contoso.example"]},
    }
    tenant.traced("bob@contoso.example")
    result = await found_by(tenant, await tenant.alert("sales"))
    marks = {d.holder: (d.mailbox.privileged, d.mailbox.protected) for d in result.tree.deliveries.values()}
    assert marks == {ann.id: (True, False), bob.id: (False, True)}
