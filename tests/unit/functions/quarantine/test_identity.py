"""Only the mail that was named is pulled; what cannot be told from it waits for a person."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.quarantine.handler import handle
from functions.quarantine.rules import Judged, said_yes, why_held
from shared.domain.identity import Identity, Judgement
from shared.domain.incident import Plan, PlanState
from shared.domain.target import TargetState
from shared.pipeline.payloads import PullChunk
from shared.pipeline.stage import Done, RetryLater
from shared.policy import Policy
from shared.ports.answers import RefusalKind
from shared.ports.mailboxes import Item, Where
from tests.fakes.clock import START
from tests.unit.functions.quarantine.world import CHUNK, DELIVERED, INCIDENT, PLAN, POLICY, SENDER, World

PULL = PullChunk(incident_id=INCIDENT, chunk_id=CHUNK)
FIVE = ("ann", "bob", "eve", "kim", "lee")
X500 = None
"""How the port shows a From that Exchange has as an X.500 name."""

NO_SENDER = {"sender": None, "named_at": DELIVERED}
APPROVED = {"approved_by": "Sam", "approved_at": START, "approval_reasons": ("sender_unknown: 5",)}
GOOD = "orders@adatum.example"
DAYS = timedelta(days=3)


def ends(world: World) -> set[tuple[TargetState, str | None]]:
    return {(target.state, target.reason) for target in world.targets.all}


async def pulled(world: World) -> set[tuple[TargetState, str | None]]:
    """What became of the targets; nothing else happens, however often the message comes."""
    assert await handle(PULL, world.deps) == Done()
    assert await handle(PULL, world.deps) == Done()
    return ends(world)


async def test_an_alert_without_sender_pulls_nothing_on_the_message_id_alone() -> None:
    world = World()
    for name in FIVE:
        world.mail(name, "Inbox", sender=GOOD, received_at=DELIVERED - DAYS)
    await world.plan(*FIVE, named={"sender": None})
    before = world.mailboxes.snapshot()

    assert await pulled(world) == {(TargetState.HELD, "sender_unknown")}
    assert world.mailboxes.snapshot() == before


async def test_mail_of_days_before_the_alert_is_not_pulled_because_of_an_unknown_sender_approved_or_not() -> None:
    for approval in ({}, APPROVED):
        world = World()
        for name in FIVE:
            world.mail(name, "Inbox", sender=GOOD, received_at=DELIVERED - DAYS)
        await world.plan(*FIVE, named=NO_SENDER, approval=approval)

        assert await pulled(world) == {(TargetState.HELD, "received_earlier")}
        assert not world.mailboxes.moves


async def test_mail_of_days_before_the_alert_is_not_pulled_though_its_sender_is_the_same() -> None:
    world = World()
    world.mail("ann", "Inbox", received_at=DELIVERED - DAYS)
    await world.plan("ann", named={"named_at": DELIVERED})

    assert await pulled(world) == {(TargetState.HELD, "received_earlier")}
    assert not world.mailboxes.moves


async def test_a_copy_whose_from_is_no_smtp_address_is_held_though_the_alert_names_the_sender() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=X500, subject="Your order")
    await world.plan("ann", named={"named_at": DELIVERED, "traced_at": DELIVERED, "subject": "Invoice"})

    assert await pulled(world) == {(TargetState.HELD, "sender_unknown")}
    assert not world.mailboxes.moves


async def test_time_subject_and_trace_pull_a_copy_whose_from_is_not_known() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=X500)
    await world.plan("ann", named={"named_at": DELIVERED, "traced_at": DELIVERED, "subject": "Invoice"})

    assert await pulled(world) == {(TargetState.QUARANTINED, None)}


async def test_a_person_who_approves_unknown_senders_releases_what_cannot_be_told_apart() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=GOOD)
    await world.plan("ann", named=NO_SENDER, approval=APPROVED)

    assert await pulled(world) == {(TargetState.QUARANTINED, None)}


@pytest.mark.parametrize(
    "approval",
    [
        {"approval_reasons": ("sender_unknown: 1",)},
        {"approved_by": "Sam", "approval_reasons": ("targets: 600 of 500",)},
        {"approved_by": "Sam"},
    ],
)
async def test_an_approval_that_did_not_name_unknown_senders_releases_none(approval: dict[str, object]) -> None:
    world = World()
    world.mail("ann", "Inbox", sender=GOOD)
    await world.plan("ann", named=NO_SENDER, approval=approval)

    assert await pulled(world) == {(TargetState.HELD, "sender_unknown")}


async def test_an_approval_releases_no_mail_of_another_sender() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=GOOD)
    await world.plan("ann", approval=APPROVED)

    assert await pulled(world) == {(TargetState.HELD, "sender_differs")}


async def test_one_of_two_from_addresses_is_pulled() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=GOOD)
    await world.plan("ann", named={"senders": (SENDER, GOOD)})

    assert await pulled(world) == {(TargetState.QUARANTINED, None)}


async def test_one_address_in_two_spellings_is_pulled() -> None:
    world = World()
    world.mail("ann", "Inbox", sender="ceo@xn--bcher-kva.example")
    await world.plan("ann", named={"sender": '"CEO"@Bücher.example'})

    assert await pulled(world) == {(TargetState.QUARANTINED, None)}


async def test_the_network_message_id_finds_the_mail_among_those_of_its_message_id() -> None:
    world = World()
    ours = world.mail("ann", "Inbox", 1, sender=GOOD)
    world.mail("ann", "Inbox", 2, sender=GOOD)
    world.mailboxes.network_ids = {"ann/1": "nmid-1", "ann/2": "nmid-2"}
    await world.plan("ann", named={**NO_SENDER, "network_message_id": "nmid-1"})

    # The other one is left, and the state says so.
    assert await pulled(world) == {(TargetState.QUARANTINED, "sender_unknown")}
    assert set(world.mailboxes.moves) == {ours.id}


async def test_a_mailbox_that_does_not_tell_the_network_message_id_now_is_asked_again() -> None:
    world = World()
    world.mail("ann", "Inbox", sender=GOOD)
    world.mailboxes.network_ids = {"ann/1": "nmid-1"}
    await world.plan("ann", named={**NO_SENDER, "network_message_id": "nmid-1"})
    real = world.mailboxes.network_message_ids

    async def throttled(items: object) -> object:
        world.mailboxes.network_message_ids = real  # type: ignore[method-assign]  # once
        world.mailboxes.refuse("ann", RefusalKind.THROTTLED, after=17.0)
        return await real(items)  # type: ignore[arg-type]  # as it came

    world.mailboxes.network_message_ids = throttled  # type: ignore[method-assign, assignment]  # once

    assert await handle(PULL, world.deps) == RetryLater("targets left", 17.0, service=True)
    assert world.states == {"ann": TargetState.PLANNED}
    world.now.advance(17)
    assert await pulled(world) == {(TargetState.QUARANTINED, None)}


async def test_no_header_is_asked_for_where_from_decides() -> None:
    world = World()
    world.mail("ann", "Inbox")
    await world.plan("ann", named={"network_message_id": "nmid-1"})
    asked: list[object] = []

    async def ask(items: object) -> dict[object, object]:
        asked.append(items)
        return {}

    world.mailboxes.network_message_ids = ask  # type: ignore[method-assign, assignment]  # must not be called
    assert await pulled(world) == {(TargetState.QUARANTINED, None)}
    assert not asked


async def test_purged_mail_that_cannot_be_told_apart_is_not_said_to_be_the_mail() -> None:
    world = World()
    world.mail("ann", str(Where.PURGES), sender=X500)
    world.mail("bob", str(Where.PURGES), sender=GOOD)
    await world.plan("ann", "bob")

    await pulled(world)

    assert {t.mailbox.id: (t.state, t.reason) for t in world.targets.all} == {
        "ann": (TargetState.NOT_FOUND, "sender_unknown"),
        "bob": (TargetState.NOT_FOUND, None),
    }


PROTECTED = Policy.model_validate(
    {**POLICY.model_dump(), "protected": {"senders": ["payroll@contoso.example", "@bücher.example"]}}
)


@pytest.mark.parametrize(
    "shown",
    [
        {"sender": "payroll@contoso.example"},
        {"sender": SENDER, "sent_by": "payroll@contoso.example"},
        {"sender": "ann@xn--bcher-kva.example"},
    ],
)
async def test_protected_senders_are_looked_for_on_the_copy_that_was_found(shown: dict[str, Any]) -> None:
    senders = (SENDER, "payroll@contoso.example", "ann@bücher.example")
    for approval, end in (
        ({}, (TargetState.HELD, "protected_sender")),
        ({"approved_by": "Sam"}, (TargetState.QUARANTINED, None)),
    ):
        world = World()
        world.deps = replace(world.deps, policy=PROTECTED)
        world.mail("ann", "Inbox", **shown)
        await world.plan("ann", named={"senders": senders}, approval=approval)

        assert await pulled(world) == {end}
        assert bool(world.mailboxes.moves) is bool(approval)


async def test_what_was_moved_before_a_crash_is_not_left_behind_for_a_mail_of_another_sender() -> None:
    world = World()
    world.mail("ann", "Inbox", 1)
    await world.plan("ann")
    world.mailboxes.lost["ann"] = 1
    assert isinstance(await handle(PULL, world.deps), RetryLater)
    world.mail("ann", "Inbox", 2, sender=GOOD)
    world.now.advance(5)

    assert await pulled(world) == {(TargetState.QUARANTINED, None)}
    assert world.mailboxes.moves == {"ann/1": 1}


_PLANS = st.builds(
    lambda by, reasons: Plan(
        id=PLAN,
        incident_id=INCIDENT,
        alert_ids=(),
        created_at=START,
        state=PlanState.RUNNING,
        approved_by=by,
        approval_reasons=reasons,
    ),
    st.sampled_from([None, "Sam"]),
    st.lists(st.sampled_from(["sender_unknown: 1", "protected_sender", "targets: 9 of 3"])).map(tuple),
)
_JUDGEMENTS = st.sampled_from(
    [Judgement(Identity.SAME), Judgement(Identity.UNSURE, "sender_unknown")]
    + [Judgement(Identity.DIFFERENT, why) for why in ("sender_differs", "received_earlier")]
)


@given(_PLANS | st.none(), st.lists(_JUDGEMENTS, max_size=5))
def test_different_is_never_pulled_and_unsure_only_after_a_person_said_so(
    plan: Plan | None, judgements: list[Judgement]
) -> None:
    judged, by_id = Judged(), {str(number): judgement for number, judgement in enumerate(judgements)}
    for key, judgement in by_id.items():
        judged.add(Item(key, "<a@b>", "folder"), judgement, said_yes=said_yes(plan))
    for item in judged.ours:
        identity = by_id[item.id].identity
        assert identity is not Identity.DIFFERENT
        if identity is Identity.UNSURE:
            assert plan is not None
            assert plan.approved_by
            assert "sender_unknown: 1" in plan.approval_reasons
    assert len(judged.ours) + len(judged.unsure) + len(judged.others) == len(judgements)
    if judgements and not judged.ours:
        assert why_held(judged, (), plan, POLICY)
