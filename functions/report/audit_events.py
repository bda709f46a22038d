"""The audit events of a case, derived from its documents alone. Pure: the same documents give the same ids."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from functions.report.models import CountedEvent
from shared.domain.activity import AuditEvent
from shared.domain.ids import IncidentId, derive
from shared.domain.incident import AlertLink, CaseDocument, Command, Incident, Plan
from shared.domain.target import Target, TargetState

SYSTEM = "clawback"
"""The actor where neither a person nor a rule decided."""


def of_document(document: CaseDocument) -> list[CountedEvent]:
    """The audit events of one document of a case, in the order in which they happened; at most three."""
    match document:
        case Incident():
            return [CountedEvent(one) for one in _of_header(document)]
        case AlertLink():
            return [CountedEvent(one) for one in _of_alert(document)]
        case Plan():
            return [CountedEvent(one) for one in _of_plan(document)]
        case Command():
            return [CountedEvent(_of_command(document))]
        case _:
            return []


def of_targets(targets: Iterable[Target], now: datetime) -> list[CountedEvent]:
    """Each terminal state that a target has reached, in order; `now` is when what keeps no time of its own was seen."""
    return [event for target in targets if target.terminal for event in _of_target(target, now)]


def _of_header(incident: Incident) -> Iterable[AuditEvent]:
    yield _event(incident.id, "opened", incident.opened_at, SYSTEM)
    if incident.closed_at is not None:
        yield _event(incident.id, "closed", incident.closed_at, incident.closed_by or SYSTEM)


def _of_alert(link: AlertLink) -> Iterable[AuditEvent]:
    source = f"source:{link.source}"
    yield _event(link.incident_id, "alert_joined", link.received_at, source, link.id, severity=link.severity)
    if (decision := link.decision) is not None:
        yield _event(
            link.incident_id,
            "decided",
            decision.at,
            f"policy:{decision.rule}",
            link.id,
            action=decision.action,
            reasons=list(decision.reasons),
            score=decision.priority.score,
        )


def _of_plan(plan: Plan) -> Iterable[AuditEvent]:
    if plan.planned_at is not None:
        yield _event(
            plan.incident_id,
            "planned",
            plan.planned_at,
            SYSTEM,
            plan.id,
            hash=plan.hash,
            targets=plan.targets,
            mailboxes=plan.mailboxes,
            approvalReasons=list(plan.approval_reasons),
        )
    if plan.stopped_at is not None:
        # Who undid it, and why, is in the command of that case; here are ids and numbers only.
        reasons = list(plan.approval_reasons)
        yield _event(plan.incident_id, "plan_stopped", plan.stopped_at, SYSTEM, plan.id, approvalReasons=reasons)
    if plan.approved_by is not None and plan.approved_at is not None:
        yield _event(plan.incident_id, "approved", plan.approved_at, plan.approved_by, plan.id, hash=plan.hash)


def _of_command(command: Command) -> AuditEvent:
    named: dict[str, Any] = {"targets": list(command.targets)} if command.targets else {}
    if command.all is not None:
        named["all"] = command.all
    if command.undo_class is not None:
        named["class"] = command.undo_class
    return _event(
        command.incident_id,
        f"{command.command}_asked",
        command.at,
        command.by,
        command.id,
        reason=command.reason,
        **named,
    )


def _event(incident_id: IncidentId, kind: str, at: datetime, actor: str, about: str = "", **data: Any) -> AuditEvent:
    given = {"about": about, **data} if about else data
    return AuditEvent(id=derive("event", incident_id, kind, about), kind=kind, at=at, actor=actor, data=given)


def _of_target(target: Target, now: datetime) -> list[CountedEvent]:
    """One or two events: a restore, or a failed one, comes after a pull, which may not be recorded yet."""
    pulled = target.model_copy(update={"state": TargetState.QUARANTINED, "reason": None})
    match target.state:
        case TargetState.RESTORED:
            return [
                _quarantined(pulled, now),
                CountedEvent(_seen(target, target.state, target.restored_at or now), target),
            ]
        case TargetState.QUARANTINED if target.reason:
            # Still there, and counted as that already: the attempt to bring it back failed.
            return [_quarantined(pulled, now), CountedEvent(_seen(target, "restore_failed", now))]
        case TargetState.QUARANTINED:
            return [_quarantined(target, now)]
        case _:
            return [CountedEvent(_seen(target, target.state, now), target)]


def _quarantined(target: Target, now: datetime) -> CountedEvent:
    proof = {
        "read": target.read,
        "copies": len(target.copies),
        "deliveredAt": target.delivered_at.isoformat() if target.delivered_at else None,
        "pulledAt": target.pulled_at.isoformat() if target.pulled_at else None,
        "exposedSeconds": target.exposed_seconds,
    }
    return CountedEvent(_seen(target, target.state, target.verified_at or now, **proof), target)


def _seen(target: Target, kind: str, at: datetime, **data: Any) -> AuditEvent:
    # Ids only: who and what is in the target, which can be erased when it must be; the chain cannot.
    given = {"planId": target.plan_id, "reason": target.reason, **data}
    return AuditEvent(
        id=derive("event", target.id, kind, target.reason or ""),
        kind=kind,
        at=at,
        actor=SYSTEM,
        target_id=target.id,
        data={key: value for key, value in given.items() if value is not None},
    )
