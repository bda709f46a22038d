"""A worker process: loads `function_app.py` as Azure's Python worker does, and calls its functions.

Async functions run on the worker's event loop, others in its threads; arguments and results go through
azure-functions' own converters. The process ends with the host, however the host ends.
"""

import asyncio
import importlib
import inspect
import json
import logging
import os
import socket
import sys
import threading
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import azure.functions as func
from azure.functions import http, meta, queue, timer

from local.emulators.functions_host import wire
from local.emulators.functions_host.config import HostError

SCRIPT = "function_app"
_log = logging.getLogger("worker")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function of the app, ready to be called."""

    name: str
    call: Callable[..., Any]
    argument: str
    trigger: str
    returns: bool
    """Whether it has a `$return` binding (HTTP)."""
    bindings: list[dict[str, Any]]


def load(app_root: str) -> list[Loaded]:
    """The functions of the app in `app_root`.

    Raises:
        HostError: the app is one that Azure's worker would refuse, or needs what this one does not have.
    """
    # Last, as on the Functions host: a dependency with a package of our name would shadow ours
    # (architecture.md 0, finding 6).
    sys.path.append(app_root)
    module = importlib.import_module(SCRIPT)
    apps = [name for name, value in vars(module).items() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise HostError(f"{SCRIPT}.py has to bind one name to a FunctionApp, not {apps}")
    return [_loaded(function) for function in getattr(module, apps[0]).get_functions()]


def _loaded(function: Any) -> Loaded:
    name, call = function.get_function_name(), function.get_user_function()
    # The form that the host is told on Azure too: plain JSON.
    bindings = json.loads(function.get_function_json())["bindings"]
    given = {binding["name"] for binding in bindings if binding["name"] != "$return"}
    parameters = set(inspect.signature(call).parameters)
    if given != parameters:
        raise HostError(f"{name}: its parameters {sorted(parameters)} are not its bindings {sorted(given)}")
    # Fails, as on the worker, when an annotation's module is imported for type checkers only.
    hints = typing.get_type_hints(call)
    trigger = function.get_trigger()
    converter = meta.get_binding_registry().get(trigger.type)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    hint = hints.get(trigger.name)
    if hint is not None and not converter.check_input_type_annotation(hint):
        raise HostError(f"{name}: the parameter {trigger.name} cannot be a {hint}")
    return Loaded(
        name=name,
        call=call,
        argument=trigger.name,
        trigger=trigger.type,
        returns=any(binding["name"] == "$return" for binding in bindings),
        bindings=bindings,
    )


def argument_of(trigger: str, data: dict[str, Any], body: bytes) -> Any:
    """What the function is called with: the worker's converters make it of what the host sent."""
    text = partial(meta.Datum, type="string")
    if trigger == "queueTrigger":
        fields = {
            name: meta.Datum(value, "int" if isinstance(value, int) else "string") for name, value in data.items()
        }
        # The extension binds a message without a data type as a string; the host looked whether it is UTF-8.
        return queue.QueueMessageInConverter.decode(text(body.decode()), trigger_metadata=fields)
    if trigger == "timerTrigger":
        return timer.TimerRequestConverter.decode(meta.Datum(body.decode(), "json"), trigger_metadata=None)
    request = {
        "method": text(data["method"]),
        "url": text(data["url"]),
        "headers": {name: text(value) for name, value in data["headers"].items()},
        "query": {name: text(value) for name, value in data["query"].items()},
        "params": {name: text(value) for name, value in data["params"].items()},
        # Python's worker asks for bodies as bytes (capability RawHttpBodyBytes).
        "body": meta.Datum(body, "bytes"),
    }
    return http.HttpRequestConverter.decode(meta.Datum(request, "http"), trigger_metadata=None)


def answer_of(function: Loaded, result: Any) -> wire.Frame:
    """What goes back to the host for what the function returned."""
    if not function.returns:
        if result is not None:
            raise RuntimeError(f"{function.name} returned a value, but has no $return binding")
        return {}, b""
    if result is None:
        return {"status": 204, "headers": [], "cookies": []}, b""
    datum = http.HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return {"status": 200, "headers": [["content-type", "text/plain; charset=utf-8"]], "cookies": []}, (
            datum.value.encode()
        )
    value = datum.value
    header = {
        "status": int(value["status_code"].value),
        "headers": [[name, field.value] for name, field in value["headers"].items()],
        "cookies": [morsel.OutputString() for jar in value["cookies"] or () for morsel in jar.values()],
    }
    return header, value["body"].value


class Worker:
    """Calls functions as the host asks for it, until the host says stop or is gone."""

    def __init__(self, connection: socket.socket, functions: list[Loaded]) -> None:
        self._connection = connection
        self._functions = {function.name: function for function in functions}
        threads = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._threads = ThreadPoolExecutor(int(threads) if threads else None)
        # The loop keeps no strong reference to its tasks.
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the host says stop."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        # A thread, not the loop: a function that blocks the loop must not keep the process alive.
        threading.Thread(target=self._listen, args=(loop, stopped), daemon=True).start()
        await stopped.wait()

    def _listen(self, loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
        while True:
            try:
                header, body = wire.receive(self._connection)
            except EOFError:
                os._exit(1)
            if header["kind"] == "stop":
                loop.call_soon_threadsafe(stopped.set)
                return
            loop.call_soon_threadsafe(self._start, header, body)

    def _start(self, header: dict[str, Any], body: bytes) -> None:
        task = asyncio.create_task(self._invoke(header, body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _invoke(self, header: dict[str, Any], body: bytes) -> None:
        function = self._functions[header["function"]]
        try:
            call = partial(function.call, **{function.argument: argument_of(function.trigger, header["data"], body)})
            if inspect.iscoroutinefunction(function.call):
                result = await call()
            else:
                result = await asyncio.get_running_loop().run_in_executor(self._threads, call)
            reply, content = answer_of(function, result)
        except Exception as error:  # noqa: BLE001 - the host is told of whatever the function raises
            _log.exception("Functions.%s raised", function.name)
            reply, content = {"error": type(error).__name__}, b""
        self._connection.sendall(wire.encode({"kind": "done", "id": header["id"], **reply}, content))


def main() -> int:
    """Load the app, tell the host what is in it, serve. Arguments: the app's folder, the connection's descriptor."""
    app_root, descriptor = sys.argv[1], int(sys.argv[2])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # The SDKs tell every request at this level; Azure's host.json filters would, too.
    logging.getLogger("azure").setLevel(logging.WARNING)
    os.chdir(app_root)
    with socket.socket(fileno=descriptor) as connection:
        try:
            functions = load(app_root)
        except Exception as error:  # noqa: BLE001 - importing an app may raise anything
            _log.exception("the app could not be loaded")
            connection.sendall(wire.encode({"kind": "failed", "error": f"{type(error).__name__}: {error}"}))
            return 1
        index = [{"name": function.name, "bindings": function.bindings} for function in functions]
        connection.sendall(wire.encode({"kind": "ready", "functions": index}))
        asyncio.run(Worker(connection, functions).run())
        # The app closes its clients at no time; their warnings when the process ends say nothing new.
        logging.disable()
        return 0


if __name__ == "__main__":
    sys.exit(main())
