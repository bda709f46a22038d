"""How Clawback behaves at the size that a case may have, on the local cloud: a burst, and a case as large as it gets.

    burst   5,000 alerts for one mail, as fast as web takes them: one case, all planned
    case    10,000 alerts and messages and 100,000 targets: size of the header, memory, check of the chain

Prints what it measures and writes out/bench/scale-<name>.json.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.run import OUT, POLICY, machine, peak, say  # noqa: E402 - after the path is set
from benchmarks.tenant import DELIVERED, MESSAGE_ID, SENDER, tenant  # noqa: E402 - after the path is set
from functions.ingest_alert.authentication import signature  # noqa: E402 - after the path is set
from local.emulators.graph import model  # noqa: E402 - after the path is set
from local.stack import Stack  # noqa: E402 - after the path is set

_MAILBOXES = 100
# Requests to web at a time: a gateway has a few connections.
_CONNECTIONS = 16
# Seconds between two looks at the case: a look costs the web app some milliseconds.
_POLL = 5.0
# Seconds after which a run is given up.
_MAX_SECONDS = 5400.0


@contextmanager
def running() -> Iterator[Stack]:
    """A cloud with a hundred mailboxes, each with a copy of the mail."""
    with tempfile.TemporaryDirectory(prefix="clawback-scale-") as scratch:
        model.dump(tenant(_MAILBOXES), Path(scratch) / "bench.json")
        (Path(scratch) / "policy.yaml").write_text(POLICY, encoding="utf-8")
        with Stack(
            Path(scratch) / "cloud",
            tenant=Path(scratch) / "bench.json",
            workers=2,
            settings={"CLAWBACK_POLICY_PATH": str(Path(scratch) / "policy.yaml")},
        ) as stack:
            yield stack


def alert(number: int, *messages: dict[str, Any]) -> bytes:
    """An alert of our own format."""
    body = {"version": 1, "id": f"scale-{number}", "threatType": "phish", "severity": "high", "messages": messages}
    return json.dumps(body).encode()


def message(message_id: str, recipients: list[str]) -> dict[str, Any]:
    """A message of an alert."""
    return {
        "internetMessageId": message_id,
        "sender": SENDER.address,
        "subject": "Your invoice",
        "receivedAt": DELIVERED.isoformat(),
        "recipients": recipients,
    }


def user(number: int) -> str:
    """One of the tenant's people."""
    return f"user{number % _MAILBOXES:05d}@contoso.example"


async def post_all(at: Stack, bodies: Iterator[bytes]) -> int:
    """Post all of them; how many there were."""
    secret = json.loads(at.cloud.environment("web")["CLAWBACK_WEBHOOK_SECRETS__clawback"])[0]
    posted = 0

    async def worker(client: httpx.AsyncClient) -> None:
        nonlocal posted
        for body in bodies:
            stamp = str(int(time.time()))
            headers = {"Clawback-Timestamp": stamp, "Clawback-Signature": signature(secret, stamp, body)}
            answer = await client.post(f"{at.url}/api/alerts/clawback", content=body, headers=headers)
            if answer.status_code != httpx.codes.ACCEPTED:
                raise SystemExit(f"{answer.status_code}: {answer.text}")
            posted += 1

    async with httpx.AsyncClient(timeout=120) as client:
        await asyncio.gather(*(worker(client) for _ in range(_CONNECTIONS)))
    return posted


def until_done(at: Stack, alerts: int) -> dict[str, Any]:
    """Wait until one case has planned so many alerts and is contained; its header."""
    started = time.monotonic()
    while time.monotonic() - started < _MAX_SECONDS:
        cases: list[dict[str, Any]] = at.api("incidents?top=3")["incidents"]
        header = cases[0] if cases else {}
        say(
            f"{time.monotonic() - started:6.0f} s: {len(cases)} case(s), {header.get('alerts', 0)} alerts, "
            f"{header.get('planned', 0)} planned, {header.get('state')}, {header.get('counts', {}).get('states')}"
        )
        if header.get("planned") == alerts and header["state"] in {"contained", "attention"}:
            return header
        time.sleep(_POLL)  # a script that waits for other processes, no test
    raise SystemExit("not done in time")


def figures(at: Stack, started: float, posted_after: float, header: dict[str, Any]) -> dict[str, Any]:
    """What it took."""
    cases = at.api("incidents?top=3")["incidents"]
    cosmos, graph = at.cosmos("stats"), at.graph("stats")
    cpu: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        name = " ".join(process.cmdline())
        kind = next((k for k in ("worker", "functions_host", "cosmosdb", "graph", "azurite") if k in name), "other")
        cpu[kind] = cpu.get(kind, 0.0) + times.user + times.system
    return {
        "machine": machine(),
        "cases": len(cases),
        "alerts": header["alerts"],
        "plans": header["plans"],
        "states": header["counts"]["states"],
        "headerBytes": len(json.dumps(header)),
        "secondsToPost": posted_after,
        "secondsToDone": time.monotonic() - started,
        "cosmosRequestsPerAlert": cosmos["requests"] / header["alerts"],
        "requestUnits": cosmos["requestCharge"],
        "cosmosRequests": cosmos.get("byOperation", {}),
        "graphRequests": graph["byOperation"],
        "cpuSeconds": {name: round(seconds, 1) for name, seconds in sorted(cpu.items())},
        "peakWorkerMemoryMb": max(peak(int(worker["pid"])) for worker in at.workers()) / 1e6,
    }


def burst(alerts: int) -> dict[str, Any]:
    """So many alerts for one mail."""
    with running() as at:
        started = time.monotonic()
        bodies = (alert(number, message(MESSAGE_ID, [user(number)])) for number in range(alerts))
        asyncio.run(post_all(at, bodies))
        posted = time.monotonic() - started
        return figures(at, started, posted, until_done(at, alerts))


def case(alerts: int) -> dict[str, Any]:
    """A case of so many alerts, as many messages, and ten targets for each alert."""
    groups = alerts * 10 // 10_000
    with running() as at:
        started = time.monotonic()
        asyncio.run(post_all(at, _large(alerts, groups)))
        posted = time.monotonic() - started
        header = until_done(at, alerts)
        found = figures(at, started, posted, header)
        checked = time.monotonic()
        verification = verified(at, str(header["id"]))
        found["verifyChain"] = {**verification, "seconds": time.monotonic() - checked}
        listed = time.monotonic()
        found["listTargets"] = {"targets": count_targets(at, str(header["id"])), "seconds": time.monotonic() - listed}
        found["peakWorkerMemoryMb"] = max(peak(int(worker["pid"])) for worker in at.workers()) / 1e6
        return found


def _large(alerts: int, groups: int) -> Iterator[bytes]:
    # Nobody has these addresses: each is a target in a terminal state, and none needs a mailbox.
    strangers = [f"stranger{number:04d}@contoso.example" for number in range(1000)]
    for number in range(alerts):
        own = message(f"<own-{number}@evil.example>", [])
        shared = message(MESSAGE_ID, [user(number)])
        if number < groups:
            wide = [message(f"<wide-{number}-{i}@evil.example>", strangers) for i in range(10)]
            yield alert(number, shared, *wide)
        else:
            yield alert(number, shared, {**own, "recipients": [user(number)]})


def verified(at: Stack, incident: str) -> dict[str, Any]:
    """The check of the whole chain, part after part."""
    query, parts, intact = "", 0, True
    while True:
        answer = at.api(f"incidents/{incident}/verify-chain{query}")
        parts, intact = parts + 1, intact and answer["intact"]
        query = answer.get("next", "")
        if not query:
            return {"intact": intact, "parts": parts, "entries": answer["chain"]["entries"]}


def count_targets(at: Stack, incident: str) -> int:
    """How many targets the list has, page after page."""
    query, targets = "?top=5000", 0
    while query:
        page = at.api(f"incidents/{incident}{query}")
        targets, query = targets + len(page["targets"]), page.get("next", "")
    return targets


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("burst", "case"))
    parser.add_argument("--alerts", type=int, help="how many (default: 5,000 and 10,000)")
    arguments = parser.parse_args()
    results = burst(arguments.alerts or 5000) if arguments.what == "burst" else case(arguments.alerts or 10_000)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"scale-{arguments.what}.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
