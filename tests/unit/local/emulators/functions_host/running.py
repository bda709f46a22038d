"""What a test of the Functions host has in hand."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web
from azure.storage.queue.aio import QueueClient

from local.process import Child


@dataclass
class Told:
    """What the toy app's functions tell. A function that tells something in `held` waits until that is taken out."""

    url: str = ""
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    _told: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def hold(self, text: str) -> asyncio.Event:
        """The function that sees the message `text` waits until this is set."""
        return self.held.setdefault(text, asyncio.Event())

    async def next(self, count: int) -> list[dict[str, Any]]:
        """The next `count` things."""
        return [await self._told.get() for _ in range(count)]

    async def _hear(self, request: web.Request) -> web.Response:
        what = await request.json()
        self._told.put_nowait(what)
        if event := self.held.get(what.get("seen", "")):
            await event.wait()
        return web.Response()


@asynccontextmanager
async def listening() -> AsyncIterator[Told]:
    """A server that hears what functions tell."""
    told = Told()
    app = web.Application()
    app.router.add_post("/", told._hear)
    # A function that is still held when the test ends is not waited for.
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield told
    finally:
        await runner.cleanup()


@dataclass
class Running:
    """A host, its app's queues, and what its functions tell."""

    process: Child
    url: str
    master: dict[str, str]
    work: QueueClient
    poison: QueueClient
    told: Told

    async def send(self, *bodies: str) -> None:
        for body in bodies:
            await self.work.send_message(base64.b64encode(body.encode()).decode(), time_to_live=-1)

    async def stop(self) -> None:
        """Stop the host; whatever runs is done then."""
        await asyncio.to_thread(self.process.stop)

    async def left(self, queue: QueueClient) -> int:
        """The number of messages in the queue, hidden or not."""
        return int((await queue.get_queue_properties()).approximate_message_count or 0)

    async def get(self, path: str) -> Any:
        async with ClientSession() as session, session.get(self.url + path, headers=self.master) as answer:
            return await answer.json()


Start = Callable[..., AbstractAsyncContextManager[Running]]
