"""What answers from mailboxes mean for a target. Pure functions on frozen models."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.identity import PROTECTED_SENDER, SENDER_DIFFERS, SENDER_UNKNOWN, Identity, Judgement
from shared.domain.incident import Plan, PlanState
from shared.domain.target import Copy, Original, ReadState, Target, TargetState
from shared.pipeline.payloads import ApprovePlan
from shared.policy import Policy
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import Item

_TERMINAL = {
    RefusalKind.ON_PREMISES: TargetState.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: TargetState.MAILBOX_MISSING,
    RefusalKind.DENIED: TargetState.DENIED,
}

# With waits that double from 5 s to 15 min this is about four hours of throttling or outage.
_ATTEMPTS = 24
# A mailbox that moves between databases is away for minutes to hours (graph.md 5.1): about seventeen hours.
_ATTEMPTS_MOVING = 90


# A deep tree of long names is 100 KB as sent, and a target may have tens of copies in one document of 2 MB.
_MAX_PATH = 500

_RESTORE_FAILED = "restore_failed:"


def approved(plan: Plan, message: ApprovePlan, *, by_two: bool) -> Plan:
    """The plan after this approval: released, or approved by the first of two people."""
    if by_two and plan.first_approved_by is None:
        told: dict[str, Any] = {"first_approved_by": message.by, "first_approved_at": message.at}
    else:
        told = {"state": PlanState.RUNNING, "approved_by": message.by, "approved_at": message.at}
    return plan.model_copy(update={**told, "unrecorded": True})


def refused(target: Target, refusal: Refusal) -> Target:
    """The target after a refusal: one more attempt used, or the terminal state that follows from the refusal."""
    if refusal.kind.retryable:
        limit = _ATTEMPTS_MOVING if refusal.kind is RefusalKind.MAILBOX_MOVING else _ATTEMPTS
        if target.attempts < limit:
            return target.model_copy(update={"attempts": target.attempts + 1})
        return give_up(target, f"gave_up:{refusal.code}")
    if target.state is TargetState.RESTORING:
        return give_up(target, refusal.code)
    return target.to(_TERMINAL.get(refusal.kind, TargetState.FAILED), refusal.code)


def give_up(target: Target, code: str) -> Target:
    """The end of what cannot be done: failed, or still in quarantine if it was to be put back."""
    if target.state is TargetState.RESTORING:
        return target.to(TargetState.QUARANTINED, f"{_RESTORE_FAILED}{code}")
    return target.to(TargetState.FAILED, code)


def too_large(target: Target) -> Target:
    """The end of a target whose copies are more than one document holds: nothing more of it is moved."""
    if target.state is TargetState.QUARANTINED:
        return give_up(target.to(TargetState.RESTORING), "record_too_large")
    return give_up(target, "record_too_large")


def not_put_back(target: Target) -> bool:
    """Whether it was to be put back, and could not."""
    return target.state is TargetState.QUARANTINED and (target.reason or "").startswith(_RESTORE_FAILED)


@dataclass(slots=True)
class Judged:
    """The items of a mailbox that have the Message-ID of a target."""

    ours: list[Item] = field(default_factory=list)
    """They are the mail, or cannot be told from it and a person said yes."""
    unsure: list[Item] = field(default_factory=list)
    """They cannot be told from the mail, and no person said yes."""
    others: list[str] = field(default_factory=list)
    """Why each of the others is another mail."""

    def add(self, item: Item, judgement: Judgement, *, said_yes: bool) -> None:
        """Put the item where it belongs."""
        if judgement.identity is Identity.SAME or (judgement.identity is Identity.UNSURE and said_yes):
            self.ours.append(item)
        elif judgement.identity is Identity.UNSURE:
            self.unsure.append(item)
        else:
            self.others.append(judgement.why or SENDER_DIFFERS)


def said_yes(plan: Plan | None) -> bool:
    """Whether a person who approved the plan knew that From of some of its mail is not known."""
    if plan is None or plan.approved_by is None:
        return False
    return any(reason.startswith(SENDER_UNKNOWN) for reason in plan.approval_reasons)


def why_held(judged: Judged, plan: Plan | None, policy: Policy) -> str | None:
    """Why nothing of a target may be moved, seen from what its mailbox has; None if it may."""
    if not judged.ours:
        if judged.unsure:
            return SENDER_UNKNOWN
        # Another sender says more than another time.
        return max(judged.others, default=None)
    if len(judged.ours) > policy.limits.copies_per_mailbox:
        return "too_many_copies"
    # The alert may name another sender than the copy shows, or none.
    approved = plan is not None and plan.approved_by is not None
    shown = [address for item in judged.ours for address in (item.sender, item.sent_by)]
    return PROTECTED_SENDER if not approved and any(map(policy.protected.sender, shown)) else None


def located(
    target: Target,
    found: Iterable[Item],
    pulled: Collection[str],
    quarantine_folder: str,
    paths: Mapping[str, str],
    now: datetime,
) -> Target:
    """The target with everything that undo needs to know of each copy.

    Args:
        target: planned, or located by an earlier worker.
        found: what a search shows now.
        pulled: ids of copies recorded by an earlier worker that are in the hidden folder now.
        quarantine_folder: id of the mailbox's hidden folder.
        paths: display paths by folder id.
        now: when it was seen.
    """
    # An earlier worker moved these, and died before it could record that.
    copies = {
        copy.id: copy.model_copy(update={"moved_at": copy.moved_at or now})
        for copy in target.copies
        if copy.id in pulled
    }
    for item in found:
        if item.folder_id != quarantine_folder and item.id not in copies:
            original = _original(item, paths[item.folder_id])
            copies[item.id] = Copy(id=item.id, original=original, quarantine_folder_id=quarantine_folder)
    if not copies:
        return target.to(TargetState.NOT_FOUND, "already_in_quarantine")
    ordered = tuple(copies[key] for key in sorted(copies))
    received = [copy.original.received_at for copy in ordered if copy.original.received_at]
    seen: dict[str, Any] = {"copies": ordered, "read": _read(ordered), "delivered_at": min(received, default=None)}
    if target.state is TargetState.LOCATED:
        return target.model_copy(update=seen)
    return target.to(TargetState.LOCATED, **seen)


def is_restored(copy: Copy, item: Item) -> bool:
    """Whether the item is where it is to be, received when it was, and marked as it was."""
    return (
        item.folder_id == copy.restored_folder_id
        and item.received_at == copy.original.received_at
        and has_marks(copy.original, item)
    )


def has_marks(original: Original, item: Item) -> bool:
    """Whether read state, flag and categories are those of before."""
    return (
        item.is_read == original.is_read
        and item.flag == original.flag
        and set(item.categories) == set(original.categories)
    )


def shown(path: str) -> str:
    """A path as it is kept: its end, which names the folder. It is for people; what undo needs is the folder's id."""
    return path if len(path) <= _MAX_PATH else f"…{path[-_MAX_PATH:]}"


def _original(item: Item, path: str) -> Original:
    return Original(
        folder_id=item.folder_id,
        folder_path=shown(path),
        is_read=item.is_read,
        flag=item.flag,
        categories=item.categories,
        received_at=item.received_at,
    )


def _read(copies: Iterable[Copy]) -> ReadState:
    states = {copy.original.is_read for copy in copies}
    if True in states:
        return ReadState.READ
    return ReadState.UNKNOWN if None in states else ReadState.UNREAD
