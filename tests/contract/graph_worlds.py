"""A tenant that the contract tests fill, behind fakes or behind the Graph adapter and the local Graph."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, Protocol

from aiohttp.test_utils import TestServer
from azure.core.credentials import AccessToken

from local.emulators.graph.faults import Fault
from local.emulators.graph.model import (
    Address,
    FlagStatus,
    InboxRule,
    Mailbox,
    MailboxKind,
    Message,
    Tenant,
    User,
)
from local.emulators.graph.server import GRAPH, create_app
from local.emulators.graph.service import Graph
from local.emulators.graph.state import TenantState
from shared.adapters.graph.gateway import GraphGateway
from shared.adapters.graph.mailboxes import GraphMailboxes
from shared.domain.ids import MailboxId
from shared.domain.mail_address import spelled
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import ForwardingRule, Item, Mailboxes, SentCopy, Where
from tests.fakes.mailboxes import QUARANTINE, FakeMailboxes

ANN, BEN, HYBRID, FENCED, NOBODY = (MailboxId(f"{n:08d}-0000-4000-8000-000000000001") for n in range(1, 6))
RECEIVED = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
FLAGGED = {"flagStatus": "flagged"}
DELETIONS, PURGES = "Recoverable Items/Deletions", "Recoverable Items/Purges"

_ALL_ROLES = (
    "Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All", "GroupMember.Read.All", "OrgContact.Read.All",
    "ExchangeMessageTrace.Read.All",
)  # fmt: skip


class Credential:
    """A token that the server of these tests takes."""

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)


@dataclass
class App:
    """The caller behind every token."""

    app_id: str = "app"
    roles: tuple[str, ...] = _ALL_ROLES


@asynccontextmanager
async def local_graph(tenant: Tenant, app: App | None = None) -> AsyncIterator[tuple[GraphGateway, Graph]]:
    """The local Graph in this event loop, and a gateway to it."""
    application = create_app(TenantState(tenant), authorize=lambda _: app or App(), admin_key="open sesame")
    server = TestServer(application)
    await server.start_server()
    gateway = GraphGateway(str(server.make_url("/v1.0")), Credential())  # type: ignore[arg-type]  # all of a credential that is used
    try:
        yield gateway, application[GRAPH]
    finally:
        await gateway.close()
        await server.close()


@dataclass(frozen=True)
class Mail:
    """One message to be put into a mailbox."""

    message_id: str = "<1@evil.example>"
    folder: str = "Inbox"
    subject: str = "Invoice"
    sender: str = "mallory@evil.example"
    to: tuple[str, ...] = ("ann@contoso.example",)
    is_read: bool = False
    flagged: bool = False
    categories: tuple[str, ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    sent_by: str | None = None
    """None: the same as `sender`."""
    network_message_id: str | None = None


class World(Protocol):
    """What a test does behind the port's back."""

    port: Mailboxes

    def put(self, mailbox: MailboxId, mail: Mail) -> str:
        """Deliver, and tell the item's id."""
        ...

    def make_folder(self, mailbox: MailboxId, path: str) -> None: ...

    def delete_folder(self, mailbox: MailboxId, path: str) -> None: ...

    def set_rules(self, mailbox: MailboxId, *rules: InboxRule) -> None: ...

    def refuse_next(self, mailbox: MailboxId, code: str, status: int, retry_after: int | None = None) -> None: ...

    def lose_next_move(self, mailbox: MailboxId) -> None: ...

    def everything(self) -> dict[str, tuple[str, bool | None, str, tuple[str, ...]]]:
        """Folder path, read state, flag and categories of each item."""
        ...


class FakeWorld:
    """Fakes."""

    _KINDS: ClassVar = {
        "ApplicationThrottled": RefusalKind.THROTTLED,
        "ErrorMailboxMoveInProgress": RefusalKind.MAILBOX_MOVING,
    }
    _DUMPSTER: ClassVar = {DELETIONS: Where.DELETIONS, PURGES: Where.PURGES}

    def __init__(self) -> None:
        self._fake = FakeMailboxes()
        self.port: Mailboxes = self._fake
        self._numbers = count(1)
        for mailbox in (ANN, BEN):
            self._fake.add_box(mailbox)
        self._fake.always[HYBRID] = Refusal(RefusalKind.ON_PREMISES, "MailboxNotEnabledForRESTAPI", 404)
        self._fake.always[FENCED] = Refusal(RefusalKind.DENIED, "ErrorAccessDenied", 403)

    def put(self, mailbox: MailboxId, mail: Mail) -> str:
        item = Item(
            id=f"item-{next(self._numbers)}",
            internet_message_id=mail.message_id,
            folder_id="",
            subject=mail.subject,
            sender=spelled(mail.sender),
            sent_by=spelled(mail.sent_by or mail.sender),
            received_at=RECEIVED,
            is_read=mail.is_read,
            flag={"flagStatus": "flagged" if mail.flagged else "notFlagged"},
            categories=mail.categories,
        )
        self._fake.add_item(mailbox, self._DUMPSTER.get(mail.folder, mail.folder), item)
        if mail.network_message_id:
            self._fake.network_ids[item.id] = mail.network_message_id.lower()
        for parent in {mail.in_reply_to, *mail.references} - {None}:
            copy = SentCopy(
                mail.message_id,
                mail.subject,
                RECEIVED,
                mail.to,
                is_forward=mail.subject.startswith(("FW", "WG")),
                sender=spelled(mail.sender),
            )
            self._fake.boxes[mailbox].sent.append((str(parent), copy))
        return item.id

    def make_folder(self, mailbox: MailboxId, path: str) -> None:
        self._fake.folder(mailbox, path)

    def delete_folder(self, mailbox: MailboxId, path: str) -> None:
        del self._fake.boxes[mailbox].folders[self._fake.folder(mailbox, path)]

    def set_rules(self, mailbox: MailboxId, *rules: InboxRule) -> None:
        made = []
        for rule in rules:
            forwards = tuple(a.address for a in (*rule.forward_to, *rule.forward_as_attachment_to))
            redirects = tuple(a.address for a in rule.redirect_to)
            if rule.enabled and forwards:
                made.append(ForwardingRule(rule.display_name, forwards, redirects=False))
            if rule.enabled and redirects:
                made.append(ForwardingRule(rule.display_name, redirects, redirects=True))
        self._fake.boxes[mailbox].rules = tuple(made)

    def refuse_next(self, mailbox: MailboxId, code: str, status: int, retry_after: int | None = None) -> None:
        self._fake.refuse(mailbox, self._KINDS[code], code=code, after=retry_after)

    def lose_next_move(self, mailbox: MailboxId) -> None:
        self._fake.lost[mailbox] += 1

    def everything(self) -> dict[str, tuple[str, bool | None, str, tuple[str, ...]]]:
        paths = {f: path for box in self._fake.boxes.values() for f, path in box.folders.items()}
        return {
            item.id: (paths[item.folder_id], item.is_read, item.flag["flagStatus"], item.categories)
            for items in self._fake.snapshot().values()
            for item in items.values()
        }


@dataclass
class LocalWorld:
    """The adapter, the SDK's pipeline, HTTP, and the local Graph."""

    port: Mailboxes
    graph: Graph
    gateway: GraphGateway
    _numbers: Any = field(default_factory=lambda: count(1))

    def put(self, mailbox: MailboxId, mail: Mail) -> str:
        box = self.graph.tenant.raw_mailbox(mailbox)
        assert box is not None
        message = Message(
            internet_message_id=mail.message_id,
            subject=mail.subject,
            from_=Address(mail.sender),
            sender=Address(mail.sent_by) if mail.sent_by else None,
            network_message_id=mail.network_message_id,
            to=tuple(Address(address) for address in mail.to),
            received=RECEIVED,
            is_read=mail.is_read,
            flag=FlagStatus.FLAGGED if mail.flagged else FlagStatus.NOT_FLAGGED,
            categories=mail.categories,
            in_reply_to=mail.in_reply_to,
            references=mail.references,
        )
        return box.deliver(message, box.folder_at(mail.folder)).immutable_id

    def _box(self, mailbox: MailboxId) -> Any:
        return self.graph.tenant.raw_mailbox(mailbox)

    def make_folder(self, mailbox: MailboxId, path: str) -> None:
        above, _, name = path.rpartition("/")
        box = self._box(mailbox)
        box.create_folder(box.folder_at(above) if above else box.root, name, hidden=False)

    def delete_folder(self, mailbox: MailboxId, path: str) -> None:
        box = self._box(mailbox)
        box.delete_folder(box.folder_at(path), self.graph.tenant.now())

    def set_rules(self, mailbox: MailboxId, *rules: InboxRule) -> None:
        self._box(mailbox).rules = rules

    def refuse_next(self, mailbox: MailboxId, code: str, status: int, retry_after: int | None = None) -> None:
        self._fault(mailbox=mailbox, status=status, code=code, retry_after=retry_after)

    def lose_next_move(self, mailbox: MailboxId) -> None:
        self._fault(mailbox=mailbox, path="/move$", status=504, done=True)

    def _fault(self, **fault: Any) -> None:
        self.graph.faults.rules.append(Fault(**fault))

    def everything(self) -> dict[str, tuple[str, bool | None, str, tuple[str, ...]]]:
        return {
            item.immutable_id: (item.folder.path, item.is_read, str(item.flag), item.categories)
            for mailbox in (ANN, BEN)
            for item in self._box(mailbox).all_items()
        }


def _tenant() -> Tenant:
    people = {"ann": ANN, "ben": BEN, "hybrid": HYBRID, "fenced": FENCED}
    users = tuple(
        User(key, f"{name}@contoso.example", name.title(), mail=f"{name}@contoso.example",
             proxy_addresses=(f"SMTP:{name}@contoso.example",))
        for name, key in people.items()
    )  # fmt: skip
    return Tenant(
        id="00000000-0000-4000-8000-00000000000a",
        display_name="Contoso",
        domain="contoso.example",
        users=users,
        mailboxes=(
            Mailbox(ANN),
            Mailbox(BEN),
            Mailbox(HYBRID, MailboxKind.ON_PREMISES),
            Mailbox(FENCED, in_scope=False),
        ),
    )


@asynccontextmanager
async def local_world() -> AsyncIterator[LocalWorld]:
    """A world that listens on loopback."""
    async with local_graph(_tenant()) as (gateway, graph):
        yield LocalWorld(GraphMailboxes(gateway, QUARANTINE), graph, gateway)
