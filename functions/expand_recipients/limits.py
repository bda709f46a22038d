"""What makes a person look before anything is moved. Pure rules."""

from collections.abc import Sequence

from functions.expand_recipients.manifest import ManifestSummary
from shared.domain.alert import Alert
from shared.domain.identity import PROTECTED_SENDER, SENDER_UNKNOWN
from shared.domain.incident import GROUP_UNREADABLE, NOBODY, NOT_IDENTIFIED, Action, Decision, Incident, undone_reason
from shared.policy import Policy


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
        incident: the case, with what its earlier plans took.
        mailbox_total: how many mailboxes the tenant has; None if that is not known.
        undone: how many messages of the plan a person undid before, in whatever case.
    """
    # Nobody was found because nothing could be searched for: without a person, the case would look contained.
    reasons = [note for note in manifest.notes if note.startswith((NOT_IDENTIFIED, NOBODY))]
    if not manifest.pending:
        return tuple(reasons)
    if decision.action is not Action.AUTOMATIC:
        reasons.append(f"rule: {decision.rule}")
    if incident.closed_at is not None:
        reasons.append("incident_closed")
    if undone:
        reasons.append(undone_reason(undone))
    # Many small alerts about one mail are one large pull; what a person has approved is not held against the next plan.
    targets = manifest.pending + incident.unapproved_targets
    if targets > policy.limits.targets:
        reasons.append(f"targets: {targets} of {policy.limits.targets}")
    mailboxes = manifest.pending_mailboxes + incident.unapproved_mailboxes
    if mailbox_total is None:
        reasons.append("mailbox_count_unknown")
    # Plans of one case touch the same mailboxes again and again; a share of 1 allows all of them.
    elif mailboxes > policy.limits.mailbox_share * mailbox_total and policy.limits.mailbox_share < 1:
        reasons.append(f"mailbox_share: {mailboxes} of {mailbox_total}")
    if manifest.protected:
        reasons.append(f"protected_people: {manifest.protected}")
    return (*reasons, *_about_senders(policy, alerts, manifest), *_unreadable_groups(manifest))


def _about_senders(policy: Policy, alerts: Sequence[Alert], manifest: ManifestSummary) -> list[str]:
    reasons = []
    senders = [sender for alert in alerts for message in alert.messages for sender in message.from_addresses]
    if any(map(policy.protected.sender, senders)):
        reasons.append(PROTECTED_SENDER)
    if manifest.sender_unknown:
        reasons.append(f"{SENDER_UNKNOWN}: {manifest.sender_unknown}")
    return reasons


def _unreadable_groups(manifest: ManifestSummary) -> list[str]:
    """Protected people may be among the targets: that is not to be guessed."""
    return [note for note in manifest.notes if note.startswith(GROUP_UNREADABLE)]
