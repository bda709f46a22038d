"""A server that answers `$batch` as a test tells it to, and remembers what it was asked."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core.credentials import AccessToken

from shared.adapters.graph.gateway import GraphGateway

Part = dict[str, Any]
Answers = Callable[[Part], Part | None]


def ok(part: Part) -> Part:
    """200 and the URL that was asked for."""
    return {"id": part["id"], "status": 200, "body": {"url": part["url"]}}


def error(part: Part, status: int, code: str, **headers: str) -> Part:
    """An error of Graph."""
    return {"id": part["id"], "status": status, "headers": headers, "body": {"error": {"code": code, "message": ""}}}


class Credential:
    """Counts how often it is asked; raises `error` if there is one."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.error: Exception | None = None

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.scopes.append(scopes)
        if self.error is not None:
            raise self.error
        return AccessToken("a token", int(time.time()) + 3600)


@dataclass
class Stub:
    """The server. `answer` answers each part of a batch (None: it has no answer), `whole` answers whole batches."""

    answer: Answers = ok
    whole: Callable[[list[Part]], web.Response | None] = lambda _: None
    delay: float = 0.0
    batches: list[list[Part]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    of_mailbox: Counter[str] = field(default_factory=Counter)
    most_of_mailbox: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @property
    def parts(self) -> list[Part]:
        """Every request of every batch."""
        return [part for batch in self.batches for part in batch]

    async def handle(self, request: web.Request) -> web.Response:
        parts: list[Part] = (await request.json())["requests"]
        self.batches.append(parts)
        self.asked.set()
        self.headers.append(dict(request.headers))
        mailboxes = Counter(part["url"].split("/")[2] for part in parts if part["url"].startswith("/users/"))
        self.at_once += 1
        self.of_mailbox += mailboxes
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.most_of_mailbox = max(self.most_of_mailbox, *self.of_mailbox.values(), 0)
        await asyncio.sleep(self.delay)
        self.at_once -= 1
        self.of_mailbox -= mailboxes
        answer_to_all = self.whole(parts)
        if answer_to_all is not None:
            return answer_to_all
        responses = [answer for part in reversed(parts) if (answer := self.answer(part)) is not None]
        return web.json_response({"responses": responses})


def drop(_: list[Part]) -> web.Response:
    """Close the connection instead of answering."""
    raise ConnectionResetError


def refuse(status: int, code: str, **headers: str) -> web.Response:
    """A refusal of a whole batch."""
    return web.Response(
        status=status, headers=headers, text=json.dumps({"error": {"code": code}}), content_type="application/json"
    )


@asynccontextmanager
async def served(stub: Stub, credential: Credential | None = None) -> AsyncIterator[GraphGateway]:
    """A gateway to the stub."""
    app = web.Application()

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await stub.handle(request)
        except ConnectionResetError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

    app.router.add_post("/v1.0/$batch", handle)
    server = TestServer(app)
    await server.start_server()
    stub.url = str(server.make_url("/v1.0"))
    gateway = GraphGateway(stub.url, credential or Credential())  # type: ignore[arg-type]  # all of a credential that is used
    try:
        yield gateway
    finally:
        await gateway.close()
        await server.close()
