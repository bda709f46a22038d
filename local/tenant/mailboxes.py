"""Mailboxes with the ordinary mail of a working week around what the scenario put there."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

from local.emulators.graph.model import (
    DELETED_ITEMS,
    INBOX,
    SENT_ITEMS,
    STANDARD_FOLDERS,
    Address,
    FlagStatus,
    Folder,
    InboxRule,
    Mailbox,
    MailboxKind,
    Message,
    with_folder,
)
from local.tenant.people import Directory
from local.tenant.scenario import Kind, Rule
from local.tenant.transport import World
from local.tenant.words import CATEGORIES, FOLDERS, OUTSIDERS, SUBJECTS

_KINDS = {
    Kind.SHARED: MailboxKind.SHARED,
    Kind.ON_PREMISES: MailboxKind.ON_PREMISES,
    Kind.NO_MAILBOX: MailboxKind.NONE,
}
# Half of the ordinary mail stays in the Inbox.
_PLACES = (INBOX,) * 6 + (*FOLDERS, SENT_ITEMS, DELETED_ITEMS)
_A_WEEK = 7 * 24 * 60


def mailboxes(world: World, rng: random.Random, now: datetime) -> tuple[Mailbox, ...]:
    """The mailboxes of everybody who has one, and of those whose mailbox Graph does not serve."""
    directory = world.directory
    colleagues = tuple(directory.header(key) for key in directory.users if directory.kinds[key] is Kind.PERSON)
    made: list[Mailbox] = []
    for key, user in directory.users.items():
        kind = directory.kinds[key]
        if kind is Kind.GUEST:
            continue
        messages: list[Message] = []
        rules: tuple[InboxRule, ...] = ()
        if key in world.boxes:
            number = rng.randint(*world.scenario.ordinary_mail)
            messages = [_ordinary(directory.header(key), colleagues, rng, now) for _ in range(number)]
            messages = sorted((*messages, *world.boxes[key]), key=lambda message: message.received)
            rules = _rules(directory, [rule for rule in world.scenario.rules if rule.who == key])
        made.append(
            Mailbox(
                user.id,
                kind=_KINDS.get(kind, MailboxKind.CLOUD),
                in_scope=kind is not Kind.OUT_OF_SCOPE,
                folders=_tree(frozenset(_named(messages, rules))),
                messages=tuple(messages),
                rules=rules,
            )
        )
    return tuple(made)


def _ordinary(owner: Address, colleagues: tuple[Address, ...], rng: random.Random, now: datetime) -> Message:
    folder = rng.choice(_PLACES)
    other = Address(*rng.choice(OUTSIDERS)) if rng.random() < 1 / 3 or not colleagues else rng.choice(colleagues)
    sent = folder == SENT_ITEMS
    sender = owner if sent else other
    return Message(
        internet_message_id=f"<{rng.getrandbits(80):020x}@{sender.address.partition('@')[2]}>",
        subject=rng.choice(SUBJECTS),
        from_=sender,
        to=(other if sent else owner,),
        received=now - timedelta(minutes=rng.randint(1, _A_WEEK)),
        folder=folder,
        body="See you there.\n",
        is_read=sent or folder != INBOX or rng.random() < 1 / 2,
        flag=FlagStatus.FLAGGED if rng.random() < 1 / 8 else FlagStatus.NOT_FLAGGED,
        categories=(rng.choice(CATEGORIES),) if rng.random() < 1 / 6 else (),
    )


def _rules(directory: Directory, rules: list[Rule]) -> tuple[InboxRule, ...]:
    return tuple(
        InboxRule(
            display_name=rule.name,
            sequence=number,
            subject_contains=rule.subject_contains,
            move_to_folder=rule.move_to,
            copy_to_folder=rule.copy_to,
            redirect_to=tuple(directory.header(key) for key in rule.redirect_to),
        )
        for number, rule in enumerate(rules, start=1)
    )


def _named(messages: Iterable[Message], rules: Iterable[InboxRule]) -> Iterable[str]:
    yield from (message.folder for message in messages)
    yield from (path for rule in rules for path in (rule.move_to_folder, rule.copy_to_folder) if path)


@cache
def _tree(paths: frozenset[str]) -> tuple[Folder, ...]:
    # Equal trees are one object: most mailboxes have the same few.
    folders = STANDARD_FOLDERS
    for path in sorted(paths):
        folders = with_folder(folders, path)
    return folders
