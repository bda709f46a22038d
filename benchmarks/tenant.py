"""A tenant for measuring: one group of which every member has the malicious mail among ordinary ones."""

import uuid
from datetime import UTC, datetime, timedelta

from local.tenant.model import Address, Group, Mailbox, Message, Tenant, User

MESSAGE_ID = "<bench-1@evil.example>"
SENDER = Address("billing@evil.example", "Billing")
GROUP = "everybody@contoso.example"
DELIVERED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# A filter that only ever meets the wanted mail would measure no filter.
_ORDINARY = 5
_NAMESPACE = uuid.UUID("0f4f3c3e-58a5-4a38-b7c1-4c9d8e5a7b10")


def tenant(targets: int) -> Tenant:
    """`targets` people with a mailbox each; every mailbox has one copy."""
    people = tuple(_user(number) for number in range(targets))
    group = Group(
        id=str(uuid.uuid5(_NAMESPACE, "group")),
        display_name="Everybody",
        mail=GROUP,
        proxy_addresses=(f"SMTP:{GROUP}",),
        mail_enabled=True,
        members=tuple(user.id for user in people),
    )
    return Tenant(
        id=str(uuid.uuid5(_NAMESPACE, "tenant")),
        display_name="Contoso",
        domain="contoso.example",
        users=people,
        groups=(group,),
        mailboxes=tuple(Mailbox(user.id, messages=_messages(user, number)) for number, user in enumerate(people)),
    )


def _user(number: int) -> User:
    address = f"user{number:05d}@contoso.example"
    return User(
        id=str(uuid.uuid5(_NAMESPACE, address)),
        user_principal_name=address,
        display_name=f"User {number}",
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
    bad = Message(
        internet_message_id=MESSAGE_ID,
        subject="Your invoice",
        from_=SENDER,
        to=(Address(GROUP),),
        received=DELIVERED,
        is_read=number % 3 == 0,
    )
    return (*ordinary, bad)
