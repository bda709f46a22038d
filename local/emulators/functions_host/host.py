"""The host: reads host.json, starts workers, listens to queues, timers and HTTP, and drains when it stops."""

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueServiceClient

from local.emulators.functions_host.clock import Clock, SystemClock
from local.emulators.functions_host.config import Function, HostError, read_function, read_host_json
from local.emulators.functions_host.pool import InvocationError, WorkerPool
from local.emulators.functions_host.queues import POISON_SUFFIX, QueueListener
from local.emulators.functions_host.routes import BODY_LIMIT, BODY_LIMIT_SETTING, HttpFrontend, Keys
from local.emulators.functions_host.timers import BODY, TimerListener
from local.emulators.functions_host.wire import Frame

_log = logging.getLogger("host")

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run the app.

    `lease` is how long a message stays hidden while it is worked on (queues.LEASE in Azure).
    """

    app_root: Path
    workers: int
    lease: timedelta
    keys: Keys


class Host:
    """One host instance. `settings` are the app settings: the host's environment."""

    def __init__(self, options: Options, settings: Mapping[str, str], clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or SystemClock()
        self._settings = settings
        self._config = read_host_json(options.app_root / "host.json")
        timeout = self._config.function_timeout.total_seconds()
        self._pool = WorkerPool(str(options.app_root), options.workers, timeout, self._clock)
        self._services: dict[str, QueueServiceClient] = {}
        self._credentials: list[ManagedIdentityCredential] = []
        self._listeners: dict[str, QueueListener] = {}
        self._timers: dict[str, TimerListener] = {}
        self._frontend: HttpFrontend | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._began = self._clock.now()
        self._id = uuid.uuid4().hex
        self.functions: dict[str, Function] = {}

    @property
    def failed(self) -> asyncio.Future[None]:
        """Has an exception once the host can go on no longer."""
        return self._pool.failed

    def web_app(self) -> web.Application:
        """The HTTP side, to be served once the host is started."""
        limit = int(self._settings.get(BODY_LIMIT_SETTING, BODY_LIMIT))
        app = web.Application(client_max_size=limit)
        app.router.add_get("/admin/host/status", self._admin(self._status))
        app.router.add_get("/admin/host/workers", self._admin(self._workers))
        app.router.add_get("/admin/functions", self._admin(self._list))
        app.router.add_post("/admin/functions/{name}", self._admin(self._run_timer))
        app.router.add_route("*", "/{path:.*}", self._http)
        return app

    async def start(self) -> None:
        """Load the app and begin to listen.

        Raises:
            HostError: the app, host.json or the settings are not ones that this host can run.
        """
        await self._pool.start()
        try:
            for entry in self._pool.index:
                function = read_function(entry["name"], entry["bindings"], self._settings)
                self.functions[function.name] = function
            self._frontend = HttpFrontend(
                [function for function in self.functions.values() if function.kind == "httpTrigger"],
                self._config.route_prefix,
                self._options.keys,
                self._invoke,
            )
            self._prepare_listeners()
            await asyncio.gather(*(listener.check() for listener in self._listeners.values()))
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(listener.run()) for listener in self._all_listeners()]

    async def stop(self) -> None:
        """Take nothing new, wait for what runs, end the workers."""
        for listener in self._all_listeners():
            listener.stop()
        await asyncio.gather(*self._tasks)
        await self._idle.wait()
        await self._pool.stop()
        for service in self._services.values():
            await service.close()
        for credential in self._credentials:
            await credential.close()

    def _all_listeners(self) -> list[QueueListener | TimerListener]:
        return [*self._listeners.values(), *self._timers.values()]

    def _prepare_listeners(self) -> None:
        for function in self.functions.values():
            if function.kind == "queueTrigger":
                self._prepare_queue(function)
            elif function.kind == "timerTrigger":
                self._timers[function.name] = TimerListener(
                    function, partial(self._invoke, function.name, {}), self._clock
                )

    def _prepare_queue(self, function: Function) -> None:
        queue = str(function.trigger["queueName"])
        if queue in self._listeners:
            raise HostError(f"two functions listen to the queue {queue!r}: each message would be one's or the other's")
        service = self._service(str(function.trigger.get("connection") or "AzureWebJobsStorage"))
        poison = queue + POISON_SUFFIX
        self._listeners[queue] = QueueListener(
            service.get_queue_client(queue),
            None if queue.endswith(POISON_SUFFIX) else service.get_queue_client(poison),
            self._config.queues,
            self._options.lease,
            partial(self._invoke, function.name),
            partial(self._nudge, poison),
            self._clock,
        )

    def _nudge(self, queue: str) -> None:
        if listener := self._listeners.get(queue):
            listener.nudge()

    def _service(self, connection: str) -> QueueServiceClient:
        """The account of an identity-based connection (`<connection>__queueServiceUri` and its siblings)."""
        if connection not in self._services:
            uri = self._settings.get(f"{connection}__queueServiceUri")
            client_id = self._settings.get(f"{connection}__clientId")
            if not uri or self._settings.get(f"{connection}__credential") != "managedidentity" or not client_id:
                raise HostError(
                    f"the connection {connection!r} needs {connection}__queueServiceUri, {connection}__clientId "
                    f"and {connection}__credential=managedidentity; there are no keys"
                )
            credential = ManagedIdentityCredential(client_id=client_id)
            self._credentials.append(credential)
            self._services[connection] = QueueServiceClient(uri, credential=credential)
        return self._services[connection]

    async def _invoke(self, name: str, data: dict[str, Any], body: bytes) -> Frame:
        began, number = self._clock.now(), uuid.uuid4()
        self._busy += 1
        self._idle.clear()
        outcome = "Failed"
        try:
            frame = await self._pool.invoke(name, data, body)
            outcome = "Succeeded"
            return frame
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()
            spent = (self._clock.now() - began).total_seconds() * 1000
            _log.info("Executed 'Functions.%s' (%s, Id=%s, Duration=%dms)", name, outcome, number, spent)

    async def _http(self, request: web.Request) -> web.Response:
        if self._frontend is None:
            return web.Response(status=503)
        return await self._frontend.handle(request)

    def _admin(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            if self._frontend is None or not self._frontend.is_master(request):
                return web.Response(status=401)
            return await handler(request)

        return guarded

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "id": self._id,
                "state": "Running",
                "processUptime": int((self._clock.now() - self._began).total_seconds() * 1000),
                "processId": os.getpid(),
                "extensionBundle": {"version": self._config.bundle},
                "invocationsInFlight": self._busy,
            }
        )

    async def _workers(self, _: web.Request) -> web.Response:
        return web.json_response(self._pool.usage())

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(
            [
                {"name": function.name, "config": {"bindings": [function.trigger]}}
                for function in self.functions.values()
            ]
        )

    async def _run_timer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._timers:
            return web.Response(status=404, text="Only functions with a timer trigger can be run by hand here.")
        try:
            await self._invoke(name, {}, BODY)
        except InvocationError as error:
            return web.Response(status=500, text=str(error))
        return web.Response(status=202)
