"""The queue listener against Azurite: what fidelity.md saw the real one do."""

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession

from local.process import StartError
from tests.unit.local.emulators.functions_host.running import Start

pytestmark = pytest.mark.cloud


async def test_a_message_is_handed_over_decoded_and_then_deleted(start: Start) -> None:
    async with start() as host:
        await host.send("grüße")
        [told] = await host.told(1)
        assert told["seen"] == "grüße"
        assert told["count"] == 1
        assert told["id"]
        assert told["inserted"].startswith(str(datetime.now(UTC).date())[:8])
        await host.empty(host.work)


async def test_one_that_keeps_failing_is_tried_and_then_poisoned(start: Start) -> None:
    async with start() as host:
        await host.send("fail")
        told = await host.told(4)
        assert [(one["seen"], one["count"]) for one in told[:3]] == [("fail", 1), ("fail", 2), ("fail", 3)]
        assert (told[3]["poison"], told[3]["count"]) == ("fail", 1)
        await host.empty(host.work)
        await host.empty(host.poison)


async def test_what_is_not_base64_goes_to_poison_unseen(start: Start) -> None:
    async with start() as host:
        await host.work.send_message("{not base64}")
        [told] = await host.told(1)
        assert told == {"poison": "{not base64}", "count": 1}


async def test_a_poison_trigger_that_fails_leaves_its_message_to_the_lease(start: Start) -> None:
    async with start("--lease-seconds", "600") as host:
        await host.poison.send_message(base64.b64encode(b"fail even there").decode())
        await host.told(1)
        # It is still there, and still hidden.
        assert (await host.poison.get_queue_properties()).approximate_message_count == 1
        assert await host.poison.peek_messages() == []


async def test_the_lease_is_renewed_while_the_function_runs(start: Start) -> None:
    async with start("--lease-seconds", "2") as host:
        await host.send("sleep2.7")
        told = await host.told(2)
        assert [one.get("slept") for one in told] == [None, "sleep2.7"]
        await host.empty(host.work)


async def test_stop_waits_for_what_runs(start: Start) -> None:
    async with start() as host:
        await host.send("sleep1")
        await host.told(1)
        await asyncio.to_thread(host.process.stop)
        assert (await host.told(1))[0]["slept"] == "sleep1"
        await host.empty(host.work)


async def test_after_kill_9_no_worker_is_left_and_the_message_comes_back(start: Start) -> None:
    async with start("--lease-seconds", "1", "--workers", "2") as host:
        workers = [psutil.Process(worker["pid"]) for worker in await host.get("/admin/host/workers")]
        await host.send("sleep2")
        await host.told(1)
        host_pid = (await host.get("/admin/host/status"))["processId"]
        psutil.Process(host_pid).kill()
        await asyncio.to_thread(psutil.wait_procs, workers, timeout=10)
        assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
        name = host.work.queue_name
    async with start(name=name) as host:
        assert [(one["seen"], one["count"]) for one in await host.told(1)] == [("sleep2", 2)]


async def test_a_worker_that_dies_is_replaced_and_its_message_counts_as_failed(start: Start) -> None:
    async with start() as host:
        [before] = await host.get("/admin/host/workers")
        await host.send("die")
        assert [one["count"] for one in (await host.told(3))] == [1, 2, 3]
        assert (await host.told(1))[0]["poison"] == "die"
        [after] = await host.get("/admin/host/workers")
        assert after["pid"] != before["pid"]


async def test_a_function_that_runs_too_long_costs_its_worker(start: Start) -> None:
    async with start() as host:
        [before] = await host.get("/admin/host/workers")
        await host.send("block")
        # The app's functionTimeout is three seconds.
        assert [one["count"] for one in (await host.told(2))] == [1, 2]
        [after] = await host.get("/admin/host/workers")
        assert after["pid"] != before["pid"]
        assert after["cpuSeconds"] > 0
        assert after["rssBytes"] > 0
        await host.work.clear_messages()
        host.process.kill()


async def test_workers_take_turns(start: Start) -> None:
    async with start("--workers", "2") as host:
        await host.send("a", "b", "c", "d")
        assert len({one["pid"] for one in await host.told(4)}) == 2


async def test_the_timer_can_be_run_by_hand(start: Start) -> None:
    async with start() as host:
        async with (
            ClientSession() as session,
            session.post(f"{host.url}/admin/functions/tick", headers=host.master) as answer,
        ):
            assert answer.status == 202
        assert await host.told(1) == [{"tick": False}]


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
