"""The tenant of both clients: each has a mailbox of its own, with the same content, so that cases do not conflict."""

from datetime import datetime, timedelta

from local.emulators.graph.model import (
    STANDARD_FOLDERS,
    Address,
    DirectoryRole,
    Group,
    Importance,
    InboxRule,
    Mailbox,
    Message,
    OrgContact,
    Tenant,
    TraceRow,
    User,
    with_folder,
)

ADA, BOB, CLIO, GROUP, NESTED, CONTACT, ROLE = (f"{n:08d}-0000-4000-8000-000000000001" for n in range(1, 8))
MAILBOXES = {"javascript": ADA, "python": BOB}
PARENT = "<parent@contoso.example>"
PLAIN_MESSAGES = 23
"""Messages of the Inbox that no case changes."""


def tenant(now: datetime) -> Tenant:
    """Everything that the cases need, with times before `now`."""
    return Tenant(
        id="00000000-0000-4000-8000-00000000000a",
        display_name="Contoso",
        domain="contoso.example",
        users=(
            _user(ADA, "Ada", department="Research", job_title="Engineer"),
            _user(BOB, "Bob", department="Sales"),
            _user(CLIO, "Clio", account_enabled=False),
        ),
        groups=(
            Group(GROUP, "All", mail="all@contoso.example", mail_nickname="all", mail_enabled=True,
                  group_types=("Unified",), proxy_addresses=("SMTP:all@contoso.example",),
                  members=(ADA, CONTACT, NESTED)),
            Group(NESTED, "Board", members=(BOB,)),
        ),
        contacts=(OrgContact(CONTACT, "Outside", mail="out@fabrikam.example", mail_nickname="out",
                             proxy_addresses=("SMTP:out@fabrikam.example",)),),
        roles=(DirectoryRole(ROLE, "Global Administrator", "62e90394-69f5-4237-9190-012177145e10", (ADA,)),),
        mailboxes=(_mailbox(ADA, now), _mailbox(BOB, now), Mailbox(CLIO)),
        trace=(
            TraceRow("11111111-0000-4000-8000-000000000001", PARENT, "mallory@fabrikam.example", "ada@contoso.example",
                     now - timedelta(hours=1), "Parent", size=1234),
        ),
    )  # fmt: skip


def _user(key: str, name: str, *, account_enabled: bool = True, department: str = "", job_title: str = "") -> User:
    address = f"{name.lower()}@contoso.example"
    return User(
        key,
        address,
        name,
        mail=address,
        proxy_addresses=(f"SMTP:{address}",),
        account_enabled=account_enabled,
        department=department or None,
        job_title=job_title or None,
    )


def _mailbox(key: str, now: datetime) -> Mailbox:
    sender = Address("mallory@fabrikam.example", "Mallory")

    def message(name: str, subject: str, hours: int, **more: object) -> Message:
        given = {"to": (Address("ada@contoso.example", "Ada"),), **more}
        return Message(f"<{name}@contoso.example>", subject, sender, received=now - timedelta(hours=hours), **given)  # type: ignore[arg-type]  # fields of a message, by their names

    plain = tuple(message(f"plain-{n}", f"Report {n}", 10 + n, is_read=n % 2 == 0) for n in range(PLAIN_MESSAGES))
    return Mailbox(
        key,
        folders=with_folder(with_folder(STANDARD_FOLDERS, "Inbox/Projects"), "Hidden", hidden=True),
        messages=(
            *plain,
            message("html", "Page", 5, body="<p>Hello <b>there</b></p>", body_type="html", importance=Importance.HIGH),
            *(message(name, f"To be changed: {name}", 6) for name in ("move", "update", "delete", "purge", "stable")),
            message("reply", "RE: Parent", 4, folder="Sent Items", in_reply_to=PARENT, references=(PARENT,)),
        ),
        rules=(InboxRule("Forward", redirect_to=(Address("out@fabrikam.example"),)),),
    )
