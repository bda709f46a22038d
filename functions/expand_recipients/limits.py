"""What makes a person look before anything is moved. Pure rules."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from functions.expand_recipients.manifest import ManifestSummary
from shared.domain.alert import Alert
from shared.domain.identity import PROTECTED_SENDER, SENDER_UNKNOWN
from shared.domain.incident import (
    GROUP_UNREADABLE,
    NOBODY,
    NOT_IDENTIFIED,
    OBSERVE,
    PROTECTED_PEOPLE,
    Action,
    Decision,
    Incident,
    undone_reason,
)
from shared.domain.tenant import DAY, HOUR, Amount, Budget
from shared.policy import BudgetLimits, Limits, Mode, Policy


def approval_reasons(
    policy: Policy,
    decision: Decision,
    alerts: Sequence[Alert],
    manifest: ManifestSummary,
    *,
    incident: Incident,
    mailbox_total: int | None,
    undone: int = 0,
) -> tuple[str, ...]:
    """Why the plan needs a person, as codes with the numbers behind them; empty if it does not.

    Args:
        policy: the policy.
        decision: what it said about the plan's alerts.
        alerts: the plan's alerts.
        manifest: the plan's targets.
        incident: the case, with what its earlier plans took, and those of the cases that it succeeds.
        mailbox_total: how many mailboxes the tenant has; None if that is not known.
        undone: how many messages of the plan a person undid before, in whatever case.
    """
    # Nobody was found because nothing could be searched for: without a person, the case would look contained.
    reasons = [note for note in manifest.notes if note.startswith((NOT_IDENTIFIED, NOBODY))]
    if not manifest.pending:
        return tuple(reasons)
    if policy.mode is Mode.OBSERVE:
        reasons.append(OBSERVE)
    if decision.action is not Action.AUTOMATIC:
        reasons.append(f"rule: {decision.rule}")
    if incident.closed_at is not None:
        reasons.append("incident_closed")
    if undone:
        reasons.append(undone_reason(undone))
    reasons += _over_limits(policy.limits, manifest, incident, mailbox_total)
    if manifest.protected:
        reasons.append(f"{PROTECTED_PEOPLE}: {manifest.protected}")
    return (
        *reasons,
        *_about_senders(policy, alerts, manifest),
        *_unreadable_groups(manifest),
        *policy.four_eyes.reasons(targets=incident.targets + manifest.targets, protected=manifest.protected),
    )


def _about_senders(policy: Policy, alerts: Sequence[Alert], manifest: ManifestSummary) -> Iterator[str]:
    senders = [sender for alert in alerts for message in alert.messages for sender in message.from_addresses]
    if any(map(policy.protected.sender, senders)):
        yield PROTECTED_SENDER
    if manifest.sender_unknown:
        yield f"{SENDER_UNKNOWN}: {manifest.sender_unknown}"


def _unreadable_groups(manifest: ManifestSummary) -> list[str]:
    """Protected people may be among the targets: that is not to be guessed."""
    return [note for note in manifest.notes if note.startswith(GROUP_UNREADABLE)]


def _over_limits(
    limits: Limits, manifest: ManifestSummary, incident: Incident, mailbox_total: int | None
) -> Iterator[str]:
    # Many small alerts about one mail are one large pull; what a person has approved is not held against the next plan.
    targets = manifest.pending + incident.unapproved_targets + incident.earlier_targets
    if targets > limits.targets:
        yield f"targets: {targets} of {limits.targets}"
    mailboxes = manifest.pending_mailboxes + incident.unapproved_mailboxes + incident.earlier_mailboxes
    if mailbox_total is None:
        yield "mailbox_count_unknown"
    # Plans of one case touch the same mailboxes again and again; a share of 1 allows all of them.
    elif mailboxes > limits.mailbox_share * mailbox_total and limits.mailbox_share < 1:
        yield f"mailbox_share: {mailboxes} of {mailbox_total}"


def budget_reasons(
    limits: BudgetLimits, budget: Budget, wanted: Amount, *, mailbox_total: int, now: datetime
) -> tuple[str, ...]:
    """Why the tenant's budget does not allow this plan too, as codes with the numbers behind them; empty if it does.

    Args:
        limits: the policy's.
        budget: what automatic plans of all cases have taken.
        wanted: what the plan takes.
        mailbox_total: how many mailboxes the tenant has.
        now: the present moment.
    """
    reasons = []
    for name, span, targets_allowed, share in (
        ("hour", HOUR, limits.targets_per_hour, limits.mailbox_share_per_hour),
        ("day", DAY, limits.targets_per_day, limits.mailbox_share_per_day),
    ):
        used = budget.used(span, now)
        targets, mailboxes = used.targets + wanted.targets, used.mailboxes + wanted.mailboxes
        if targets > targets_allowed:
            reasons.append(f"budget_{name}: {targets} of {targets_allowed}")
        if mailboxes > share * mailbox_total:
            reasons.append(f"budget_{name}_mailboxes: {mailboxes} of {int(share * mailbox_total)}")
    return tuple(reasons)
