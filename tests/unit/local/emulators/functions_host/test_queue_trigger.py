"""The host as a process, on queues of Azurite: what fidelity.md saw the real one do."""

import asyncio
import contextlib
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from aiohttp import ClientSession

from local.emulators.functions_host.config import MASTER_KEY_SETTING
from local.process import StartError, python
from tests.unit.local.emulators.functions_host.running import Start

pytestmark = pytest.mark.cloud


async def test_a_message_is_handed_over_decoded_and_then_deleted(start: Start) -> None:
    async with start() as host:
        await host.send("grüße")
        [told] = await host.told.next(1)
        assert told["seen"] == "grüße"
        assert told["count"] == 1
        assert told["id"]
        assert told["inserted"].startswith(str(datetime.now(UTC).date())[:8])
        await host.stop()
        assert await host.left(host.work) == 0


async def test_a_message_that_keeps_failing_goes_to_the_poison_trigger(start: Start) -> None:
    async with start() as host:
        await host.send("fail")
        told = await host.told.next(4)
        assert [(one["seen"], one["count"]) for one in told[:3]] == [("fail", 1), ("fail", 2), ("fail", 3)]
        assert (told[3]["poison"], told[3]["count"]) == ("fail", 1)
        await host.stop()
        assert (await host.left(host.work), await host.left(host.poison)) == (0, 0)


async def test_stop_waits_for_what_runs(start: Start) -> None:
    async with start() as host:
        go_on = host.told.hold("wait")
        await host.send("wait")
        await host.told.next(1)
        stopping = asyncio.create_task(host.stop())
        await _refuses_connections(host.url)
        go_on.set()
        await stopping
        assert await host.left(host.work) == 0


async def _refuses_connections(url: str) -> None:
    """Wait until the host listens no more: it stops listening first, then waits for what runs."""
    address = urlsplit(url)
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            # A connection that was waiting to be accepted when the host stopped listening is reset, not refused.
            with contextlib.suppress(ConnectionResetError):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
                writer.close()
                await writer.wait_closed()


async def test_after_kill_9_no_worker_is_left_and_the_message_comes_back_when_its_lease_ends(start: Start) -> None:
    async with start("--workers", "2") as host:
        workers = [psutil.Process(worker["pid"]) for worker in await host.get("/admin/host/workers")]
        host.told.hold("wait")
        await host.send("wait")
        [told] = await host.told.next(1)
        host_pid = (await host.get("/admin/host/status"))["processId"]
        psutil.Process(host_pid).kill()
        await asyncio.to_thread(psutil.wait_procs, workers, timeout=60)
        assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
        name = host.work.queue_name
        # The end of the lease, without ten minutes of waiting.
        await host.work.update_message(told["id"], told["receipt"], visibility_timeout=0)
    async with start(name=name) as host:
        assert [(one["seen"], one["count"]) for one in await host.told.next(1)] == [("wait", 2)]


async def test_a_worker_that_dies_is_replaced_and_its_message_counts_as_failed(start: Start) -> None:
    async with start() as host:
        [before] = await host.get("/admin/host/workers")
        await host.send("die")
        assert [one["count"] for one in await host.told.next(3)] == [1, 2, 3]
        assert (await host.told.next(1))[0]["poison"] == "die"
        [after] = await host.get("/admin/host/workers")
        assert after["pid"] != before["pid"]


async def test_workers_take_turns(start: Start) -> None:
    async with start("--workers", "2") as host:
        await host.send("a", "b", "c", "d")
        assert len({one["pid"] for one in await host.told.next(4)}) == 2


async def test_the_timer_can_be_run_by_hand(start: Start) -> None:
    async with start() as host:
        async with (
            ClientSession() as session,
            session.post(f"{host.url}/admin/functions/tick", headers=host.master) as answer,
        ):
            assert answer.status == 202
        assert await host.told.next(1) == [{"tick": False}]


async def test_without_its_keys_it_does_not_start() -> None:
    environment = {name: value for name, value in os.environ.items() if name != MASTER_KEY_SETTING}
    command = python("-m", "local.emulators.functions_host", "--app-root", str(Path(__file__).parent / "app"))
    ran = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert MASTER_KEY_SETTING in ran.stderr


APP = """
import azure.functions as func
app = func.FunctionApp()
"""
QUEUE = (
    APP
    + """
@app.queue_trigger(arg_name="m", queue_name="NAME", connection="PipelineStorage")
def f(m: func.QueueMessage) -> None: ...
"""
)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "no_such_module"),
        (QUEUE.replace("NAME", "%NOT_SET%"), "NOT_SET"),
        (QUEUE.replace("NAME", "nowhere"), "nowhere"),
        (QUEUE.replace("NAME", "report").replace("(m:", "(other: int, m:"), "parameters"),
        (QUEUE.replace("NAME", "report").replace("QueueMessage", "HttpRequest"), "cannot be"),
        (QUEUE.replace("NAME", "report").replace("PipelineStorage", "Other"), "Other__queueServiceUri"),
        (APP + '@app.blob_trigger(arg_name="m", path="a/b", connection="C")\ndef f(m): ...', "blobTrigger"),
        (APP + "alias = app", "alias"),
    ],
    ids=["import", "setting", "queue", "parameter", "type", "connection", "trigger", "two names"],
)
async def test_an_app_that_cannot_run_is_refused_with_its_reason(
    start: Start, tmp_path: Path, source: str, said: str
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "function_app.py").write_text(source, encoding="utf-8")
    (app / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
    with pytest.raises(StartError, match=said):
        async with start(app=app):
            pass
