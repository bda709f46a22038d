"""From the messages of alerts to everybody who has them.

An alert names messages, and the addresses that they were sent to. Other recipients have the mail too: members of
groups, recipients of forwards and redirects, and recipients that only transport knows. A search finds them like this:

1. **Mails.** Each message that the alerts name is a mail to search for, by its Message-ID. A message without one is
   identified by message trace; if that is not sure, a note says so and a person decides.
2. **Message trace** is asked about each mail, once for the whole case (`trace.py`). Its rows are used in step 6.
3. **Lookup.** The directory says which recipient has each address (`lookup.py`): a user, a group, a guest, a contact,
   or no object of the tenant. Two addresses of one user are one recipient.
4. **Group expansion.** A group leads to its direct members, and a group among them to its own, until no group is left
   that was not expanded. A group that does not show its members stays in the result, with the reason.
5. **Following.** Each recipient whose mailbox is new with this mail is followed one step, as far as the policy's depth:
   its Sent Items show what it forwarded or answered, its inbox rules where they redirect or forward to (`follow.py`).
   A redirect keeps the Message-ID: it is the same mail at one more address. A forward or reply is a new mail, which
   lies in the sender's own mailbox too. The new mails go on with step 2, the new addresses with step 3.
6. **Recipients that only the trace knows** come last, so that a recipient who was found by a group or a forward keeps
   that path. They go on with step 4 and are followed as well.

The result is a `Tree`: each mail at each recipient once, with the best path that led there (`tree.py`), and the state
in which it ends where there is no mailbox to work in. The search ends because a mail is taken at a recipient once and
mail is followed to a depth; it gives the same result in whatever order the answers come.

**Asked once.** A mail at a recipient that is a target of the case already is in the result as known. An earlier search
followed it: its Sent Items and its inbox rules are not asked for again.

**What cannot be asked.** For `_WAIT` after the first decision, what is throttled is waited for: the stage runs again.
After that, mail that is known to be bad is not left in mailboxes only because the search for more of it is throttled:
what could not be asked is counted in a note. The directory is always waited for: without it no recipient is known.
"""

from asyncio import gather
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from functions.expand_recipients.follow import forwarded_to, next_path, redirected, senders_copy, sent_on
from functions.expand_recipients.lookup import Lookup
from functions.expand_recipients.models import Deps
from functions.expand_recipients.trace import Trace, Traces, delivered_at, delivered_to, delivery_times, expanded
from functions.expand_recipients.tree import Addressed, At, Delivery, Mail, Path, Tree
from shared.domain.alert import Alert
from shared.domain.enrichment import Enrichment
from shared.domain.identity import Identity, Judgement, is_before
from shared.domain.ids import MailboxId, TargetId
from shared.domain.incident import NOBODY, NOT_IDENTIFIED
from shared.domain.message import Message, all_known_of
from shared.domain.target import Hop, TargetState, Via, target_id
from shared.pipeline.identify import judge
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.mailboxes import ForwardingRule, MessageKey, SentCopy, Where

if TYPE_CHECKING:
    from shared.ports.directory import TraceRow

# One window of the trace's limit (graph.md 2.7).
_WAIT = timedelta(minutes=5)

_NO_MAILBOX = {
    RefusalKind.ON_PREMISES: TargetState.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: TargetState.MAILBOX_MISSING,
}

Known = Callable[[list[TargetId]], Awaitable[set[TargetId]]]
"""Which of these are targets of the case already."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and where it could not look."""

    tree: Tree
    known: frozenset[TargetId]
    """Those of the tree's deliveries that are targets of the case already."""
    notes: tuple[str, ...]


async def search(
    alerts: Sequence[Alert], enrichment: Enrichment, deps: Deps, *, known: Known, traces: Traces
) -> SearchResult:
    """Find everybody who has one of the alerts' messages, or what was made of it.

    Args:
        alerts: alerts of one case.
        enrichment: the recipients that are looked up already, the people whom the policy names, and the decisions.
        deps: services.
        known: asked in each round for what is new in it, never twice for one target.
        traces: the traces of the case.

    Raises:
        UnavailableError, DeniedError: to be waited for.
    """
    return await _Search(alerts, enrichment, deps, known, traces).run()


class _Search:
    def __init__(
        self, alerts: Sequence[Alert], enrichment: Enrichment, deps: Deps, known: Known, traces: Traces
    ) -> None:
        now = deps.now()
        self.alerts = alerts
        self.incident = enrichment.incident_id
        self.mailboxes = deps.mailboxes
        self.policy = deps.policy.follow
        self.may_wait = now - enrichment.decided_at < _WAIT
        self.notes: Counter[str] = Counter(enrichment.notes)
        self.lookup = Lookup(deps.directory, enrichment)
        self.ended = {
            recipient.id: (TargetState(recipient.no_mailbox), recipient.code or recipient.no_mailbox)
            for recipient in enrichment.recipients
            if recipient.id is not None and recipient.no_mailbox is not None
        }
        self.trace = Trace(deps.directory, traces, now=now, may_wait=self.may_wait, notes=self.notes)
        self.rows: dict[str, tuple[TraceRow, ...]] = {}
        self.unread: list[str] = []
        """Mails whose trace was asked, and whose rows have led to no recipient yet."""
        self.rules: dict[MailboxId, tuple[ForwardingRule, ...]] = {}
        self.ask_known = known
        self.known: set[TargetId] = set()
        self.tree = Tree()

    async def run(self) -> SearchResult:
        deliveries = await self._from_alerts()
        while deliveries or self.unread:
            while deliveries:
                new = await self._deliver(deliveries)
                deliveries = await self._follow(new)
            deliveries = await self._from_trace()
        self._note_mails_without_recipient()
        for mail, rows in self.rows.items():
            self.tree.expanded_by_transport(mail, expanded(rows))
        notes = tuple(f"{what}: {times}" for what, times in sorted(self.notes.items()))
        return SearchResult(self.tree, frozenset(self.known), notes)

    async def _from_alerts(self) -> list[Delivery]:
        """Every message at every address that the alerts name for it."""
        named: defaultdict[str, list[tuple[Message, Path]]] = defaultdict(list)
        for alert in self.alerts:
            path = Path(Hop(via=Via.ALERT, name=alert.source, ref=alert.id))
            for message in alert.messages:
                named[message.key].append((message, path))
        addressed: list[Addressed] = []
        # Sorted, so that the trace's limit goes to the same mails however often the search is made.
        for _, reports in sorted(named.items()):
            message_id = await self._message_id(reports)
            if message_id is None:
                self.notes[NOT_IDENTIFIED] += 1
                continue
            message = all_known_of([report for report, _ in reports], message_id)
            for report, path in reports:
                mail = self.tree.add_mail(Mail(message, path))
                addressed += [Addressed(mail, address.lower(), path) for address in report.recipients]
        await self._ask_trace()
        return await self._look_up(addressed)

    async def _message_id(self, reports: list[tuple[Message, Path]]) -> str | None:
        """The Message-ID of the message that all these report; None if that is not known."""
        first, _ = reports[0]
        if first.internet_message_id:
            return first.internet_message_id
        recipients = {recipient for report, _ in reports for recipient in report.recipients}
        identified = await self.trace.identify(first.model_copy(update={"recipients": tuple(sorted(recipients))}))
        return identified.internet_message_id if identified else None

    async def _ask_trace(self) -> None:
        for mail in sorted(self.tree.mails.keys() - self.rows.keys()):
            message = self.tree.mails[mail].message
            self.rows[mail] = await self.trace.of(message)
            self.tree.times[mail] = delivery_times(self.rows[mail], message.network_message_id)
            self.unread.append(mail)

    async def _look_up(self, addressed: list[Addressed]) -> list[Delivery]:
        recipients = await self.lookup.recipients({address for _, address, _ in addressed})
        return [Delivery(mail, recipients[address], path) for mail, address, path in addressed]

    async def _deliver(self, deliveries: Iterable[Delivery]) -> list[At]:
        """Put the deliveries into the tree, groups expanded until none is left; those that are new."""
        new: list[At] = []
        while deliveries:
            placed, groups = self.tree.take(deliveries)
            new += placed
            members = await self.lookup.members(group.recipient.id or "" for group in groups)
            deliveries = [
                member for group in groups for member in self.tree.expand(group, members[group.recipient.id or ""])
            ]
        for mail, holder in new:
            if holder in self.ended:
                self.tree.end((mail, holder), *self.ended[holder])
        await self._mark_known(new)
        return new

    async def _mark_known(self, new: list[At]) -> None:
        targets = {target_id(self.incident, holder, mail): (mail, holder) for mail, holder in new}
        known = await self.ask_known(list(targets)) if targets else set()
        for target in known:
            self.tree.is_known(targets[target])
        self.known |= known

    async def _follow(self, new: list[At]) -> list[Delivery]:
        """One step further: what the new recipients sent on, and what their inbox rules send on."""
        holders = self._to_follow(new)
        sent, rules = await gather(self._sent_items(holders), self._inbox_rules(holders))
        deliveries: list[Delivery] = []
        addressed: list[Addressed] = []
        for holder in holders:
            for mail, recipients in sent_on(holder, sent.get(holder.at, ()), self.policy):
                key = self.tree.add_mail(mail)
                deliveries.append(senders_copy(holder, mail))
                addressed += [Addressed(key, address, mail.path) for address in recipients]
            addressed += redirected(holder, rules.get(holder.holder, ()))
            addressed += await self._forwarded_by_rule(holder, rules.get(holder.holder, ()))
        await self._ask_trace()
        return deliveries + await self._look_up(addressed)

    def _to_follow(self, new: list[At]) -> list[Delivery]:
        # Sorted, as in `_from_alerts`.
        deliveries = (self.tree.deliveries[at] for at in sorted(new))
        return [
            delivery
            for delivery in deliveries
            if delivery.state is TargetState.PLANNED and not delivery.known and delivery.path.depth < self.policy.depth
        ]

    async def _sent_items(self, holders: list[Delivery]) -> dict[At, tuple[SentCopy, ...]]:
        """Forwards and replies in the holders' Sent Items, without answers to another mail.

        A sender may choose the Message-ID of a mail that people here answered long ago.
        """
        answers = await ask(self.mailboxes.sent_descendants, [self._key(holder) for holder in holders])
        self._judge("sent_items", ((mailbox, answer) for (mailbox, _), answer in answers.items()))
        found: dict[At, tuple[SentCopy, ...]] = {}
        for holder in holders:
            copies = answers[self._key(holder)]
            if not isinstance(copies, Refusal) and copies:
                named = self.tree.traits(holder)
                found[holder.at] = tuple(copy for copy in copies if not is_before(copy.sent_at, named))
        for at in await self._of_another_mail([holder for holder in holders if found.get(holder.at)]):
            del found[at]
        return found

    async def _of_another_mail(self, holders: list[Delivery]) -> list[At]:
        """Who has other mail under the same Message-ID, or does not show that it is the mail."""
        answers = await ask(partial(self.mailboxes.find, Where.VISIBLE), [self._key(holder) for holder in holders])
        self._judge("message_id_check", ((mailbox, answer) for (mailbox, _), answer in answers.items()))
        pairs = {
            holder.at: [(MailboxId(holder.holder), self.tree.traits(holder), item) for item in items]
            for holder in holders
            if not isinstance(items := answers[self._key(holder)], Refusal)
        }
        asked = [pair for some in pairs.values() for pair in some]
        judged = await judge(asked, self.mailboxes)
        self._judge("message_id_check", zip((mailbox for mailbox, _, _ in asked), judged, strict=True))
        judgements = iter(judged)
        left_out: list[At] = []
        for holder in holders:
            if holder.at not in pairs:
                # Its refusal is in a note already.
                left_out.append(holder.at)
                continue
            said = list(islice(judgements, len(pairs[holder.at])))
            note = _why_not_followed(said, sender_known=bool(self.tree.traits(holder).senders))
            if note is not None:
                self.notes[note] += 1
                left_out.append(holder.at)
        return left_out

    async def _inbox_rules(self, holders: list[Delivery]) -> dict[str, tuple[ForwardingRule, ...]]:
        """The holders' inbox rules that send mail on, by mailbox; each mailbox is asked once in a search."""
        if not self.policy.inbox_rules:
            return {}
        unasked = {MailboxId(holder.holder) for holder in holders} - self.rules.keys()
        answers = await ask(self.mailboxes.forwarding_rules, sorted(unasked))
        self._judge("inbox_rules", answers.items())
        for mailbox, rules in answers.items():
            self.rules[mailbox] = () if isinstance(rules, Refusal) else rules
        return {str(mailbox): rules for mailbox, rules in self.rules.items() if rules}

    async def _forwarded_by_rule(self, holder: Delivery, rules: Iterable[ForwardingRule]) -> list[Addressed]:
        """The mails that inbox rules made of this one, which only the trace knows."""
        recipients = forwarded_to(rules)
        if not recipients:
            return []
        path = next_path(holder, Via.INBOX_RULE)
        rows = self.rows.get(holder.mail, ())
        if not rows:
            # Whether the rule fired is not known without the trace: its recipients are looked at for the original.
            self.notes["rule_forward_not_identified"] += 1
            return [Addressed(holder.mail, address, path) for address in recipients]
        sender = holder.recipient.primary_address
        sent = await self.trace.sent_by(sender, recipients, self._message(holder), delivered_at(sender, rows))
        mails = [self.tree.add_mail(Mail(message, path)) for message in sent]
        return [Addressed(mail, address, path) for mail in mails for address in recipients]

    async def _from_trace(self) -> list[Delivery]:
        """The recipients that message trace knows."""
        addressed: list[Addressed] = []
        for key in self.unread:
            path = self.tree.mails[key].path.then(Hop(via=Via.TRACE, name="message trace"))
            addressed += [Addressed(key, address, path) for address in delivered_to(self.rows[key])]
        self.unread.clear()
        return await self._look_up(addressed)

    def _note_mails_without_recipient(self) -> None:
        with_recipient = {mail for mail, _ in self.tree.deliveries}
        named = [key for key, mail in self.tree.mails.items() if mail.path.depth == 0]
        if without := [key for key in named if key not in with_recipient]:
            self.notes[NOBODY] += len(without)

    def _judge(self, what: str, answers: Iterable[tuple[MailboxId, Answer[Any]]]) -> None:
        """What a refusal means: there is no mailbox, it is to be waited for, or a note says what could not be asked."""
        refusals = [(mailbox, answer) for mailbox, answer in answers if isinstance(answer, Refusal)]
        if self.may_wait:
            raise_for_refusals(what, [refusal for _, refusal in refusals if refusal.kind.retryable])
        for mailbox, refusal in refusals:
            if refusal.kind in _NO_MAILBOX:
                self.ended[mailbox] = (_NO_MAILBOX[refusal.kind], refusal.code)
                self.tree.end_mailbox(mailbox, *self.ended[mailbox])
            else:
                self.notes[f"{what}_{refusal.kind}"] += 1

    def _message(self, holder: Delivery) -> Message:
        return self.tree.mails[holder.mail].message

    def _key(self, holder: Delivery) -> MessageKey:
        return MailboxId(holder.holder), self._message(holder).internet_message_id or ""


def _why_not_followed(judgements: list[Answer[Judgement]], *, sender_known: bool) -> str | None:
    """The note, if answers to what these items are must not be followed. Without an item, From of the alert decides."""
    said = {None if isinstance(one, Refusal) else one.identity for one in judgements}
    if Identity.DIFFERENT in said:
        return "message_id_reused"
    if said - {Identity.SAME} or not (said or sender_known):
        return "sent_items_unsure"
    return None
