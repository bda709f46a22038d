"""One message in one mailbox: the unit of work, of state, of proof and of reporting."""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.identity import Traits
from shared.domain.ids import ChunkId, IncidentId, MailboxId, PlanId, TargetId, derive
from shared.domain.mail_address import all_spelled
from shared.domain.recipient import Recipient

# A transactional batch has at most 100 operations (Cosmos DB service limit); one is the chunk's header.
MAX_CHUNK_TARGETS = 99


class TargetState(StrEnum):
    """Each terminal state says what was seen in the mailbox; `TERMINAL` lists them."""

    PLANNED = "planned"
    LOCATED = "located"
    """Found, and all that undo needs is committed; the move may or may not have happened."""
    RESTORING = "restoring"

    QUARANTINED = "quarantined"
    """Moved to the hidden folder, and seen there, and seen nowhere else in the mailbox."""
    PARTLY_QUARANTINED = "partly_quarantined"
    """Some copies are, or may be, in the hidden folder; that nothing else is left was not seen. `reason` says why."""
    ALREADY_QUARANTINED = "already_quarantined"
    """Every copy is in the hidden folder, and another case put it there: the undo of that case puts it back."""
    RESTORED = "restored"
    PARTLY_RESTORED = "partly_restored"
    """Some copies are out of the hidden folder again, others are not, or are not known to be. `reason` says why."""
    NOT_FOUND = "not_found"
    GONE_BY_USER = "gone_by_user"
    """Only where clients cannot reach it (Recoverable Items\\Purges)."""
    MAILBOX_MISSING = "mailbox_missing"
    ON_PREMISES = "on_premises"
    DENIED = "denied"
    HELD = "held"
    FAILED = "failed"


TERMINAL = frozenset(TargetState) - {TargetState.PLANNED, TargetState.LOCATED, TargetState.RESTORING}

RESTORE_FAILED = "restore_failed:"
"""How the reason of a target begins that was to be put back, and could not."""

# What a pull ends in when something of the target is in the hidden folder.
_PULLED = frozenset({TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED})

LOOKED_AT_AGAIN = frozenset(
    {
        TargetState.NOT_FOUND,
        TargetState.GONE_BY_USER,
        TargetState.DENIED,
        TargetState.MAILBOX_MISSING,
        TargetState.ON_PREMISES,
        TargetState.FAILED,
        *_PULLED,
    }
)
"""What is looked at again. Not among them: what a person undid or has to decide, and what another case has, whose undo
would be reverted."""

MAX_AUTOMATIC_LOOKS = 12
"""Looks at one target that no person asked for: the watch of three days without message trace takes six. The sender can
send the same Message-ID again and again; after this many looks a person is to see it."""

# A look sends its outcome to the chain when it ends: the one before the last twenty is long there. Each of them takes
# some 300 bytes of a document of which 99 are in one batch of 2 MB.
_KEPT_LOOKS = 20
_KEPT_OPENERS = 40

# What only an undo leads to.
_BACK = frozenset({TargetState.RESTORED, TargetState.PARTLY_RESTORED})


_NEXT: dict[TargetState, frozenset[TargetState]] = {
    # Whatever a target ended as: a person can ask for what lies in the hidden folder.
    **{state: frozenset({TargetState.RESTORING}) for state in TERMINAL - {TargetState.RESTORED}},
    # It was looked at before if it has copies, and those can be wanted back.
    TargetState.PLANNED: TERMINAL - _BACK | {TargetState.LOCATED, TargetState.RESTORING},
    TargetState.LOCATED: TERMINAL - _BACK,
    # It can be put back, and it can be looked at again.
    TargetState.PARTLY_QUARANTINED: frozenset({TargetState.RESTORING, TargetState.PLANNED}),
    # A restore that cannot be done leaves it as it was before, and says so in `reason`.
    TargetState.RESTORING: TERMINAL,
}


class ReadState(StrEnum):
    """`isRead` before the move. `UNREAD` does not prove that the mail was not looked at."""

    READ = "read"
    UNREAD = "unread"
    UNKNOWN = "unknown"


class Via(StrEnum):
    """How mail gets from one mailbox to the next."""

    ALERT = "alert"
    TRACE = "trace"
    GROUP = "group"
    FORWARD = "forward"
    REPLY = "reply"
    INBOX_RULE = "inbox_rule"


class Hop(Frozen):
    """One step of the way to the target: from whom or which group, by what."""

    via: Via
    name: str
    """The alert's source, the group's address, or the address of the mailbox that forwarded."""
    ref: str | None = None
    """The id behind the name: alert id, group id or mailbox id."""


class Mailbox(Frozen):
    """The mailbox, as the directory described it when the plan was made: what a target keeps of its recipient."""

    id: MailboxId | None = None
    """None if the address leads to no mailbox of this tenant."""
    address: str
    name: str | None = None
    department: str | None = None
    privileged: bool = False
    protected: bool = False

    @classmethod
    def of(cls, recipient: Recipient) -> "Mailbox":
        """The recipient's mailbox; for a recipient without one, only who it is."""
        return cls(
            id=MailboxId(recipient.mailbox_id) if recipient.mailbox_id else None,
            address=recipient.primary_address,
            name=recipient.name,
            department=recipient.department,
            privileged=recipient.privileged,
            protected=recipient.protected,
        )


class Marks(Frozen):
    """What a person can change about a copy."""

    is_read: bool | None = None
    flag: dict[str, Any] = Field(default_factory=dict)
    """Graph's followupFlag, untouched."""
    categories: tuple[str, ...] = ()


class Original(Marks):
    """Where a copy was and what it looked like before it was moved."""

    folder_id: str
    folder_path: str
    received_at: Instant | None = None


class Copy(Frozen):
    """One item in the mailbox. Its id is immutable: it survives moves within the mailbox."""

    id: str
    original: Original
    quarantine_folder_id: str | None = None
    moved_at: Instant | None = None
    """When its move to the hidden folder was known first. None if it is not known to be there."""
    unmoved: bool = False
    """Whether it is known that it was not moved: it was seen elsewhere, or its move was refused. If this is False and
    `moved_at` is None, a move was asked for and nobody knows whether it was done."""
    as_moved: Marks | None = None
    """Its marks in the hidden folder when it was seen there first, if they are not those that were written ahead: its
    owner changed them in between. None if they are the same."""
    undo_by: str | None = None
    """The command that last asked for it to be put back."""
    restored_folder_id: str | None = None
    restored_folder_path: str | None = None
    restored_at: Instant | None = None
    """When it was seen outside of the hidden folder after somebody had asked for it. From then on it is its owner's:
    whatever is delivered again, it is not moved or marked any more."""
    released_at: Instant | None = None
    """When it was wanted back while another target had it in quarantine too: it is left to that one."""

    @property
    def marks(self) -> Marks:
        """What it looks like once it is put back."""
        return self.as_moved or self.original

    @property
    def claimed(self) -> bool:
        """Whether its target wants it in the hidden folder."""
        return self.restored_at is None and self.released_at is None


class PastLook(Frozen):
    """How an earlier look at a target ended."""

    number: int
    state: TargetState
    reason: str | None = None
    looked_at: Instant | None = None
    copies: int = 0
    read: ReadState = ReadState.UNKNOWN
    delivered_at: Instant | None = None
    pulled_at: Instant | None = None
    verified_at: Instant | None = None


class Target(Stored):
    """One message in one mailbox, with every copy of it there."""

    document_type: ClassVar[str] = "target"

    id: TargetId
    incident_id: IncidentId
    plan_id: PlanId
    chunk_id: ChunkId
    mailbox: Mailbox
    message_key: str
    internet_message_id: str
    sender: str | None = None
    senders: tuple[str, ...] = ()
    """All From addresses that the incident names. Empty in older records, which have `sender` alone."""
    subject: str | None = None
    network_message_id: str | None = None
    named_at: Instant | None = None
    """When the mail came, as the alert says."""
    traced_at: Instant | None = None
    """When transport gave it to this mailbox. None if message trace does not say, or knows several mails of this
    Message-ID."""
    hops: tuple[Hop, ...]
    """The way the mail took, from the alert on. The hops of all targets together are the tree."""
    state: TargetState = TargetState.PLANNED
    reason: str | None = None
    """Why it ended where it did, as a code: the Graph error code, or one of ours."""
    attempts: int = 0
    """How often it was retried after a transient refusal, since its state changed last."""
    trying_since: Instant | None = None
    """The first refusal since its state changed last. It is given up by time, never by the number of attempts."""
    gives_up_at: Instant | None = None
    """A refusal after this moment ends it: `trying_since` and as long as the refusals since then deserve."""
    not_before: Instant | None = None
    """Its mailbox asked to be left alone until then (Retry-After)."""
    copies: tuple[Copy, ...] = ()
    read: ReadState = ReadState.UNKNOWN
    delivered_at: Instant | None = None
    pulled_at: Instant | None = None
    verified_at: Instant | None = None
    pull_state: TargetState | None = None
    """The state in which its pull ended, if something of it is in the hidden folder, or was until it was put back."""
    pull_reason: str | None = None
    """Its `reason` then: an undo has a reason of its own after that."""
    partly_restored_at: Instant | None = None
    """When an undo first ended as `PARTLY_RESTORED`."""
    restored_at: Instant | None = None
    look: int = 1
    """The number of the current look; the first one is that of the plan."""
    looked_at: Instant | None = None
    """When the mailbox was searched for what the state says. None while the first look is not over, or was none."""
    past_looks: tuple[PastLook, ...] = ()
    """The outcomes of earlier looks, the last ones. The chain has all of them."""
    openers: tuple[str, ...] = ()
    """What asked for looks: ids of plans and commands, runs of the watch, deliveries. Each opens one look."""
    automatic_looks: int = 0
    """How many looks no person asked for, after the first."""

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to it without a command."""
        return self.state in TERMINAL

    @property
    def pulled_as(self) -> TargetState:
        """The state in which the pull of a target ended that is on its way back, or is back."""
        return self.pull_state or TargetState.QUARANTINED

    @property
    def put_back_failed(self) -> bool:
        """Whether it was to be put back, and could not."""
        return self.terminal and (self.reason or "").startswith(RESTORE_FAILED)

    @property
    def traits(self) -> Traits:
        """What the incident knows of the mail, to compare a copy with."""
        return Traits(
            senders=frozenset(all_spelled(self.senders or (self.sender,))),
            subject=self.subject,
            received_at=self.named_at,
            network_message_id=self.network_message_id,
            traced_at=self.traced_at,
        )

    @property
    def exposed_seconds(self) -> int | None:
        """Whole seconds from delivery to the pull; None if either was not seen."""
        if self.delivered_at is None or self.pulled_at is None:
            return None
        return max(0, int((self.pulled_at - self.delivered_at).total_seconds()))

    def to(self, state: TargetState, reason: str | None = None, **changes: Any) -> "Target":
        """This target in the next state.

        Raises:
            ValueError: the state machine has no such step; a bug, never an answer from outside.
        """
        if state not in _NEXT.get(self.state, frozenset()):
            raise ValueError(f"{self.id}: no step from {self.state} to {state}")
        tries: dict[str, Any] = {"attempts": 0, "trying_since": None, "gives_up_at": None}
        if state in _PULLED and self.state is not TargetState.RESTORING:
            changes |= {"pull_state": state, "pull_reason": reason, "partly_restored_at": None}
        return self.model_copy(update={"state": state, "reason": reason, **tries, **changes})

    def look_again(self, opener: str, *, automatic: bool, mailbox: Mailbox | None = None) -> "Target":
        """This target planned again, with its copies and times, for its next look.

        Args:
            opener: what asked for the look.
            automatic: whether no person did.
            mailbox: the mailbox that the directory knows now, if there was none before.

        Raises:
            ValueError: it is in a state in which nothing is looked at again; a bug, never an answer from outside.
        """
        if self.state not in LOOKED_AT_AGAIN:
            raise ValueError(f"{self.id}: no look again from {self.state}")
        kept = {name: getattr(self, name) for name in PastLook.model_fields if name not in {"number", "copies"}}
        past = PastLook(number=self.look, copies=len(self.copies), **kept)
        again = self.model_copy(
            update={
                "state": TargetState.PLANNED,
                "reason": None,
                "look": self.look + 1,
                "past_looks": (*self.past_looks, past)[-_KEPT_LOOKS:],
                "automatic_looks": self.automatic_looks + automatic,
                "mailbox": mailbox or self.mailbox,
                "attempts": 0,
                "trying_since": None,
                "gives_up_at": None,
                "not_before": None,
                "partly_restored_at": None,
            }
        )
        return again.asked_by(opener)

    def asked_by(self, opener: str) -> "Target":
        """This target, which knows that this opener asked for a look: when it asks again, nothing is opened."""
        return self.model_copy(update={"openers": (*self.openers, opener)[-_KEPT_OPENERS:]})

    def at_look(self, past: PastLook) -> "Target":
        """This target as it was when an earlier look had ended, as far as audit events and counts need it."""
        seen = {name: getattr(past, name) for name in PastLook.model_fields if name not in {"number", "copies"}}
        before = tuple(look for look in self.past_looks if look.number < past.number)
        return self.model_copy(
            update={
                **seen,
                "look": past.number,
                "past_looks": before,
                "copies": self.copies[: past.copies],
                "pull_state": past.state if past.state in _PULLED else None,
                "pull_reason": past.reason if past.state in _PULLED else None,
                "partly_restored_at": None,
            }
        )

    def ended(self, state: TargetState, reason: str | None = None, **changes: Any) -> "Target":
        """This target in a terminal state which says that nothing of it was moved.

        If a copy is in the hidden folder, or may be there, it is `PARTLY_QUARANTINED` instead, for the same reason; one
        that begins with `move_unknown:` says that a move was asked for, and that it is not known whether it was done.
        """
        if any(copy.moved_at for copy in self.copies):
            return self.to(TargetState.PARTLY_QUARANTINED, reason or state, **changes)
        if any(not copy.unmoved for copy in self.copies):
            return self.to(TargetState.PARTLY_QUARANTINED, f"move_unknown:{reason or state}", **changes)
        return self.to(state, reason, **changes)


class Chunk(Stored):
    """The header of a chunk, with its lease. Every commit of the chunk is made under its ETag."""

    document_type: ClassVar[str] = "chunk"

    id: ChunkId
    incident_id: IncidentId
    plan_id: PlanId
    targets: int
    lease_until: Instant | None = None
    """While this is in the future, a worker has written ahead and is moving copies; others leave it alone."""
    next_at: Instant | None = None
    """A message that continues the chunk is seen at this moment. Others that come before it are done: they merge."""
    sweep_at: Instant | None = None
    """If nobody has committed the chunk by then, its message is lost and the sweep sends one. None: nothing is left."""
    waiting_since: Instant | None = None
    """Since when something has been left over: what the sweep sends counts its age from here."""
    retries: int = 0
    """Rounds in a row in which Graph could not be asked at all."""


def target_id(incident: IncidentId, mailbox: str, message_key: str) -> TargetId:
    """`mailbox` is the mailbox id, or the address where there is none."""
    return TargetId(derive("target", incident, mailbox, message_key))


def chunk_id(plan: PlanId, number: int) -> ChunkId:
    """Chunks are numbered within their plan, so a second delivery cuts the same ones."""
    return ChunkId(f"{plan}.{number:04d}")
