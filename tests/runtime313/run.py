"""Runs the app inside Microsoft's own worker library of Python 3.13: indexes it, then calls functions of it.

    python run.py APP_ROOT < calls.json

Each call is `{"function", "kind": "queue" | "http", …}`; the answers come as one JSON line on standard output.
The library expects the messages of the host's gRPC protocol, which are in the host's package and not in the
library's; here they are plain records with the same fields.
"""

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-not-found]  # installed where this runs, not here

# The constants of the protocol that the library compares with (FunctionRpc.proto).
_IN, _OUT, _INOUT, _UNDEFINED = 0, 1, 2, 0


class _Record(SimpleNamespace):
    """A message: its fields as attributes; one that was not given is None. `oneof` fields are told by name."""

    def __getattr__(self, name: str) -> None:
        if name == "TypedData":
            # The library asks whether it was given the message or a record that holds one.
            raise AttributeError(name)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name for it
        return next(iter(vars(self)), None)


class _Binding(_Record):
    inout, out, undefined = _INOUT, _OUT, _UNDEFINED

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)


class _Status(_Record):
    Success, Failure = "success", "failure"


class _Protos:
    BindingInfo = _Binding
    StatusResult = _Status

    def __getattr__(self, _message: str) -> type[_Record]:
        return _Record


def _request(**messages: Any) -> Any:
    return SimpleNamespace(request=SimpleNamespace(**messages), properties={"host": "127.0.0.1", "protos": _Protos()})


def _checked(answer: Any) -> Any:
    if answer.result.status != _Status.Success:
        raise SystemExit(f"{answer.result.exception.message}\n{answer.result.exception.stack_trace}")
    return answer


def _input(call: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    if call["kind"] == "queue":
        metadata = {"Id": _Record(string=call["id"]), "DequeueCount": _Record(json="1")}
        return _Record(string=call["body"]), metadata
    request = _Record(
        method=call["method"],
        url=call["url"],
        headers=call.get("headers", {}),
        query={},
        params=call["params"],
        body=_Record(bytes=call["body"].encode()),
    )
    return _Record(http=request), {}


async def main() -> None:
    """Index, call, tell."""
    app_root, calls = sys.argv[1], json.load(sys.stdin)
    # As the host has it: our own folder comes last (architecture.md 0, finding 6).
    sys.path.append(app_root)
    init = SimpleNamespace(capabilities={}, function_app_directory=app_root)
    _checked(await runtime.worker_init_request(_request(worker_init_request=init)))
    listing = _checked(await runtime.functions_metadata_request(_request()))
    indexed = {entry.name: entry for entry in listing.function_metadata_results}
    runtime.start_threadpool_executor()
    answers = []
    for number, call in enumerate(calls):
        entry = indexed[call["function"]]
        [trigger] = [
            name for name, binding in entry.bindings.items() if binding.type in {"queueTrigger", "httpTrigger"}
        ]
        data, metadata = _input(call)
        invocation = SimpleNamespace(
            invocation_id=str(number),
            function_id=entry.function_id,
            input_data=[_Named(name=trigger, data=data)],
            trigger_metadata=metadata,
            trace_context=_Record(attributes={}),
            retry_context=_Record(),
        )
        answer = _checked(await runtime.invocation_request(_request(invocation_request=invocation)))
        http = answer.return_value.http if answer.return_value else None
        answers.append({"status": http.status_code, "body": http.body.bytes.decode()} if http else None)
    runtime.stop_threadpool_executor()
    json.dump({"python": sys.version, "functions": sorted(indexed), "answers": answers}, sys.stdout)


class _Named(_Record):
    """A ParameterBinding: `rpc_data` is the group of which `data` is the member."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name for it
        return "data"


if __name__ == "__main__":
    asyncio.run(main())
