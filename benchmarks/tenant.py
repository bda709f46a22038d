"""A tenant for measuring: one group of which every member has the malicious mail among ordinary ones."""

import uuid
from datetime import UTC, datetime, timedelta

from local.emulators.graph.model import Address, Group, Mailbox, Message, Tenant, User

MESSAGE_ID = "<bench-1@evil.example>"
SENDER = Address("billing@evil.example", "Billing")
GROUP = "everybody@contoso.example"

WARM_IDS = tuple(f"<warm-{number}@evil.example>" for number in range(8))
WARM_GROUP = "warm@contoso.example"
"""Whose mail is pulled before anything is measured: imports and first connections are the cold start's, which is
measured by itself."""
DELIVERED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# A filter that only ever meets the wanted mail would measure no filter.
_ORDINARY = 5
WARM = 40
"""Mailboxes that are warmed up with."""
_NAMESPACE = uuid.UUID("0f4f3c3e-58a5-4a38-b7c1-4c9d8e5a7b10")


def tenant(targets: int) -> Tenant:
    """`targets` people with a mailbox each; every mailbox has one copy. And a few more, to warm up with."""
    people = tuple(_user(f"user{number:05d}") for number in range(targets))
    warm = tuple(_user(f"warm{number:02d}") for number in range(WARM))
    return Tenant(
        id=str(uuid.uuid5(_NAMESPACE, "tenant")),
        display_name="Contoso",
        domain="contoso.example",
        users=(*people, *warm),
        groups=(_group(GROUP, people), _group(WARM_GROUP, warm)),
        mailboxes=(
            *(Mailbox(user.id, messages=_messages(user, number)) for number, user in enumerate(people)),
            *(Mailbox(user.id, messages=tuple(_bad(key, WARM_GROUP) for key in WARM_IDS)) for user in warm),
        ),
    )


def _group(address: str, members: tuple[User, ...]) -> Group:
    return Group(
        id=str(uuid.uuid5(_NAMESPACE, address)),
        display_name=address,
        mail=address,
        proxy_addresses=(f"SMTP:{address}",),
        mail_enabled=True,
        members=tuple(user.id for user in members),
    )


def _user(name: str) -> User:
    address = f"{name}@contoso.example"
    return User(
        id=str(uuid.uuid5(_NAMESPACE, address)),
        user_principal_name=address,
        display_name=name,
        mail=address,
        proxy_addresses=(f"SMTP:{address}",),
        department="Sales",
    )


def _messages(user: User, number: int) -> tuple[Message, ...]:
    to = (Address(user.mail or ""),)
    ordinary = tuple(
        Message(
            internet_message_id=f"<ordinary-{number}-{i}@example.com>",
            subject=f"Minutes {i}",
            from_=Address("colleague@example.com"),
            to=to,
            received=DELIVERED - timedelta(hours=i + 1),
        )
        for i in range(_ORDINARY)
    )
    return (*ordinary, _bad(MESSAGE_ID, GROUP, is_read=number % 3 == 0))


def _bad(message_id: str, group: str, *, is_read: bool = False) -> Message:
    return Message(
        internet_message_id=message_id,
        subject="Your invoice",
        from_=SENDER,
        to=(Address(group),),
        received=DELIVERED,
        is_read=is_read,
    )
