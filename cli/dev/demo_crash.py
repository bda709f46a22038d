"""`clawback demo-crash`: `kill -9` of the host in the middle of a 300-target incident, then a restart.

The same incident is run twice, once without a kill, and the results are compared.
"""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import show as screen
from cli.access import Access
from cli.api import Api
from cli.case_json import Case
from cli.dev.demo import Checks
from cli.dev.local_up import fill
from cli.errors import CommandError
from cli.text import safe
from local.stack import Stack
from local.tenant.generate import Generated

# Seconds for one run.
_TIMEOUT = 240.0
_POLL = 0.1

# Seconds. Messages that a killed host had taken come back after this time instead of after ten minutes as in Azure, and
# its leases end after that time instead of after 90 seconds: four fifths of it are more than a chunk needs.
_HIDDEN_SECONDS = 5
_LEASE_SECONDS = 10

# Slow enough that the kill comes in the middle.
_LATENCY_MS = 80

# After a sixth of the moves: those under way still arrive before the kill, and more than half are left.
_KILL_AFTER = 6

_MOVE = "POST /users/{id}/messages/{id}/move"


@dataclass(frozen=True, slots=True)
class Result:
    """How an incident ended, without times and ids, which differ from run to run."""

    targets: dict[str, tuple[Any, ...]]
    counts: dict[str, Any]
    moves: int
    folders: dict[str, int]
    intact: bool


def run() -> int:
    """The demonstration; 0 if the crash changed nothing."""
    console = screen.console()
    checks = Checks(console)
    with tempfile.TemporaryDirectory(prefix="clawback-crash-") as scratch:
        made, tenant = fill("crash", Path(scratch))
        console.print("Once without a kill", style="bold")
        calm = _pull(Path(scratch) / "calm", made, tenant, checks, kill=False)
        console.print("Once with kill -9 in the middle", style="bold")
        crash = _pull(Path(scratch) / "crash", made, tenant, checks, kill=True)
    console.print("The same result?", style="bold")
    wanted = len(made.expected)
    ended = [t for t in calm.targets.values() if t[0] == "quarantined"]
    checks.that(f"without a kill, all {wanted} were pulled", [] if len(ended) == wanted else [calm.counts])
    different = [key for key in calm.targets | crash.targets if calm.targets.get(key) != crash.targets.get(key)]
    checks.that("every target ended in the same state", sorted(different))
    checks.that("the counts are the same", [] if crash.counts == calm.counts else [crash.counts, calm.counts])
    checks.that("every copy was moved once", [] if crash.moves == calm.moves == wanted else [crash.moves, calm.moves])
    checks.that("the mailboxes look the same", [] if crash.folders == calm.folders else [crash.folders])
    checks.that("both chains are intact", [] if crash.intact and calm.intact else ["broken"])
    console.print(f"\n{checks.passed} checks passed, {checks.failed} failed", style="bold")
    return int(checks.failed > 0)


def _pull(directory: Path, made: Generated, tenant: Path, checks: Checks, *, kill: bool) -> Result:
    with Stack(
        directory,
        tenant=tenant,
        graph_latency_ms=_LATENCY_MS,
        lease_seconds=_HIDDEN_SECONDS,
        settings={"CLAWBACK_LEASE_SECONDS": str(_LEASE_SECONDS)},
    ) as stack:
        stack.post_alert("proofpoint_tap", json.dumps(made.alert).encode())
        if kill:
            _until_moved(stack, len(made.expected) // _KILL_AFTER)
            stack.kill_hosts()
            moved = _moves(stack)
            check = f"killed in the middle: after {moved} of {len(made.expected)} moves"
            checks.that(check, [] if 0 < moved < len(made.expected) else [moved])
            stack.start_hosts()
        incident = _until_contained(stack)
        checks.that(f"contained: {safe(incident['counts']['states'])}")
        return _result(stack, incident["id"], made)


def _moves(stack: Stack) -> int:
    found: int = stack.graph("stats")["byOperation"].get(_MOVE, 0)
    return found


def _until_moved(stack: Stack, number: int) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while _moves(stack) < number and time.monotonic() < deadline:
        time.sleep(0.01)  # other processes work, and wake nobody


def _until_contained(stack: Stack) -> dict[str, Any]:
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = stack.api("incidents")["incidents"]
        if found and found[0]["state"] == "contained":
            return found[0]
        time.sleep(_POLL)  # other processes work, and wake nobody
    raise CommandError(f"not contained after {_TIMEOUT:.0f} s")


def _result(stack: Stack, incident: str, made: Generated) -> Result:
    with Api(Access(stack.url, stack.key)) as api:
        case = Case(api, incident)
        targets = {
            screen.address(t): (t["state"], t.get("reason"), t["read"], len(t.get("copies", [])))
            for t in case.targets()
        }
        intact = bool(case.verification()["intact"])
    counts = {key: value for key, value in case.counts.items() if key in _COUNTS}
    wanted = {one.message_id for one in made.expected}
    folders: dict[str, int] = {}
    for mailbox in made.tenant.mailboxes:
        for item in stack.graph(f"mailboxes/{mailbox.user_id}/items")["items"]:
            if item["internetMessageId"] in wanted:
                folders[item["folder"]] = folders.get(item["folder"], 0) + 1
    return Result(targets, counts, _moves(stack), folders, intact)


_COUNTS = {"states", "read", "unread", "readUnknown", "exposedTargets"}
