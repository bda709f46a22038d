from datetime import UTC, datetime
from typing import Any

import pytest

from functions.expand_recipients.limits import approval_reasons
from functions.expand_recipients.manifest import Manifest
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId, PlanId
from shared.domain.incident import Action, AlertLink, Decision, Incident, Plan, PlanState, Priority
from shared.domain.message import Message
from shared.domain.target import Hop, Mailbox, Target, TargetState, Via, target_id
from shared.policy import Policy

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
        **changes,
    )


def held(*targets: Target, **changes: Any) -> tuple[str, ...]:
    policy = {
        "version": 1,
        "rules": [],
        "limits": {"targets": 3, "mailbox_share": 0.5},
        **changes.get("policy", {}),
    }
    decision = Decision(action=changes.get("action", Action.AUTOMATIC), rule="r", priority=Priority(score=50), at=NOW)
    link = AlertLink(id=ALERT, source="tap", received_at=NOW, severity=Severity.HIGH, threat_type=ThreatType.PHISH)
    return approval_reasons(
        Policy.model_validate(policy),
        decision,
        Alert(
            id=ALERT,
            source="tap",
            vendor_alert_id="1",
            received_at=NOW,
            messages=(Message(sender=changes.get("sender", "x@evil.example")),),
            evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
        ),
        Manifest(
            version=1,
            plan_id=PlanId("plan-1"),
            incident_id=INCIDENT,
            alert_id=ALERT,
            targets=targets,
            notes=changes.get("notes", ()),
        ),
        incident=Incident(
            id=INCIDENT,
            opened_at=NOW,
            alerts=(link,),
            plans=changes.get("plans", ()),
            closed_at=changes.get("closed_at"),
        ),
        mailbox_total=changes.get("total", 100),
    )


def earlier(n: int, approved_by: str | None = None) -> Plan:
    return Plan(
        id=PlanId(f"plan-old-{n}"),
        alert_id=AlertId(f"alert-old-{n}"),
        hash="0",
        manifest="",
        targets=n,
        mailboxes=n,
        chunks=1,
        state=PlanState.RUNNING,
        planned_at=NOW,
        approved_by=approved_by,
    )


def test_nothing_holds_a_small_plan() -> None:
    assert held(target(1)) == ()


@pytest.mark.parametrize(("count", "expected"), [(3, ()), (4, ("targets: 4 of 3",))])
def test_number_of_targets(count: int, expected: tuple[str, ...]) -> None:
    assert held(*(target(n) for n in range(count))) == expected


def test_earlier_plans_count_unless_a_person_approved_them() -> None:
    assert held(target(1), plans=(earlier(2), earlier(1))) == ("targets: 4 of 3",)
    assert held(target(1), plans=(earlier(50, approved_by="ann"),)) == ()


@pytest.mark.parametrize(
    ("total", "expected"),
    [(4, ()), (3, ("mailbox_share: 2 of 3",)), (0, ("mailbox_share: 2 of 0",)), (None, ("mailbox_count_unknown",))],
)
def test_share_of_mailboxes(total: int | None, expected: tuple[str, ...]) -> None:
    assert held(target(1), target(2), total=total) == expected


def test_two_messages_in_one_mailbox_are_one_mailbox() -> None:
    same = {"id": MailboxId("id-1")}
    assert held(target(1, mailbox=same), target(2, mailbox=same), total=2) == ()


def test_protected_people_and_senders() -> None:
    policy = {"protected": {"senders": ["payroll@contoso.example"]}}
    protected = target(1, mailbox={"protected": True})
    assert held(protected, sender="Payroll@contoso.example", policy=policy) == (
        "protected_people: 1",
        "protected_sender",
    )


def test_a_rule_that_wants_a_person() -> None:
    assert held(target(1), action=Action.NEEDS_APPROVAL) == ("rule: r",)


def test_a_closed_incident_is_not_acted_on() -> None:
    assert held(target(1), closed_at=NOW) == ("incident_closed",)


def test_nothing_to_do_needs_nobody() -> None:
    ended = target(1, state=TargetState.MAILBOX_MISSING, reason="guest", mailbox={"protected": True})
    assert held(ended, action=Action.NEEDS_APPROVAL, total=None) == ()
    assert held(action=Action.NEEDS_APPROVAL) == ()


def test_a_message_that_could_not_be_searched_for_needs_a_person_even_without_targets() -> None:
    assert held(notes=("message_not_identified: 2", "trace_denied: 1")) == ("message_not_identified: 2",)
