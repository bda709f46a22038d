"""Measures Clawback on the local cloud, beside the loop that a user would write, in one run on this machine.

Prints a table and writes out/bench/results.json. Ratios are what counts: absolute numbers are this machine's.
With `--against PATH` it measures another checkout and this one in turn and prints both, and nothing else.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import compare  # noqa: E402 - after the path is set
from benchmarks.tenant import DELIVERED, GROUP, MESSAGE_ID, SENDER, WARM, WARM_GROUP, WARM_IDS, tenant  # noqa: E402 - after the path is set
from local.emulators.graph import model  # noqa: E402 - after the path is set
from local.stack import Stack  # noqa: E402 - after the path is set
from tools import package  # noqa: E402 - after the path is set

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = ROOT / "out" / "bench"
WORKERS = 2
_SMALL = 100
# Seconds between two looks; one at the API costs a few milliseconds of worker CPU, which count.
_POLL = 0.25
_MOVE = "POST /users/{id}/messages/{id}/move"

# Larger than any run needs: what is measured is the work, not the limits.
POLICY = """
version: 1
rules: [{ name: measured, then: automatic }]
limits: { targets: 100000, mailbox_share: 1.0, copies_per_mailbox: 25 }
budget:
  { targets_per_hour: 1000000, targets_per_day: 1000000, mailbox_share_per_hour: 1000, mailbox_share_per_day: 1000 }
protected: { people: [], groups: [], senders: [] }
privileged: { groups: [] }
follow: { depth: 1, replies: false, inbox_rules: false }
"""


@contextmanager
def running(targets: int, latency_ms: int = 0) -> "Iterator[Stack]":
    """A cloud whose tenant has this many targets, and a host with the whole app."""
    with tempfile.TemporaryDirectory(prefix="clawback-bench-") as scratch:
        model.dump(tenant(targets), Path(scratch) / "bench.json")
        (Path(scratch) / "policy.yaml").write_text(POLICY, encoding="utf-8")
        with Stack(
            Path(scratch) / "cloud",
            tenant=Path(scratch) / "bench.json",
            graph_latency_ms=latency_ms,
            workers=WORKERS,
            settings={"CLAWBACK_POLICY_PATH": str(Path(scratch) / "policy.yaml")},
        ) as stack:
            yield stack


def submit(at: Stack, message_id: str = MESSAGE_ID, group: str = GROUP) -> datetime:
    """Post an alert; when it was accepted."""
    alert = {
        "version": 1,
        "id": message_id,
        "threatType": "phish",
        "severity": "high",
        "messages": [
            {
                "internetMessageId": message_id,
                "sender": SENDER.address,
                "subject": "Your invoice",
                "receivedAt": DELIVERED.isoformat(),
                "recipients": [group],
            }
        ],
    }
    at.post_alert("clawback", json.dumps(alert).encode())
    return datetime.now(UTC)


def until_contained(at: Stack, moves: int, message_id: str = MESSAGE_ID) -> str:
    """Wait for an incident, first outside of the workers: for so many moves that Graph has seen. Its id."""
    while at.graph("stats")["byOperation"].get(_MOVE, 0) < moves:
        time.sleep(_POLL)  # other processes work, and wake nobody
    while True:
        found: list[dict[str, Any]] = at.api("incidents?top=1")["incidents"]
        ours = found and found[0]["message"]["internetMessageId"] == message_id
        if ours and found[0]["state"] == "contained":
            return str(found[0]["id"])
        time.sleep(_POLL)  # other processes work, and wake nobody


def warm_up(at: Stack) -> None:
    """Let every stage run in every worker."""
    for number, message_id in enumerate(WARM_IDS, start=1):
        submit(at, message_id, WARM_GROUP)
        until_contained(at, number * WARM, message_id)


def pull(targets: int, latency_ms: int = 0) -> dict[str, Any]:
    """Pull that many targets; what it took."""
    with running(targets, latency_ms) as at:
        warm_up(at)
        graph_before, cosmos_before = at.graph("stats"), at.cosmos("stats")
        executions_before = executions(at)
        before = sum(worker["cpuSeconds"] for worker in at.workers())
        started = time.perf_counter()
        accepted = submit(at)
        incident = until_contained(at, graph_before["byOperation"][_MOVE] + targets)
        seconds = time.perf_counter() - started
        workers = at.workers()
        cpu = sum(worker["cpuSeconds"] for worker in workers) - before
        graph, cosmos = at.graph("stats"), at.cosmos("stats")
        moments = verified(at, incident, accepted)
        counts = at.api(f"incidents/{incident}?top=1")["counts"]
        if counts["states"] != {"quarantined": targets}:
            raise SystemExit(f"not all were pulled: {counts['states']}")
        return {
            "targets": targets,
            "graphLatencyMs": latency_ms,
            "seconds": seconds,
            "workerCpuMsPerTarget": cpu / targets * 1000,
            "p50Seconds": statistics.median(moments),
            "p95Seconds": sorted(moments)[int(len(moments) * 0.95)],
            "graphRequestsPerTarget": (graph["subrequests"] - graph_before["subrequests"]) / targets,
            "graphHttpRequestsPerTarget": (graph["requests"] - graph_before["requests"]) / targets,
            "cosmosRequestsPerTarget": (cosmos["requests"] - cosmos_before["requests"]) / targets,
            "requestUnitsPerTarget": (cosmos["requestCharge"] - cosmos_before["requestCharge"]) / targets,
            "executionsPerTarget": (executions(at) - executions_before) / targets,
            "peakWorkerMemoryMb": max(peak(int(worker["pid"])) for worker in workers) / 1e6,
        }


def executions(at: Stack) -> int:
    """How many functions pipeline has executed: about one for each message, and two a minute for its timers."""
    return (at.cloud.directory / "pipeline.log").read_text(encoding="utf-8").count("Executed 'Functions.")


def middle_of_three(targets: int) -> dict[str, Any]:
    """A small pull, three times: a timer that fires meanwhile would be a tenth of it."""
    return sorted((pull(targets) for _ in range(3)), key=lambda one: one["workerCpuMsPerTarget"])[1]


def verified(at: Stack, incident: str, accepted: datetime) -> list[float]:
    """Seconds from the accepted alert to each target's proof."""
    moments: list[float] = []
    query = "top=1000"
    while query:
        page = at.api(f"incidents/{incident}?{query}")
        moments += [
            (datetime.fromisoformat(target["verifiedAt"]) - accepted).total_seconds() for target in page["targets"]
        ]
        query = page.get("next", "").removeprefix("?")
    return moments


def peak(pid: int) -> int:
    """Highest resident set of a process in bytes (Linux: VmHWM)."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return int(psutil.Process(pid).memory_info().rss)
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def naive(targets: int) -> dict[str, Any]:
    """The same tenant, pulled by the loop that a user would write."""
    with running(targets) as at:
        work = {"users": [user.id for user in tenant(targets).users[:targets]], "messageId": MESSAGE_ID}
        ran = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / "naive_sdk.py")],
            input=json.dumps(work),
            env={**os.environ, **at.cloud.environment("pipeline")},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise SystemExit(ran.stderr)
        found: dict[str, Any] = json.loads(ran.stdout)
        return found


_COLD = """
import asyncio, json, time
start = time.perf_counter()
import function_app
imported = time.perf_counter()
from shared.bootstrap import services
async def first():
    await services().directory.mailbox_count()
    await services().close()
asyncio.run(first())
print(json.dumps({"importSeconds": imported - start, "firstGraphCallSeconds": time.perf_counter() - imported}))
"""


def cold_start(at: Stack, root: Path, interpreter: str, path: str = "") -> dict[str, float]:
    """Import of the app and first Graph call, in a tree without byte code unless the tree brings its own."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {
            **os.environ,
            **at.cloud.environment("pipeline"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
        }
        if not path:
            # Looked for there and nowhere else: nothing is found, as on a machine that has never run us.
            environment["PYTHONPYCACHEPREFIX"] = empty
        ran = subprocess.run(
            [interpreter, "-c", _COLD], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def packaged(at: Stack) -> dict[str, Any]:
    """Size of the deployment package, and a cold start from it under the deployed Python version."""
    archive = package.build()
    with tempfile.TemporaryDirectory() as unpacked:
        shutil.unpack_archive(archive, unpacked)
        path = str(Path(unpacked) / package.SITE_PACKAGES)
        start = cold_start(at, Path(unpacked), str(package.interpreter()), path)
    return {"packageMb": archive.stat().st_size / 1e6, **start}


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--against", type=Path, help="the root of a checkout to compare with, such as the last release")
    parser.add_argument("--repeat", type=int, default=3, help="with --against: runs of each; the median counts")
    arguments = parser.parse_args()
    if arguments.against:
        return against(arguments.against, arguments.targets, arguments.repeat)
    results: dict[str, Any] = {"machine": machine(), "pulls": []}
    for targets in arguments.targets:
        say(f"{targets} targets …")
        results["pulls"].append(middle_of_three(targets) if targets <= _SMALL else pull(targets))
    say("100 targets with 100 ms Graph latency …")
    results["latency"] = pull(100, latency_ms=100)
    say("the naive loop …")
    results["naive"] = naive(100)
    say("cold start and package …")
    with running(1) as at:
        results["coldStart"] = cold_start(at, ROOT, sys.executable)
        results["package"] = packaged(at)
    first, last = results["pulls"][0], results["pulls"][-1]
    results["ratios"] = {
        "naiveCpuToOurs": results["naive"]["cpuMsPerTarget"] / last["workerCpuMsPerTarget"],
        "largestToSmallestCpu": last["workerCpuMsPerTarget"] / first["workerCpuMsPerTarget"],
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))
    return 0


def against(checkout: Path, sizes: list[int], repeat: int) -> int:
    """Measure the checkout and this one: each size without latency, and the smallest at 100 ms."""
    cases = [*((targets, 0) for targets in sizes), (min(sizes), 100)]
    found = {"machine": machine(), **compare.compare(checkout, cases, repeat)}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "against.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"Measured on {machine()}, medians of {repeat}.\n\n{compare.table(found)}")
    return 0


def table(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        f"Measured on {results['machine']}.",
        "",
        (
            "| targets | worker CPU per target | p50 / p95 to proof | Graph requests per target (HTTP) "
            "| Cosmos DB requests per target (RU, estimated) | executions per target | peak memory of a worker |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['targets']:,}{' (Graph latency 100 ms)' if row['graphLatencyMs'] else ''} "
        f"| {row['workerCpuMsPerTarget']:.2f} ms | {row['p50Seconds']:.1f} s / {row['p95Seconds']:.1f} s "
        f"| {row['graphRequestsPerTarget']:.1f} ({row['graphHttpRequestsPerTarget']:.2f}) "
        f"| {row['cosmosRequestsPerTarget']:.2f} ({row['requestUnitsPerTarget']:.0f}) "
        f"| {row['executionsPerTarget']:.3f} | {row['peakWorkerMemoryMb']:.0f} MB |"
        for row in [*results["pulls"], results["latency"]]
    ]
    start, built, ratios = results["coldStart"], results["package"], results["ratios"]
    lines += [
        "",
        (
            "- Naive loop (`benchmarks/naive_sdk.py`, search and move only): "
            f"{results['naive']['cpuMsPerTarget']:.1f} ms CPU per target, {ratios['naiveCpuToOurs']:.1f} times ours."
        ),
        f"- CPU per target of the largest run against the smallest: {ratios['largestToSmallestCpu']:.2f}.",
        (
            f"- Cold start without byte code: import {start['importSeconds']:.2f} s, "
            f"first Graph call {start['firstGraphCallSeconds']:.2f} s."
        ),
        (
            f"- Package: {built['packageMb']:.1f} MB; from it, import {built['importSeconds']:.2f} s, "
            f"first Graph call {built['firstGraphCallSeconds']:.2f} s."
        ),
    ]
    return "\n".join(lines)


def machine() -> str:
    """What the numbers were taken on."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores {platform.machine()}, {memory:.0f} GiB, Python {platform.python_version()}"


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
