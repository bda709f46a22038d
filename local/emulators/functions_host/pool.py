"""The host's side of its worker processes: start, invoke in turn, replace the ones that died."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import sys
from typing import Any, Self

import psutil

from local.emulators.functions_host import wire
from local.emulators.functions_host.clock import Clock, within
from local.emulators.functions_host.config import HostError

_log = logging.getLogger("host")


class InvocationError(Exception):
    """The function raised, or its worker died, or its time-out is over."""


class _Worker:
    """One worker process."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[wire.Frame]] = {}
        self.ended: asyncio.Task[None] | None = None
        self.index: list[dict[str, Any]] = []
        self.usable = True
        """False once it was killed or has ended."""

    @classmethod
    async def start(cls, app_root: str) -> Self:
        """Start a process and wait for it to load the app; `HostError` if it cannot."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                # -P: our own code is last on sys.path, see worker.load.
                *(sys.executable, "-P", "-m", "local.emulators.functions_host.worker", app_root, str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(app_root),
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, reader, writer)
        try:
            header, _ = await wire.read(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            header = {"kind": "failed", "error": "the worker process died"}
        if header["kind"] == "failed":
            writer.close()
            await process.wait()
            raise HostError(f"the app could not be loaded: {header['error']}")
        worker.index = header["functions"]
        worker.ended = asyncio.create_task(worker._listen())
        return worker

    async def invoke(self, function: str, data: dict[str, Any], body: bytes) -> wire.Frame:
        number = next(self._numbers)
        answer: asyncio.Future[wire.Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(wire.encode({"kind": "invoke", "id": number, "function": function, "data": data}, body))
            return await answer
        finally:
            self._waiting.pop(number, None)

    def stop(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(wire.encode({"kind": "stop"}))

    def kill(self) -> None:
        self.usable = False
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def _listen(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header, body = await wire.read(self._reader)
                answer = self._waiting.get(header["id"])
                if answer is not None and not answer.done():
                    answer.set_result((header, body))
        self.usable = False
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(InvocationError("the worker process died"))
        self._writer.close()
        await self.process.wait()


class WorkerPool:
    """As many workers as FUNCTIONS_WORKER_PROCESS_COUNT would start in Azure; they are asked in turn.

    Args:
        app_root: folder with `function_app.py`.
        size: number of worker processes.
        function_timeout: seconds that an invocation may take. One that takes longer costs its worker, and
            whatever runs beside it there: the real host knows no other way to end a function.
        clock: what the time-out goes by.
    """

    def __init__(self, app_root: str, size: int, function_timeout: float, clock: Clock) -> None:
        self._app_root = app_root
        self._size = size
        self._timeout = function_timeout
        self._clock = clock
        self._workers: list[_Worker] = []
        self._turn = 0
        self._changed = asyncio.Condition()
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.index: list[dict[str, Any]] = []
        """The functions, as the first worker indexed them: name and bindings."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Has an exception once a dead worker could not be replaced."""

    async def start(self) -> None:
        """Start all workers; `HostError` if the app cannot be loaded."""
        workers = await asyncio.gather(*(_Worker.start(self._app_root) for _ in range(self._size)))
        self._workers = list(workers)
        self.index = self._workers[0].index
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in workers]

    async def stop(self) -> None:
        """Tell the workers to end, and wait until they have."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        await asyncio.gather(*self._keepers)

    async def invoke(self, function: str, data: dict[str, Any], body: bytes = b"") -> wire.Frame:
        """Call a function.

        Raises:
            InvocationError: it failed.
        """
        worker = await self._next()
        try:
            header, content = await within(self._clock, self._timeout, worker.invoke(function, data, body))
        except TimeoutError:
            worker.kill()
            raise InvocationError(f"the function timeout of {self._timeout:g} s is over") from None
        if "error" in header:
            raise InvocationError(header["error"])
        return header, content

    def usage(self) -> list[dict[str, Any]]:
        """Process id, CPU seconds (user and system) and resident bytes of each worker."""
        found = []
        for worker in self._workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(worker.process.pid)
                with process.oneshot():
                    times = process.cpu_times()
                    found.append(
                        {
                            "pid": process.pid,
                            "cpuSeconds": times.user + times.system,
                            "rssBytes": process.memory_info().rss,
                        }
                    )
        return found

    async def _next(self) -> _Worker:
        async with self._changed:
            await self._changed.wait_for(self._usable)
            self._turn += 1
            usable = self._usable()
            return usable[self._turn % len(usable)]

    def _usable(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.usable]

    def _must_stop(self) -> bool:
        return self._stopping

    async def _keep(self, worker: _Worker) -> None:
        """Wait for the worker's end, and start another one unless the pool stops."""
        while True:
            if worker.ended is not None:
                await worker.ended
            async with self._changed:
                self._workers.remove(worker)
            if self._must_stop():
                return
            _log.error("Language Worker Process exited. Pid=%d. It is started again.", worker.process.pid)
            try:
                worker = await _Worker.start(self._app_root)
            except HostError as error:
                if not self.failed.done():
                    self.failed.set_exception(error)
                return
            async with self._changed:
                self._workers.append(worker)
                self._changed.notify_all()
            if self._must_stop():
                worker.stop()


def _environment(app_root: str) -> dict[str, str]:
    # On Azure, PYTHONPATH puts nothing before the app's own modules.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsScriptRoot": app_root}
