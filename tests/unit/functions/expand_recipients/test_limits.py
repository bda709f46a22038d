import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.expand_recipients.limits import approval_reasons, budget_reasons
from functions.expand_recipients.manifest import ManifestHeader, ManifestSummary, read_manifest
from shared.domain.alert import Alert, RawPayload
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId, PlanId
from shared.domain.incident import Action, Decision, Incident, Priority
from shared.domain.message import Message
from shared.domain.target import Hop, Mailbox, Target, TargetState, Via, target_id
from shared.domain.tenant import Amount, Budget
from shared.policy import BudgetLimits, Policy
from tests.fakes.evidence import FakeEvidence

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
INCIDENT, ALERT = IncidentId("incident-1"), AlertId("alert-1")


def target(n: int, **changes: Any) -> Target:
    mailbox = {"id": MailboxId(f"id-{n}"), "address": f"u{n}@contoso.example", **changes.pop("mailbox", {})}
    return Target(
        id=target_id(INCIDENT, str(mailbox["id"]), f"msg-{n}"),
        incident_id=INCIDENT,
        plan_id=PlanId("plan-1"),
        chunk_id=ChunkId("plan-1.0000"),
        mailbox=Mailbox(**mailbox),
        message_key=f"msg-{n}",
        internet_message_id="<a@evil.example>",
        hops=(Hop(via=Via.ALERT, name="tap"),),
        **{"senders": ("x@evil.example",), **changes},
    )


async def summary(*targets: Target, notes: tuple[str, ...] = ()) -> ManifestSummary:
    """What is read of a manifest of these targets, which are sorted by mailbox."""
    header = ManifestHeader(version=1, plan_id=PlanId("plan-1"), incident_id=INCIDENT, alert_ids=(ALERT,), notes=notes)
    evidence = FakeEvidence()
    await evidence.keep_lines("m", (json.dumps(one.to_document()).encode() + b"\n" for one in (header, *targets)))
    return await read_manifest("m", evidence)


async def held(*targets: Target, **changes: Any) -> tuple[str, ...]:
    policy = {
        "version": 1,
        "rules": [],
        "limits": {"targets": 3, "mailbox_share": 0.5},
        **changes.get("policy", {}),
    }
    decision = Decision(action=changes.get("action", Action.AUTOMATIC), rule="r", priority=Priority(score=50), at=NOW)
    alerts = [
        Alert(
            id=AlertId(f"alert-{number}"),
            source="tap",
            vendor_alert_id=str(number),
            received_at=NOW,
            messages=(message,),
            evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
        )
        for number, message in enumerate(
            changes.get("messages") or [Message(sender=one) for one in changes.get("senders", ["x@evil.example"])],
            start=1,
        )
    ]
    return approval_reasons(
        Policy.model_validate(policy),
        decision,
        alerts,
        await summary(*targets, notes=changes.get("notes", ())),
        incident=Incident(
            id=INCIDENT,
            opened_at=NOW,
            alerts=1,
            unapproved_targets=changes.get("earlier", 0),
            unapproved_mailboxes=changes.get("earlier", 0),
            earlier_targets=changes.get("predecessors", 0),
            earlier_mailboxes=changes.get("predecessors", 0),
            targets=changes.get("targets", 0),
            closed_at=changes.get("closed_at"),
        ),
        mailbox_total=changes.get("total", 100),
    )


async def test_nothing_holds_a_small_plan() -> None:
    assert await held(target(1)) == ()


@pytest.mark.parametrize(("count", "expected"), [(3, ()), (4, ("targets: 4 of 3",))])
async def test_number_of_targets(count: int, expected: tuple[str, ...]) -> None:
    assert await held(*(target(n) for n in range(count))) == expected


async def test_earlier_plans_that_no_person_approved_count() -> None:
    assert await held(target(1), earlier=3) == ("targets: 4 of 3",)
    assert await held(target(1), earlier=2) == ()
    assert await held(target(1), earlier=2, total=5) == ("mailbox_share: 3 of 5",)


@pytest.mark.parametrize(
    ("total", "expected"),
    [(4, ()), (3, ("mailbox_share: 2 of 3",)), (0, ("mailbox_share: 2 of 0",)), (None, ("mailbox_count_unknown",))],
)
async def test_share_of_mailboxes(total: int | None, expected: tuple[str, ...]) -> None:
    assert await held(target(1), target(2), total=total) == expected


async def test_a_share_of_one_allows_every_mailbox_however_often_plans_touch_it() -> None:
    all_mailboxes = {"limits": {"targets": 100, "mailbox_share": 1.0}}
    assert await held(target(1), earlier=50, total=10, policy=all_mailboxes) == ()


async def test_two_messages_in_one_mailbox_are_one_mailbox() -> None:
    same = {"id": MailboxId("id-1")}
    assert await held(target(1, mailbox=same), target(2, mailbox=same), total=2) == ()


async def test_protected_people_and_senders() -> None:
    policy = {"protected": {"senders": ["payroll@contoso.example"]}}
    protected = target(1, mailbox={"protected": True})
    assert await held(protected, senders=["x@evil.example", "Payroll@contoso.example"], policy=policy) == (
        "protected_people: 1",
        "protected_sender",
    )


async def test_a_rule_that_wants_a_person() -> None:
    assert await held(target(1), action=Action.NEEDS_APPROVAL) == ("rule: r",)


async def test_a_closed_incident_is_not_acted_on() -> None:
    assert await held(target(1), closed_at=NOW) == ("incident_closed",)


async def test_nothing_to_do_needs_nobody() -> None:
    ended = target(1, state=TargetState.MAILBOX_MISSING, reason="guest", mailbox={"protected": True})
    assert await held(ended, action=Action.NEEDS_APPROVAL, total=None) == ()
    assert await held(action=Action.NEEDS_APPROVAL) == ()


async def test_a_message_that_could_not_be_searched_for_needs_a_person_even_without_targets() -> None:
    assert await held(notes=("message_not_identified: 2", "trace_denied: 1")) == ("message_not_identified: 2",)


async def test_limits_count_over_the_cases_that_this_one_succeeds() -> None:
    assert await held(target(1), earlier=1, predecessors=2) == ("targets: 4 of 3",)
    assert await held(target(1), predecessors=2, total=5) == ("mailbox_share: 3 of 5",)


async def test_an_installation_that_only_plans_holds_every_plan() -> None:
    assert await held(target(1), policy={"mode": "observe"}) == ("observe",)
    assert await held(target(1), policy={"mode": "act"}) == ()


async def test_above_a_number_of_targets_of_the_case_two_people_are_asked() -> None:
    policy = {"four_eyes": {"targets_above": 2}, "limits": {"targets": 500}}
    assert await held(target(1), target(2), policy=policy) == ()
    assert await held(*(target(n) for n in range(3)), policy=policy) == ("four_eyes: 3 of 2",)
    # Nobody gets past it with plans of one target each.
    assert await held(target(1), targets=2, policy=policy) == ("four_eyes: 3 of 2",)


async def test_for_protected_people_two_people_are_asked() -> None:
    policy = {"four_eyes": {"protected": True}}
    protected = target(1, mailbox={"protected": True})
    assert await held(protected, policy=policy) == ("protected_people: 1", "four_eyes: protected_people")
    assert await held(target(1), policy=policy) == ()


BUDGET = BudgetLimits(targets_per_hour=500, targets_per_day=1000, mailbox_share_per_hour=0.5, mailbox_share_per_day=2.0)


def over(used: int, wanted: int, *, mailboxes: int = 1, hours_ago: float = 0, total: int = 10_000) -> tuple[str, ...]:
    taken = Budget().with_plan(PlanId("plan-0"), Amount(targets=used, mailboxes=used), NOW - timedelta(hours=hours_ago))
    amount = Amount(targets=wanted, mailboxes=mailboxes)
    return budget_reasons(BUDGET, taken, amount, mailbox_total=total, now=NOW)


def test_the_budget_of_the_whole_tenant_by_hour_and_day() -> None:
    assert over(400, 100) == ()
    assert over(400, 412) == ("budget_hour: 812 of 500",)
    assert over(400, 412, hours_ago=2) == ()
    assert over(700, 400, hours_ago=2) == ("budget_day: 1100 of 1000",)
    assert over(700, 400, hours_ago=25) == ()


def test_the_budget_counts_mailboxes_as_a_share() -> None:
    assert over(100, 100, mailboxes=57, total=312) == ("budget_hour_mailboxes: 157 of 156",)
    assert over(100, 100, mailboxes=56, total=312) == ()
    assert over(100, 50, mailboxes=25, total=60, hours_ago=2) == ("budget_day_mailboxes: 125 of 120",)


async def test_an_alert_without_a_sender_waits_for_a_person() -> None:
    unknown = {"senders": (), "sender": None}
    assert await held(target(1), target(2, **unknown), target(3, **unknown)) == ("sender_unknown: 2",)
    assert await held(target(1, **unknown, network_message_id="nmid-1")) == ()
    assert await held(target(1, **unknown, state=TargetState.MAILBOX_MISSING)) == ()


async def test_each_from_address_of_an_alert_may_be_of_a_protected_sender() -> None:
    policy = {"protected": {"senders": ["payroll@contoso.example"]}}
    message = Message(sender="x@evil.example", senders=("x@evil.example", "payroll@contoso.example"))
    assert "protected_sender" in await held(target(1), policy=policy, messages=[message])


async def test_a_group_of_the_policy_that_cannot_be_read_waits_for_a_person() -> None:
    notes = ("policy_group_unreadable: 1",)
    assert await held(target(1), notes=notes) == notes
    assert await held(target(1, state=TargetState.MAILBOX_MISSING), notes=notes) == ()
