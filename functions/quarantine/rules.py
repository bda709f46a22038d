"""What answers from mailboxes mean for a target. Pure functions on frozen models."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.domain.identity import PROTECTED_SENDER, SENDER_DIFFERS, SENDER_UNKNOWN, Identity, Judgement
from shared.domain.incident import Plan, PlanState
from shared.domain.target import RESTORE_FAILED, Copy, Marks, Original, ReadState, Target, TargetState
from shared.pipeline.envelope import backoff
from shared.pipeline.payloads import ApprovePlan
from shared.policy import Policy
from shared.ports.answers import Answer, Refusal, RefusalKind
from shared.ports.mailboxes import Item

_TERMINAL = {
    RefusalKind.ON_PREMISES: TargetState.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: TargetState.MAILBOX_MISSING,
    RefusalKind.DENIED: TargetState.DENIED,
}

# From the first refusal on. Throttling passes within minutes and an outage within hours; whoever still refuses then is
# named to a person, who can look again.
_PATIENCE = timedelta(hours=4)
# A mailbox that moves between databases is away for minutes to hours (graph.md 5.1). Shorter than the maximum age of a
# message, so that the target ends before its message is dead-lettered.
_PATIENCE_MOVING = timedelta(hours=20)

# A deep tree of long names is 100 KB as sent, and a target may have tens of copies in one document of 2 MB.
_MAX_PATH = 500

_PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED}


def approved(plan: Plan, message: ApprovePlan, *, by_two: bool) -> Plan:
    """The plan after this approval: released, or approved by the first of two people."""
    if by_two and plan.first_approved_by is None:
        told: dict[str, Any] = {"first_approved_by": message.by, "first_approved_at": message.at}
    else:
        # The looks that it opens, and the watch, are left to the stage that has its manifest.
        told = {
            "state": PlanState.RUNNING,
            "approved_by": message.by,
            "approved_at": message.at,
            "dispatched": False,
        }
    return plan.model_copy(update={**told, "unrecorded": True})


def refused(target: Target, refusal: Refusal, now: datetime) -> Target:
    """The target after a refusal: as before and still being tried, or in the state that follows from the refusal."""
    if refusal.kind.retryable:
        since = target.trying_since or now
        moving = refusal.kind is RefusalKind.MAILBOX_MOVING
        until = since + (_PATIENCE_MOVING if moving else _PATIENCE)
        # One refusal of another kind does not take back the time that a moving mailbox has.
        until = max(until, target.gives_up_at or until)
        if now >= until:
            return give_up(target, f"gave_up:{refusal.code}")
        tries = {"attempts": target.attempts + 1, "trying_since": since, "gives_up_at": until}
        return target.model_copy(update=tries)
    if target.state is TargetState.RESTORING:
        return give_up(target, refusal.code)
    return target.ended(_TERMINAL.get(refusal.kind, TargetState.FAILED), refusal.code)


def give_up(target: Target, code: str) -> Target:
    """The end of what cannot be done: failed, or still in quarantine if it was to be put back."""
    if target.state is TargetState.RESTORING:
        return _not_all_back(target, f"{RESTORE_FAILED}{code}")
    return target.ended(TargetState.FAILED, code)


def _not_all_back(target: Target, reason: str) -> Target:
    """The end of an undo that did not bring every copy back: as it was before, or restored in part."""
    back = [copy.restored_at for copy in target.copies if copy.restored_at]
    if not back:
        return target.to(target.pulled_as, reason)
    times = {"partly_restored_at": target.partly_restored_at or max(back), "restored_at": max(back)}
    return target.to(TargetState.PARTLY_RESTORED, reason, **times)


def all_asked_are_back(target: Target, reason: str | None) -> Target:
    """The end of an undo that brought back what was asked for: all copies, or those that a person named.

    Args:
        target: on its way back.
        reason: what is to be said about a copy, if anything.
    """
    if any(copy.restored_at is None for copy in target.copies):
        return _not_all_back(target, "asked_for_in_part")
    times = [copy.restored_at for copy in target.copies if copy.restored_at]
    return target.to(TargetState.RESTORED, reason, restored_at=max(times, default=None))


# In other states a copy without the time of its move is known not to be moved.
_MAY_HAVE_MOVED = {
    TargetState.LOCATED,
    TargetState.RESTORING,
    TargetState.PARTLY_QUARANTINED,
    TargetState.PARTLY_RESTORED,
}

# States that an undo of the case begins from. What was named of the hidden folder is put back from every state. What is
# planned with copies in the hidden folder was pulled before, and is looked at again.
_UNDONE_FROM = _PULLED | {TargetState.PARTLY_RESTORED, TargetState.PLANNED}


def wanted_back(target: Target, command: str, items: Collection[str] = ()) -> Target:
    """What an undo makes of a target before anything is moved.

    One command tries once: what it could not put back is not tried again when its message is delivered again.

    Args:
        target: any target.
        command: the id of the command.
        items: the only copies that are wanted; empty means all, of a target that was pulled.
    """
    if target.state is TargetState.PLANNED and not items and not hidden_ids(target):
        # It was never touched, and must not be any more.
        return target.ended(TargetState.HELD, "undo_requested")
    asked = _asked_for(target, items)
    # The pull of a located target is finished first.
    if target.state is TargetState.LOCATED or all(c.undo_by == command for c in target.copies if c.id in asked):
        return target
    marked = tuple(c.model_copy(update={"undo_by": command}) if c.id in asked else c for c in target.copies)
    if target.state is TargetState.RESTORING:
        return target.model_copy(update={"copies": marked})
    if target.state in _UNDONE_FROM or target.put_back_failed:
        return target.to(TargetState.RESTORING, copies=marked)
    kept = {"pull_state": target.state, "pull_reason": target.reason}
    return target.to(TargetState.RESTORING, copies=marked, **kept)


def _asked_for(target: Target, items: Collection[str]) -> set[str]:
    """The copies that an undo is about and that are not back yet."""
    if not items and target.state not in _UNDONE_FROM | {TargetState.RESTORING}:
        return set()
    asked = {copy.id for copy in target.copies if copy.restored_at is None and (not items or copy.id in items)}
    if target.state is TargetState.RESTORING:
        # They are on their way already; nobody knows whether this is the same command again.
        return asked - {copy.id for copy in target.copies if copy.undo_by}
    return asked


def wanted_copies(target: Target) -> list[Copy]:
    """The copies of a target on its way back that are still to be put back."""
    named = any(copy.undo_by for copy in target.copies)
    # Version 0.1 wrote no command: all were wanted.
    return [copy for copy in target.copies if copy.restored_at is None and (copy.undo_by or not named)]


def is_hidden(copy: Copy, item: Item) -> bool:
    """Whether the copy is in the hidden folder that it was moved to."""
    return item.folder_id == copy.quarantine_folder_id


def has_claim(target: Target, copy: Copy) -> bool:
    """Whether this target wants its copy in the hidden folder, and has put it there or may have."""
    if not copy.claimed or (target.state is TargetState.RESTORING and copy.undo_by):
        return False
    return copy.moved_at is not None or (not copy.unmoved and target.state in _MAY_HAVE_MOVED)


def claimed_by(target: Target, copy: Copy, holders: Iterable[Target]) -> Target | None:
    """Another target, of whichever case, that wants this copy of `target` in the hidden folder."""
    others = (one for one in holders if one.id != target.id and one.mailbox.id == target.mailbox.id)
    return next((one for one in others if any(c.id == copy.id and has_claim(one, c) for c in one.copies)), None)


def too_large(target: Target) -> Target:
    """The end of a target whose copies are more than one document holds: nothing more of it is moved."""
    if target.state in _PULLED | {TargetState.PARTLY_RESTORED}:
        return give_up(target.to(TargetState.RESTORING), "record_too_large")
    return target if target.terminal else give_up(target, "record_too_large")


def wait_of(target: Target, refusal: Refusal) -> timedelta:
    """How long a target waits after a refusal that passes: as long as it was asked to, and longer each time.

    Retry-After is the least. A service that is asked again and again after two seconds counts that, and refuses longer
    (graph.md 7.1).
    """
    grown = backoff(target.attempts)
    return grown if refusal.retry_after is None else max(grown, timedelta(seconds=refusal.retry_after))


def seen_again(target: Target, recorded: Mapping[str, Answer[Item]], now: datetime) -> Target:
    """The target with what was just seen of the copies that an earlier worker wrote down.

    Args:
        target: planned or located.
        recorded: what reading each copy by its id gave.
        now: when it was seen.
    """
    copies = tuple(_seen_copy(copy, recorded[copy.id], now) for copy in target.copies)
    return target if copies == target.copies else target.model_copy(update={"copies": copies})


def _seen_copy(copy: Copy, answer: Answer[Item], now: datetime) -> Copy:
    if isinstance(answer, Refusal):
        # One that is not found has left the mailbox for good. Anything else says nothing about the copy.
        gone = answer.kind is RefusalKind.NOT_FOUND
        return copy.model_copy(update={"moved_at": None, "unmoved": True}) if gone else copy
    if answer.folder_id == copy.quarantine_folder_id:
        return seen_hidden(copy, answer, now)
    return copy.model_copy(update={"moved_at": None, "unmoved": True})


def hidden_ids(target: Target) -> set[str]:
    """The ids of its copies that are known to be in the hidden folder."""
    return {copy.id for copy in target.copies if copy.moved_at}


def move_asked(target: Target) -> Target:
    """The target as it is written ahead: the copies that are not in the hidden folder are about to be moved."""
    copies = (copy if copy.moved_at else copy.model_copy(update={"unmoved": False}) for copy in target.copies)
    return target.model_copy(update={"copies": tuple(copies)})


def certainly_not_done(refusal: Refusal) -> bool:
    """Whether a refused change was certainly not carried out; an answer that was lost says nothing."""
    return refusal.kind not in {RefusalKind.TRANSIENT, RefusalKind.MAILBOX_MOVING}


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


def why_held(judged: Judged, hidden: Collection[str], plan: Plan | None, policy: Policy) -> str | None:
    """Why nothing more of a target may be moved, seen from what its mailbox has; None if it may.

    Args:
        judged: what a person can reach.
        hidden: ids of its copies that are in the hidden folder already.
        plan: the plan of the target.
        policy: limits and protected senders.
    """
    if len({item.id for item in judged.ours} | set(hidden)) > policy.limits.copies_per_mailbox:
        return "too_many_copies"
    if hidden:
        # What an earlier worker moved was judged by it, and the rest is not left behind.
        return None
    if not judged.ours:
        if judged.unsure:
            return SENDER_UNKNOWN
        # Another sender says more than another time.
        return max(judged.others, default=None)
    # The alert may name another sender than the copy shows, or none.
    approved = plan is not None and plan.approved_by is not None
    shown = [address for item in judged.ours for address in (item.sender, item.sent_by)]
    return PROTECTED_SENDER if not approved and any(map(policy.protected.sender, shown)) else None


def located(target: Target, found: Iterable[Item], quarantine_folder: str, paths: Mapping[str, str]) -> Target:
    """The target with everything that undo needs to know of each copy.

    Args:
        target: planned or located, with its copies as they were just seen (`seen_again`).
        found: the copies that were found now.
        quarantine_folder: id of the mailbox's hidden folder.
        paths: display paths by folder id.
    """
    # An earlier worker moved these; it may have died before it could record that.
    copies = {copy.id: _in_folder(copy, quarantine_folder) for copy in target.copies if copy.moved_at}
    for item in found:
        if item.folder_id != quarantine_folder and item.id not in copies:
            original = _original(item, paths[item.folder_id])
            copies[item.id] = Copy(id=item.id, original=original, quarantine_folder_id=quarantine_folder, unmoved=True)
    if not copies:
        return target.to(TargetState.ALREADY_QUARANTINED, copies=())
    ordered = tuple(copies[key] for key in sorted(copies))
    received = [copy.original.received_at for copy in ordered if copy.original.received_at]
    seen: dict[str, Any] = {"copies": ordered, "read": _read(ordered), "delivered_at": min(received, default=None)}
    if target.state is TargetState.LOCATED:
        return target.model_copy(update=seen)
    return target.to(TargetState.LOCATED, **seen)


def _in_folder(copy: Copy, quarantine_folder: str) -> Copy:
    if copy.quarantine_folder_id == quarantine_folder:
        return copy
    # Somebody deleted the folder that it was moved to, so it lies in Deleted Items for all to see: to be moved again.
    return copy.model_copy(update={"quarantine_folder_id": quarantine_folder, "moved_at": None, "unmoved": True})


def is_exact(copy: Copy, item: Item) -> bool:
    """Whether what the move back answered shows the copy as it was: received when it was, and marked as it was."""
    return item.received_at == copy.original.received_at and has_marks(copy.marks, item)


def has_marks(marks: Marks, item: Item) -> bool:
    """Whether read state, flag and categories are these."""
    return item.is_read == marks.is_read and item.flag == marks.flag and set(item.categories) == set(marks.categories)


def seen_hidden(copy: Copy, item: Item, now: datetime) -> Copy:
    """The copy once it is seen in the hidden folder, with the marks that it has there.

    Its owner may have changed them after they were written ahead, and gets the newer ones back.
    """
    if copy.moved_at is not None:
        return copy
    changed = (
        None
        if has_marks(copy.original, item)
        else Marks(is_read=item.is_read, flag=item.flag, categories=item.categories)
    )
    return copy.model_copy(update={"moved_at": now, "unmoved": False, "as_moved": changed})


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
