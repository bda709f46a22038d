"""What makes a person look before anything is moved. Pure rules."""

from functions.expand_recipients.manifest import Manifest
from shared.domain.alert import Alert
from shared.domain.incident import NOBODY, NOT_IDENTIFIED, Action, Decision, Incident
from shared.policy import Policy


def approval_reasons(
    policy: Policy,
    decision: Decision,
    alert: Alert,
    manifest: Manifest,
    *,
    incident: Incident,
    mailbox_total: int | None,
) -> tuple[str, ...]:
    """Why the plan needs a person, as codes with the numbers behind them; empty if it does not.

    Args:
        policy: the policy.
        decision: what it said about the alert.
        alert: the alert.
        manifest: the plan's targets.
        incident: the incident, with its earlier plans.
        mailbox_total: how many mailboxes the tenant has; None if that is not known.
    """
    # Nobody was found because nothing could be searched for: without a person, the incident would look contained.
    held = [note for note in manifest.notes if note.startswith((NOT_IDENTIFIED, NOBODY))]
    pending = manifest.pending
    if not pending:
        return tuple(held)
    if decision.action is not Action.AUTOMATIC:
        held.append(f"rule: {decision.rule}")
    if incident.closed_at is not None:
        held.append("incident_closed")
    # Many small alerts about one mail are one large pull; what a person has approved is not held against the next.
    unseen = [plan for plan in incident.plans if plan.alert_id != alert.id and plan.approved_by is None]
    targets = len(pending) + sum(plan.targets for plan in unseen)
    if targets > policy.limits.targets:
        held.append(f"targets: {targets} of {policy.limits.targets}")
    mailboxes = len({target.mailbox.id for target in pending}) + sum(plan.mailboxes for plan in unseen)
    if mailbox_total is None:
        held.append("mailbox_count_unknown")
    elif mailboxes > policy.limits.mailbox_share * mailbox_total:
        held.append(f"mailbox_share: {mailboxes} of {mailbox_total}")
    if protected := len({target.mailbox.id for target in pending if target.mailbox.protected}):
        held.append(f"protected_people: {protected}")
    if any(policy.protected.sender(message.sender) for message in alert.messages):
        held.append("protected_sender")
    return tuple(held)
