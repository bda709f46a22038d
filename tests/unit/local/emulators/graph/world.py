"""A small tenant, and a client of the local Graph that serves it."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from yarl import URL

from local.emulators.graph.model import (
    STANDARD_FOLDERS,
    Address,
    DirectoryRole,
    FlagStatus,
    Group,
    InboxRule,
    Mailbox,
    MailboxKind,
    Message,
    OrgContact,
    Tenant,
    TraceRow,
    TraceStatus,
    User,
    with_folder,
)

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

    from local.emulators.graph.service import Graph

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PHISH = "<o'brien+1#x&y/z@evil.example>"
ANNA, BEN, SALES, GUEST, HYBRID, GONE, MOVING, OUT_OF_SCOPE = (
    f"{n:08d}-0000-4000-8000-000000000001" for n in range(1, 9)
)
LIST, HIDDEN, UNIFIED = (f"{n:08d}-0000-4000-8000-000000000002" for n in range(1, 4))
CONTACT, ROLE = "00000001-0000-4000-8000-000000000003", "00000001-0000-4000-8000-000000000004"

# An id that Exchange could have given, and that no item or folder of the tenant has.
ABSENT = "AAMk" + "A" * 44

ALL_ROLES = (
    "Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All", "GroupMember.Read.All", "OrgContact.Read.All",
    "ExchangeMessageTrace.Read.All", "RoleManagement.Read.Directory", "Directory.Read.All",
)  # fmt: skip
ADMIN = {"x-local-admin": "admin-key"}


def user(key: str, name: str, **more: Any) -> User:
    address = f"{name.lower()}@contoso.example"
    proxies = (f"SMTP:{address}", f"smtp:{name.lower()}.alias@contoso.example")
    return User(key, address, name, mail=address, proxy_addresses=proxies, **more)


def phish(**more: Any) -> Message:
    sender = Address("mallory@evil.example", "Mallory")
    given: dict[str, Any] = {"received": NOW - timedelta(hours=3), "to": (Address("anna@contoso.example"),), **more}
    return Message(PHISH, "Invoice", sender, **given)


def tenant() -> Tenant:
    answer = phish(
        folder="Sent Items", in_reply_to=PHISH, references=("<first@evil.example>", PHISH), is_read=True, last_verb=104
    )
    anna = Mailbox(
        ANNA,
        folders=with_folder(with_folder(STANDARD_FOLDERS, "Inbox/Invoices"), "Quarantine", hidden=True),
        messages=(
            phish(flag=FlagStatus.FLAGGED, categories=("Red",), last_verb=104, last_verb_at=NOW),
            phish(folder="Inbox/Invoices", received=NOW - timedelta(hours=2), is_read=True),
            phish(folder="Deleted Items"),
            phish(folder="Recoverable Items/Deletions"),
            phish(folder="Quarantine"),
            replace(answer, internet_message_id="<fwd@contoso.example>", subject="FW: Invoice"),
            replace(phish(), internet_message_id="<innocent@contoso.example>", subject="Lunch"),
        ),
        rules=(
            InboxRule("forward", redirect_to=(Address("x@outside.example"),), copy_to_folder="Inbox/Invoices"),
            InboxRule("off", enabled=False, delete=True),
        ),
    )
    return Tenant(
        id="00000000-0000-4000-8000-00000000000a",
        display_name="Contoso",
        domain="contoso.example",
        users=(
            user(ANNA, "Anna", department="Sales", job_title="Lead"),
            user(BEN, "Ben"),
            user(SALES, "Sales", account_enabled=False),
            user(GUEST, "Guest", user_type="Guest"),
            user(HYBRID, "Hybrid"),
            user(GONE, "Gone"),
            user(MOVING, "Moving"),
            user(OUT_OF_SCOPE, "Outside"),
        ),
        groups=(
            Group(LIST, "All", mail="all@contoso.example", proxy_addresses=("SMTP:all@contoso.example",),
                  mail_enabled=True, members=(ANNA, CONTACT, UNIFIED)),
            Group(HIDDEN, "Secret", visibility="HiddenMembership", group_types=("Unified",), members=(BEN,)),
            Group(UNIFIED, "Team", group_types=("Unified",), members=(BEN, ANNA, LIST)),
        ),
        contacts=(OrgContact(CONTACT, "Outside", mail="out@outside.example",
                             proxy_addresses=("SMTP:out@outside.example",)),),
        roles=(DirectoryRole(ROLE, "Global Administrator", members=(ANNA,)),),
        mailboxes=(
            anna,
            Mailbox(BEN, messages=(phish(),)),
            Mailbox(SALES, MailboxKind.SHARED),
            Mailbox(HYBRID, MailboxKind.ON_PREMISES),
            Mailbox(GONE, MailboxKind.INACTIVE),
            Mailbox(MOVING, MailboxKind.MOVING),
            Mailbox(OUT_OF_SCOPE, in_scope=False),
        ),
        trace=(
            TraceRow("net-1", PHISH, "mallory@evil.example", "anna@contoso.example", NOW - timedelta(hours=3),
                     "Invoice", size=1234),
            TraceRow("net-1", PHISH, "mallory@evil.example", "all@contoso.example", NOW - timedelta(hours=3),
                     "Invoice", TraceStatus.EXPANDED),
            TraceRow("net-2", "<old@evil.example>", "mallory@evil.example", "ben@contoso.example",
                     NOW - timedelta(days=5), "Old invoice"),
        ),
    )  # fmt: skip


@dataclass
class App:
    """A caller."""

    app_id: str = "app"
    roles: tuple[str, ...] = ALL_ROLES


def authorize(token: str) -> App:
    """The tokens of these tests name the app and its roles: `app:Role Role`; without roles it has all of them."""
    if token == "bad":
        raise ValueError("expired")
    app, _, roles = token.partition(":")
    return App(app, tuple(roles.split()) if roles else ALL_ROLES)


@dataclass
class Answer:
    """An answer, read."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def values(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        found: list[dict[str, Any]] = self.body["value"]
        return found


class Client:
    """Sends requests to the application over HTTP."""

    def __init__(self, http: "TestClient[Any, Any]", service: "Graph") -> None:
        self.http = http
        self.service = service

    async def ask(self, method: str, url: str, body: Any = None, *, token: str = "app", **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}, **ADMIN}
        url = url if url.startswith("/_local") else f"/v1.0{url}"
        async with self.http.request(method, URL(url, encoded=True), json=body, headers=sent) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            given = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, json.loads(raw) if raw and is_json else raw.decode() or None, given)

    async def get(self, url: str, **more: Any) -> Answer:
        return await self.ask("GET", url, **more)

    async def post(self, url: str, body: Any, **more: Any) -> Answer:
        return await self.ask("POST", url, body, **more)

    async def batch(self, *requests: dict[str, Any], token: str = "app") -> dict[str, dict[str, Any]]:
        answer = await self.post("/$batch", {"requests": list(requests)}, token=token)
        assert answer.status == 200, answer.body
        return {one["id"]: one for one in answer.body["responses"]}

    async def find(self, user: str, message_id: str = PHISH, **more: Any) -> list[dict[str, Any]]:
        return (await self.get(f"/users/{user}/messages?$filter={by_id(message_id)}", **more)).values

    async def items(self, user: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(f"/_local/mailboxes/{user}/items")).body["items"]
        return found


def by_id(message_id: str) -> str:
    """A filter as production writes it."""
    return quote("internetMessageId eq '" + message_id.replace("'", "''") + "'", safe="")
