"""What a test of the Functions host has in hand."""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from azure.storage.queue.aio import QueueClient

from local.process import Child


@dataclass
class Running:
    """A host, its app's queues, and what its functions have told so far."""

    process: Child
    url: str
    master: dict[str, str]
    work: QueueClient
    poison: QueueClient
    told_queue: QueueClient

    async def send(self, *bodies: str) -> None:
        for body in bodies:
            await self.work.send_message(base64.b64encode(body.encode()).decode(), time_to_live=-1)

    async def told(self, count: int, within: float = 20.0) -> list[dict[str, Any]]:
        """The next `count` things that functions tell, in order of the queue."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(within):
            while len(found) < count:
                async for message in self.told_queue.receive_messages(visibility_timeout=600):
                    found.append(json.loads(message.content))
                    if len(found) == count:
                        return found
                await asyncio.sleep(0.02)
        return found

    async def empty(self, queue: QueueClient, within: float = 10.0) -> None:
        """Wait until there is nothing in the queue, hidden or not."""
        async with asyncio.timeout(within):
            while (await queue.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110 - it is told by nobody
                await asyncio.sleep(0.02)

    async def get(self, path: str) -> Any:
        async with ClientSession() as session, session.get(self.url + path, headers=self.master) as answer:
            return await answer.json()


Start = Callable[..., AbstractAsyncContextManager[Running]]
