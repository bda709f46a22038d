"""What the demo and tests do without Graph: faults, statistics, mail that arrives, actions of users."""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local.emulators.graph.errors import GraphError
from local.emulators.graph.faults import FaultError
from local.emulators.graph.http import to_bytes
from local.emulators.graph.kinds import rfc3339
from local.emulators.graph.mailbox import Item, MailboxState
from local.emulators.graph.model import FORMAT, MailboxKind, Message, ModelError, Tenant, TraceRow, check, from_json
from local.emulators.graph.service import Graph

HEADER = "x-local-admin"
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class Admin:
    """Handlers of `/_local/…`; each needs the header `x-local-admin` with the key."""

    def __init__(self, graph: Graph, key: str) -> None:
        self._graph = graph
        self._key = key.encode()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        for method, path, handler in (
            ("GET", "/_local/faults", self._list_faults),
            ("POST", "/_local/faults", self._add_fault),
            ("DELETE", "/_local/faults", self._clear_faults),
            ("GET", "/_local/stats", self._stats),
            ("POST", "/_local/stats/reset", self._reset_stats),
            ("PUT", "/_local/tenant", self._put_tenant),
            ("GET", "/_local/mailboxes/{user}/items", self._items),
            ("POST", "/_local/mailboxes/{user}/actions", self._act),
            ("POST", "/_local/deliver", self._deliver),
        ):
            router.add_route(method, path, self._guarded(handler))

    def _guarded(self, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.Response:
            if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), self._key):
                return _answer({"error": f"the header {HEADER} is missing or wrong"}, 401)
            try:
                return await handler(request)
            except GraphError as error:
                return _answer({"error": error.message, "code": error.code}, error.status)
            except (FaultError, ModelError, ValueError, TypeError, KeyError) as error:
                return _answer({"error": f"{type(error).__name__}: {error}"}, 400)

        return guarded

    async def _list_faults(self, _: web.Request) -> web.Response:
        return _answer({"faults": [fault.describe() for fault in self._graph.faults.rules]})

    async def _add_fault(self, request: web.Request) -> web.Response:
        return _answer(self._graph.faults.add(await request.json()).describe(), 201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._graph.faults.clear()
        return web.Response(status=204)

    async def _stats(self, _: web.Request) -> web.Response:
        return _answer(self._graph.report())

    async def _reset_stats(self, _: web.Request) -> web.Response:
        self._graph.reset_statistics()
        return web.Response(status=204)

    async def _put_tenant(self, request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ModelError(f"not a tenant file of format {FORMAT}")
        tenant = from_json(Tenant, document["tenant"])
        check(tenant)
        self._graph.tenant.load(tenant)
        return web.Response(status=204)

    def _mailbox(self, key: str) -> MailboxState:
        mailbox = self._graph.tenant.raw_mailbox(self._graph.tenant.user(key).id)
        if mailbox is None:
            raise GraphError(404, "NoMailbox", f"{key} has no mailbox.")
        return mailbox

    async def _items(self, request: web.Request) -> web.Response:
        """Every item of every folder of a mailbox of any kind. Ids are the immutable ones."""
        mailbox = self._mailbox(request.match_info["user"])
        items = sorted(mailbox.all_items(), key=lambda item: item.immutable_id)
        return _answer({"items": [_describe(item) for item in items]})

    async def _deliver(self, request: web.Request) -> web.Response:
        """`{"mailboxes": [user…], "message": Message, "trace": [TraceRow…]}`, both as in a tenant file."""
        document = _object(await request.json())
        message = from_json(Message, document["message"], "message")
        rows = [from_json(TraceRow, row, "trace") for row in document.get("trace", [])]
        places = [(box := self._mailbox(user), box.folder_at(message.folder)) for user in document["mailboxes"]]
        delivered = [(mailbox, mailbox.deliver(message, folder)) for mailbox, folder in places]
        self._graph.tenant.trace += rows
        return _answer({"items": [{"mailbox": box.user_id, **_describe(item)} for box, item in delivered]}, 201)

    async def _act(self, request: web.Request) -> web.Response:
        """An action of a user or an administrator, or the end of a retention time: `{"action": …}`.

        Actions on items name them by `id` or by `internetMessageId` (all copies outside Recoverable Items):
        markRead, markUnread, delete (to Deleted Items), softDelete (to Deletions), purge (to Purges), vanish
        (removed for good), move (with `folder`, a path). Others: createFolder and deleteFolder (with `folder`),
        setKind (with `kind`), setScope (with `inScope`).
        """
        mailbox = self._mailbox(request.match_info["user"])
        document = _object(await request.json())
        action = document["action"]
        if action in _ITEM_ACTIONS:
            items = self._named(mailbox, document)
            for item in items:
                self._do(mailbox, item, action, document)
            return _answer({"items": [_describe(item) for item in items]})
        match action:
            case "createFolder":
                above, _, name = document["folder"].rpartition("/")
                parent = mailbox.folder_at(above) if above else mailbox.root
                mailbox.create_folder(parent, name, hidden=document.get("hidden", False))
            case "deleteFolder":
                mailbox.delete_folder(mailbox.folder_at(document["folder"]), self._graph.tenant.now())
            case "setKind":
                mailbox.kind = MailboxKind(document["kind"])
            case "setScope":
                mailbox.in_scope = bool(document["inScope"])
            case _:
                raise ValueError(f"no such action: {action}")
        return _answer({"items": []})

    def _named(self, mailbox: MailboxState, document: dict[str, Any]) -> list[Item]:
        if "id" in document:
            return [mailbox.item(document["id"])]
        wanted = document["internetMessageId"]
        found = [item for item in mailbox.with_message_id(wanted) if item.message.internet_message_id == wanted]
        if document["action"] != "vanish":
            found = [item for item in found if not item.folder.dumpster]
        return found

    def _do(self, mailbox: MailboxState, item: Item, action: str, document: dict[str, Any]) -> None:
        now = self._graph.tenant.now()
        match action:
            case "markRead" | "markUnread":
                item.is_read = action == "markRead"
                item.touch(now)
            case "vanish":
                mailbox.vanish(item)
            case "move":
                mailbox.move(item, mailbox.folder_at(document["folder"]), now)
            case _:
                mailbox.move(item, mailbox.folder(_ITEM_ACTIONS[action]), now)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a JSON object is expected")
    return value


_ITEM_ACTIONS = {
    "markRead": "",
    "markUnread": "",
    "vanish": "",
    "move": "",
    "delete": "deleteditems",
    "softDelete": "recoverableitemsdeletions",
    "purge": "recoverableitemspurges",
}
"""Actions on items, and the folder that some of them move to."""


def _describe(item: Item) -> dict[str, Any]:
    return {
        "id": item.immutable_id,
        "internetMessageId": item.message.internet_message_id,
        "subject": item.message.subject,
        "folder": item.folder.path,
        "folderId": item.folder.id,
        "hidden": not item.folder.visible,
        "isRead": item.is_read,
        "flag": str(item.flag),
        "categories": list(item.categories),
        "receivedDateTime": rfc3339(item.message.received),
    }


def _answer(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=to_bytes(body), content_type="application/json")
