"""From the alert's messages and recipients to everybody who has them: groups, trace, forwards, replies, rules."""

from asyncio import gather
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.expand_recipients.follow import forwarded_to, own_copy, redirected, same_sender, sent_on, step
from functions.expand_recipients.lookup import Lookup
from functions.expand_recipients.models import Deps
from functions.expand_recipients.trace import Trace, arrived, delivered_at, expanded
from functions.expand_recipients.tree import Arrival, Mail, Offer, Reached, Tree
from shared.domain.alert import Alert
from shared.domain.ids import MailboxId
from shared.domain.incident import NOBODY, NOT_IDENTIFIED
from shared.domain.target import Hop, TargetState, Via
from shared.enrichment import Enrichment
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.mailboxes import ForwardingRule, Where

if TYPE_CHECKING:
    from shared.ports.directory import TraceRow

# Mail that is known to be bad is not left in mailboxes for longer than this, only because the search for more of it
# is throttled: one window of the trace's limit (graph.md 2.7).
_PATIENCE = timedelta(minutes=5)


_NO_MAILBOX = {
    RefusalKind.ON_PREMISES: TargetState.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: TargetState.MAILBOX_MISSING,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and where it could not look."""

    tree: Tree
    notes: tuple[str, ...]


async def search(alerts: Sequence[Alert], enrichment: Enrichment, deps: Deps) -> Found:
    """Find everybody who has one of the alerts' messages, or what was made of it.

    Raises:
        UnavailableError, DeniedError: to be waited for.
    """
    return await _Search(alerts, enrichment, deps, deps.now()).run()


class _Search:
    def __init__(self, alerts: Sequence[Alert], enrichment: Enrichment, deps: Deps, now: datetime) -> None:
        self.alerts = alerts
        self.mailboxes = deps.mailboxes
        self.policy = deps.policy.follow
        self.patient = now - enrichment.decided_at < _PATIENCE
        self.notes: Counter[str] = Counter(enrichment.notes)
        self.lookup = Lookup(deps.directory, {p.address: p.recipient for p in enrichment.recipients})
        self.ends = {
            person.id: (_NO_MAILBOX[person.no_mailbox], person.code or person.no_mailbox)
            for person in enrichment.recipients
            if person.id is not None and person.no_mailbox in _NO_MAILBOX
        }
        self.trace = Trace(deps.directory, now=now, patient=self.patient, notes=self.notes)
        self.rows: dict[str, tuple[TraceRow, ...]] = {}
        self.untold: list[str] = []
        self.rules: dict[MailboxId, tuple[ForwardingRule, ...]] = {}
        self.tree = Tree(frozenset(enrichment.privileged), frozenset(enrichment.protected))

    async def run(self) -> Found:
        arrivals = await self._seeds()
        while arrivals or self.untold:
            while arrivals:
                arrivals = await self._follow(await self._arrive(arrivals))
            # Only now: whoever was reached by a group or a forward is known by that way, not by the trace.
            arrivals = await self._from_trace()
        has_been_reached = {mail for mail, _ in self.tree.reached}
        if nowhere := [key for key, mail in self.tree.mails.items() if not mail.depth and key not in has_been_reached]:
            self.notes[NOBODY] += len(nowhere)
        for key, rows in self.rows.items():
            self.tree.expanded_by_transport(key, expanded(rows))
        return Found(self.tree, tuple(f"{what}: {n}" for what, n in sorted(self.notes.items())))

    async def _seeds(self) -> list[Arrival]:
        """The alert's messages, and everybody whom it names."""
        offers: list[Offer] = []
        for alert in self.alerts:
            way = (Hop(via=Via.ALERT, name=alert.source, ref=alert.id),)
            for named in alert.messages:
                message = named if named.internet_message_id else await self.trace.identify(named)
                if message is None:
                    self.notes[NOT_IDENTIFIED] += 1
                    continue
                key = self.tree.add_mail(Mail(message, way))
                offers += [Offer(key, address.lower(), way, 0) for address in message.recipients]
        await self._trace()
        return await self._resolve(offers)

    async def _resolve(self, offers: list[Offer]) -> list[Arrival]:
        people = await self.lookup.people(offer.address for offer in offers)
        return [(people[offer.address], offer) for offer in offers]

    async def _arrive(self, arrivals: list[Arrival]) -> list[Reached]:
        """The places that are new, groups opened until none is."""
        places: list[Reached] = []
        while arrivals:
            new, groups = self.tree.arrive(arrivals)
            places += new
            members = await self.lookup.members(group.id or "" for group, _ in groups)
            arrivals = [arrival for group in groups for arrival in self.tree.open(group, members[group[0].id or ""])]
        for place in places:
            if place.holder in self.ends:
                self.tree.end(place.holder, *self.ends[place.holder])
        return places

    async def _follow(self, places: list[Reached]) -> list[Arrival]:
        """One step further: what these mailboxes sent on, and what their rules send on."""
        holders = self._to_ask(places)
        wanted = [(MailboxId(h.holder), self.tree.mails[h.mail].message.internet_message_id or "") for h in holders]
        unasked = sorted({mailbox for mailbox, _ in wanted} - self.rules.keys()) if self.policy.inbox_rules else []
        sent, rules = await gather(
            ask(self.mailboxes.sent_descendants, wanted), ask(self.mailboxes.forwarding_rules, unasked)
        )
        self._judge("sent_items", [(mailbox, answer) for (mailbox, _), answer in sent.items()])
        self._judge("inbox_rules", list(rules.items()))
        for mailbox, found in rules.items():
            self.rules[mailbox] = () if isinstance(found, Refusal) else found
        copies_of = {
            holder.at: copies
            for holder, key in zip(holders, wanted, strict=True)
            if (copies := sent[key]) and not isinstance(copies, Refusal)
        }
        unsure = await self._reused([holder for holder in holders if holder.at in copies_of])
        arrivals: list[Arrival] = []
        offers: list[Offer] = []
        for holder in holders:
            if holder.at not in unsure:
                for mail, recipients in sent_on(holder, copies_of.get(holder.at, ()), self.policy):
                    key = self.tree.add_mail(mail)
                    arrivals.append(own_copy(holder, mail))
                    offers += [Offer(key, address, mail.way, mail.depth) for address in recipients]
            offers += await self._by_rule(holder)
        await self._trace()
        return arrivals + await self._resolve(offers)

    def _to_ask(self, places: list[Reached]) -> list[Reached]:
        current = (self.tree.reached[place.at] for place in places)
        open_ends = [p for p in current if p.state is TargetState.PLANNED and p.depth < self.policy.depth]
        # Sorted, so that the trace's budget goes to the same mails whoever answered first.
        return sorted(open_ends, key=lambda place: place.at)

    async def _reused(self, holders: list[Reached]) -> set[tuple[str, str]]:
        """Those who hold mail of another sender under the same Message-ID, or cannot tell.

        A sender may choose the Message-ID of a mail that people here answered long ago: those answers are not followed.
        """
        messages = {holder.at: self.tree.mails[holder.mail].message for holder in holders}
        named = [holder for holder in holders if messages[holder.at].sender is not None]
        wanted = [(MailboxId(holder.holder), messages[holder.at].internet_message_id or "") for holder in named]
        answers = await ask(partial(self.mailboxes.find, Where.VISIBLE), wanted)
        self._judge("message_id_check", [(mailbox, answer) for (mailbox, _), answer in answers.items()])
        unsure = {
            holder.at
            for holder, key in zip(named, wanted, strict=True)
            if isinstance(items := answers[key], Refusal)
            or any(not same_sender(messages[holder.at], item) for item in items)
        }
        if unsure:
            self.notes["message_id_reused"] += len(unsure)
        return unsure

    async def _by_rule(self, holder: Reached) -> list[Offer]:
        rules = self.rules.get(MailboxId(holder.holder), ())
        offers = list(redirected(holder, rules))
        if recipients := forwarded_to(rules):
            original = self.tree.mails[holder.mail].message
            way, depth = step(holder, Via.INBOX_RULE), holder.depth + 1
            if self.rows.get(holder.mail):
                delivered = delivered_at(holder.mailbox.address, self.rows[holder.mail])
                sent = await self.trace.sent_by(holder.mailbox.address, recipients, original, delivered)
                mails = [self.tree.add_mail(Mail(message, way, depth)) for message in sent]
            else:
                # Whether the rule fired is not known without the trace: its recipients are looked at for the original.
                self.notes["rule_forward_not_identified"] += 1
                mails = [holder.mail]
            offers += [Offer(key, address, way, depth) for key in mails for address in recipients]
        return offers

    async def _trace(self) -> None:
        for key in sorted(self.tree.mails.keys() - self.rows.keys()):
            self.rows[key] = await self.trace.of(self.tree.mails[key].message)
            self.untold.append(key)

    async def _from_trace(self) -> list[Arrival]:
        """Whom only the trace knows."""
        offers: list[Offer] = []
        for key in self.untold:
            mail = self.tree.mails[key]
            way = (*mail.way, Hop(via=Via.TRACE, name="message trace"))
            offers += [Offer(key, address, way, mail.depth) for address in arrived(self.rows[key])]
        self.untold.clear()
        return await self._resolve(offers)

    def _judge(self, what: str, answers: Sequence[tuple[MailboxId, Answer[Any]]]) -> None:
        """What a refusal means: no mailbox, come back later, or a note that nobody could look."""
        refusals = [(m, a) for m, a in answers if isinstance(a, Refusal)]
        if self.patient:
            raise_for_refusals(what, [refusal for _, refusal in refusals if refusal.kind.retryable])
        for mailbox, refusal in refusals:
            if refusal.kind in _NO_MAILBOX:
                self.ends[mailbox] = (_NO_MAILBOX[refusal.kind], refusal.code)
                self.tree.end(mailbox, *self.ends[mailbox])
            else:
                self.notes[f"{what}_{refusal.kind}"] += 1
