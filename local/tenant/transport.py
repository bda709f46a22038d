"""What Exchange and people did with the lure: deliveries, inbox rules, actions of people, and the message trace."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from local.emulators.graph import model
from local.emulators.graph.model import Address, FlagStatus, Message, ModelError, TraceRow, TraceStatus
from local.tenant.people import Directory
from local.tenant.scenario import Kind, Lookalike, Lure, Mark, Put, Remove, Scenario, Send, Whereto

# PidTagLastVerbExecuted.
_FORWARDED, _REPLIED = 104, 102

# TEST-NET-3 (RFC 5737): where the lure came from.
SENDER_IP = "203.0.113.77"

# Kinds whose mailbox is in Exchange Online, whether the application may open it or not.
CLOUD = frozenset({Kind.PERSON, Kind.SHARED, Kind.OUT_OF_SCOPE})


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was sent: the lure, a forward or a reply."""

    key: str
    message: Message
    to: tuple[str, ...]
    """Keys of people and groups, and addresses outside."""
    who: str | None = None
    """Who of the tenant sent it."""
    is_forward: bool = False
    ancestors: tuple[str, ...] = ()
    """Keys of the mails that its References name, oldest first."""


class World:
    """Mailboxes, mails and message trace. `run` changes them in the order of the scenario."""

    def __init__(self, scenario: Scenario, directory: Directory, rng: random.Random, now: datetime) -> None:
        self.scenario = scenario
        self.directory = directory
        self.boxes: dict[str, list[Message]] = {key: [] for key in directory.users if directory.kinds[key] in CLOUD}
        self.mails: dict[str, Mail] = {}
        self.trace: list[TraceRow] = []
        self._rng = rng
        self._now = now

    def run(self) -> None:
        """Do everything that is in the scenario.

        Raises:
            ModelError: somebody does something with a mail that they do not have.
        """
        self.mails["lure"] = self._lure(self.scenario.lure)
        self._deliver(self.mails["lure"])
        for deed in self.scenario.deeds:
            match deed:
                case Mark():
                    self._mark(deed)
                case Put():
                    index = self._first(deed.who, "lure")
                    self._change(deed.who, index, folder=deed.folder)
                case Remove():
                    self._remove(deed)
                case Send():
                    self._send(deed)
        for look in self.scenario.lookalikes:
            self._lookalike(look)

    def _lure(self, lure: Lure) -> Mail:
        # The header names the first few; the envelope, everybody.
        shown = tuple(Address(address) for _, address in self.directory.lure_to[:3])
        message = Message(
            internet_message_id=lure.message_id,
            subject=lure.subject,
            from_=Address(lure.sender.address, lure.sender.name),
            to=shown,
            received=self._ago(lure.minutes_ago),
            body=f"{lure.body.rstrip()}\n\n{lure.url}\n",
        )
        return Mail("lure", message, tuple(key for key, _ in self.directory.lure_to))

    def _deliver(self, mail: Mail) -> None:
        """Expand groups, give every recipient one copy, apply inbox rules, and write the trace."""
        network_id = self._network_id()
        seen: set[str] = set()
        waiting = list(mail.to)
        while waiting:
            key = waiting.pop(0)
            if key in seen:
                continue
            seen.add(key)
            if key in self.directory.members:
                self._log(network_id, mail.message, key, TraceStatus.EXPANDED)
                waiting += self.directory.members[key]
            else:
                self._log(network_id, mail.message, key, TraceStatus.DELIVERED)
                waiting += self._put_in(key, replace(mail.message, network_message_id=network_id))

    def _put_in(self, key: str, message: Message) -> list[str]:
        """Deliver to one recipient; returns the keys that inbox rules redirect it to."""
        if key not in self.boxes:
            return []
        copy = replace(message, received=message.received + timedelta(seconds=self._rng.randint(1, 8)))
        further: list[str] = []
        copies: list[Message] = []
        for rule in self.scenario.rules:
            if rule.who == key and any(text.lower() in message.subject.lower() for text in rule.subject_contains):
                further += rule.redirect_to
                copy = replace(copy, folder=rule.move_to or copy.folder)
                copies += [replace(copy, folder=rule.copy_to)] if rule.copy_to else []
        self.boxes[key] += [copy, *copies]
        return further

    def _mark(self, deed: Mark) -> None:
        index = self._first(deed.who, "lure")
        flag = FlagStatus.FLAGGED if deed.flagged else FlagStatus.NOT_FLAGGED
        self._change(deed.who, index, is_read=deed.read, flag=flag, categories=deed.categories)

    def _remove(self, deed: Remove) -> None:
        self._first(deed.who, "lure")
        folders = {
            Whereto.DELETED_ITEMS: model.DELETED_ITEMS,
            Whereto.RECOVERABLE: model.DELETIONS,
            Whereto.PURGED: model.PURGES,
        }
        ours = self.mails["lure"].message
        kept = [one for one in self.boxes[deed.who] if not same_mail(one, ours)]
        gone = [one for one in self.boxes[deed.who] if same_mail(one, ours)]
        if deed.whereto in folders:
            kept += [replace(one, folder=folders[deed.whereto]) for one in gone]
        self.boxes[deed.who] = kept

    def _send(self, deed: Send) -> None:
        original = self.mails[deed.mail]
        index = self._first(deed.who, deed.mail)
        at = self._ago(deed.minutes_ago)
        if at <= original.message.received:
            raise ModelError(f"{deed.becomes}: sent before {deed.mail} was there")
        forward = deed.did == "forward"
        verb = _FORWARDED if forward else _REPLIED
        self._change(deed.who, index, is_read=True, last_verb=verb, last_verb_at=at)
        message_id = original.message.internet_message_id
        me = self.directory.header(deed.who)
        message = Message(
            internet_message_id=f"<{self._rng.getrandbits(96):024x}@{self.scenario.domain}>",
            subject=f"{'FW' if forward else 'RE'}: {original.message.subject}",
            from_=me,
            to=tuple(self.directory.header(key) for key in (*deed.to, *deed.outside)),
            received=at,
            in_reply_to=message_id,
            references=(*original.message.references, message_id),
            body=f"{deed.text}\n\n-----Original Message-----\n{original.message.body}",
        )
        to = (*deed.to, *(address.lower() for address in deed.outside))
        mail = Mail(deed.becomes, message, to, deed.who, forward, (*original.ancestors, deed.mail))
        self.mails[mail.key] = mail
        self.boxes[deed.who].append(replace(message, folder=model.SENT_ITEMS, is_read=True))
        self._deliver(mail)

    def _lookalike(self, look: Lookalike) -> None:
        lure = self.mails["lure"].message
        sender = Address(look.sender.address, look.sender.name) if look.sender else lure.from_
        for who in look.where:
            if who not in self.boxes:
                raise ModelError(f"a lookalike: {who} has no mailbox in the cloud")
            network_id = self._network_id()
            message = Message(
                internet_message_id=look.message_id or lure.internet_message_id,
                subject=look.subject or lure.subject,
                from_=sender,
                to=(self.directory.header(who),),
                received=self._ago(look.minutes_ago),
                folder=look.folder,
                body=f"{look.why}\n",
                is_read=True,
                network_message_id=network_id,
            )
            self.boxes[who].append(message)
            self._log(network_id, message, who, TraceStatus.DELIVERED)

    def _first(self, who: str, mail: str) -> int:
        """Index of its first copy in the mailbox."""
        ours = self.mails[mail].message
        for index, message in enumerate(self.boxes.get(who, ())):
            if same_mail(message, ours):
                return index
        raise ModelError(f"{who} does something with {mail}, and has no copy of it")

    def _change(self, who: str, index: int, **changes: object) -> None:
        self.boxes[who][index] = replace(self.boxes[who][index], **changes)  # type: ignore[arg-type]  # fields by name

    def _log(self, network_id: str, message: Message, key: str, status: TraceStatus) -> None:
        inside = message.from_.address.endswith(f"@{self.scenario.domain}")
        self.trace.append(
            TraceRow(
                id=network_id,
                message_id=message.internet_message_id,
                sender=message.from_.address,
                recipient=self.directory.address(key),
                received=message.received,
                subject=message.subject,
                status=status,
                from_ip=None if inside else SENDER_IP,
                size=2048 + len(message.body),
            )
        )

    def _network_id(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _ago(self, minutes: int) -> datetime:
        return self._now - timedelta(minutes=minutes)


def same_mail(one: Message, other: Message) -> bool:
    """Whether both are copies of one mail. The Message-ID is not enough: a sender can reuse another mail's."""
    return one.internet_message_id == other.internet_message_id and one.from_.address == other.from_.address
