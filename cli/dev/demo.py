"""`clawback demo`: one phishing mail found, pulled, proven gone, and one copy put back exactly where it was.

Every check compares with the scenario and with the mailboxes themselves, not with Clawback's own report.
The exit status is 0 only if all checks pass.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from cli import show as screen
from cli.access import Access
from cli.api import Api
from cli.case_json import Case, ask, newest
from cli.cases import export_json
from cli.dev.local_up import fill
from cli.errors import CommandError
from cli.files import write
from cli.text import safe
from local.stack import Stack
from local.tenant.generate import Expected, Generated

OUT = Path("out") / "demo"
QUARANTINE = "Clawback Quarantine"

# Seconds. A pull of the demo's size takes a few; longer means that something hangs.
_TIMEOUT = 120.0
_POLL = 0.3

# Who puts the copy back, and why. Whoever has the same mail to decide about next reads it.
_WHO = "Demo Analyst"
_WHY = "Clara knows the sender: the invoice is real"

Items = dict[str, dict[str, dict[str, Any]]]
"""The items of the mailboxes: by mailbox (user id) and item id."""


class Checks:
    """Prints checks and counts those that pass."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.failed = 0
        self.passed = 0

    def that(self, check: str, problems: Iterable[object] = ()) -> None:
        """Print the check; it passes if there are no problems."""
        found = list(problems)
        if not found:
            self.passed += 1
            self._console.print(f"  ✓ {check}", style="green")
            return
        self.failed += 1
        self._console.print(f"  ✗ {check}", style="bold red")
        for problem in found[:10]:
            self._console.print(f"      {safe(problem, 300)}")


def run() -> int:
    """The demonstration; 0 if all checks passed."""
    console = screen.console()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clawback-demo-") as scratch:
        made, tenant = fill("phishing", Path(scratch))
        console.print("Starting the local cloud: identity, queues and blobs, Cosmos DB, Graph, Functions host …")
        with Stack(Path(scratch) / "cloud", tenant=tenant) as stack:
            checks = Checks(console)
            with Api(Access(stack.url, stack.key)) as api:
                Demonstration(stack, api, made, console, checks).run()
    console.print(
        f"\n{checks.passed} checks passed, {checks.failed} failed; {time.monotonic() - started:.0f} s", style="bold"
    )
    return int(checks.failed > 0)


class Demonstration:
    """The steps, in order."""

    def __init__(self, stack: Stack, api: Api, made: Generated, console: Console, checks: Checks) -> None:
        self._stack = stack
        self._api = api
        self._made = made
        self._console = console
        self._checks = checks
        self._addresses = {user.id: (user.mail or "").lower() for user in made.tenant.users}
        self._mailboxes = [mailbox.user_id for mailbox in made.tenant.mailboxes]

    def run(self) -> None:
        """From the alert to the undo, and to the next alert about the same mail."""
        before = self._look()
        incident = self._alert()
        self._watch(incident)
        self._compare(incident)
        pulled = self._look()
        self._prove(before, pulled)
        self._put_back(incident, before, pulled)
        self._leave(incident)
        self._report_again(incident)

    def _look(self) -> Items:
        """Every item of every mailbox, read from the mailboxes and not from Clawback."""
        return {
            mailbox: {item["id"]: item for item in self._stack.graph(f"mailboxes/{mailbox}/items")["items"]}
            for mailbox in self._mailboxes
        }

    def _alert(self) -> str:
        self._console.print("\nA Proofpoint TAP alert comes in, and comes in again", style="bold")
        body = json.dumps(self._made.alert).encode()
        first = self._stack.post_alert("proofpoint_tap", body)
        again = self._stack.post_alert("proofpoint_tap", body)
        self._checks.that("both are the same alert", [] if first["alertIds"] == again["alertIds"] else [first, again])
        deadline = time.monotonic() + _TIMEOUT
        while not (found := newest(self._api)) and time.monotonic() < deadline:
            time.sleep(_POLL)  # other processes work, and wake nobody
        if not found:
            raise CommandError(f"no incident after {_TIMEOUT:.0f} s")
        self._checks.that("there is one incident", [] if len(found) == 1 else [f"{len(found)} incidents"])
        return str(found[0]["id"])

    def _watch(self, incident: str) -> None:
        """Print each target when it reaches its final state."""
        self._console.print("\nWho has it, how they got it, and what becomes of it", style="bold")
        printed: set[str] = set()
        deadline = time.monotonic() + _TIMEOUT
        while True:
            case = Case(self._api, incident)
            state = case.header["state"]
            for target in case.targets():
                if target["id"] not in printed and target["state"] not in {"planned", "located"}:
                    printed.add(target["id"])
                    self._line(target)
            # Some mailboxes are on premises, and one copy is held: a person has to look at them.
            if state == "attention" or time.monotonic() > deadline:
                self._checks.that("the incident is over, and needs attention", [] if state == "attention" else [state])
                return
            time.sleep(_POLL)  # other processes work, and wake nobody

    def _line(self, target: dict[str, Any]) -> None:
        words = [safe(screen.address(target)), safe(screen.way(target))]
        if target["state"] == "quarantined":
            proof = "verified" if target.get("verifiedAt") else "not verified"
            exposure = screen.exposure(screen.seconds_exposed(target))
            words.append(f"{target['read']}, pulled, {proof}, exposed for {exposure}")
        else:
            words.append(f"{target['state']} ({safe(target.get('reason') or 'nothing there')})")
        self._console.print("  " + " · ".join(words), style="" if target["state"] == "quarantined" else "yellow")

    def _compare(self, incident: str) -> None:
        self._console.print("\nCompared with what the scenario says must happen", style="bold")
        case = Case(self._api, incident)
        found = {(screen.address(t), t["internetMessageId"]): t for t in case.targets()}
        wanted = {(one.address, one.message_id): one for one in self._made.expected}
        self._checks.that(f"all {len(wanted)} expected targets are known", sorted(wanted.keys() - found.keys()))
        self._checks.that("there is no other target", sorted(found.keys() - wanted.keys()))
        both = [(wanted[key], found[key]) for key in sorted(wanted.keys() & found.keys())]
        self._checks.that(
            "each ended in the expected state, for the expected reason", [d for one in both if (d := _difference(*one))]
        )
        held = [t for t in found.values() if (t["state"], t.get("reason")) == ("held", "sender_unknown")]
        self._checks.that("mail whose sender is not known waits for a person", [] if held else ["nothing is held"])
        chain = case.verification()
        self._checks.that("the chain of activity is intact", [] if chain["intact"] else [chain])

    def _prove(self, before: Items, after: Items) -> None:
        self._console.print("\nRead from the mailboxes themselves", style="bold")
        ids = {(one.address, one.message_id) for one in self._made.expected if one.state == "quarantined"}
        visible, changed, lost, new = [], [], [], []
        for mailbox, items in before.items():
            address = self._addresses[mailbox]
            new += [(address, after[mailbox][key]["folder"]) for key in after[mailbox].keys() - items.keys()]
            for key, item in items.items():
                now = after[mailbox].get(key)
                ours = (address, item["internetMessageId"]) in ids
                if now is None:
                    lost.append((address, item["folder"]))
                elif ours and now["folder"] != QUARANTINE and not item["folder"].endswith("/Purges"):
                    visible.append((address, now["folder"]))
                elif not ours and now != item:
                    changed.append((address, item["folder"], now["folder"]))
        self._checks.that("no copy is left where a person can open it", visible)
        self._checks.that("nothing else was touched", changed)
        self._checks.that("nothing was deleted", lost)
        self._checks.that("nothing was added", new)

    def _put_back(self, incident: str, before: Items, pulled: Items) -> None:
        whose = self._made.undo
        self._console.print(f"\nUndo for {whose}", style="bold")
        mailbox = next(key for key, address in self._addresses.items() if address == whose)
        targets = [t["id"] for t in Case(self._api, incident).targets() if screen.address(t) == whose]
        ask(self._api, incident, "undo", {"by": _WHO, "reason": _WHY, "class": "false_positive", "targets": targets})
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            states = {t["state"] for t in Case(self._api, incident).targets() if t["id"] in targets}
            if states <= {"restored"}:
                break
            time.sleep(_POLL)  # other processes work, and wake nobody
        after = {item["id"]: item for item in self._stack.graph(f"mailboxes/{mailbox}/items")["items"]}
        moved = [key for key, item in before[mailbox].items() if pulled[mailbox].get(key) != item]
        rows = [
            (when, items[key]["folder"], items[key]["isRead"], items[key]["flag"], ", ".join(items[key]["categories"]))
            for key in moved
            for when, items in (("before", before[mailbox]), ("pulled", pulled[mailbox]), ("put back", after))
        ]
        self._console.print(screen.table(("", "folder", "read", "flag", "categories"), rows))
        differ = [key for key in moved if after.get(key) != before[mailbox][key]]
        self._checks.that("folder, time, read state, flag and categories are those of before", differ)
        self._checks.that("Clawback reports the same", states - {"restored"} if moved else ["nothing had been moved"])

    def _leave(self, incident: str) -> None:
        case = Case(self._api, incident)
        chain = case.verification()
        self._checks.that("the chain is intact with the undo in it", [] if chain["intact"] else [chain])
        write(OUT / "incident.json", export_json(case))
        write(OUT / "activity.csv", case.activity_csv())
        counts = case.counts
        self._console.print("\nThe incident", style="bold")
        rows = [
            *((state, number) for state, number in sorted(counts["states"].items())),
            ("had read it", counts["read"]),
            ("had not", counts["unread"]),
            ("longest exposure", screen.exposure(counts["longestExposure"])),
        ]
        self._console.print(screen.table(("", ""), rows))
        self._console.print(f"Written: {OUT / 'incident.json'}, {OUT / 'activity.csv'}")

    def _report_again(self, incident: str) -> None:
        """The same mail in a new case: what was undone is remembered by message, and waits for a person."""
        self._console.print("\nThe case is closed, and the same mail is reported again", style="bold")
        ask(self._api, incident, "close", {"by": _WHO, "reason": "the end of the demo"})
        self._wait(lambda: Case(self._api, incident).header["state"] == "closed")
        before = self._look()
        self._stack.post_alert("proofpoint_tap", json.dumps(_reported_again(self._made.alert)).encode())
        plans: list[dict[str, Any]] = []

        def waits() -> bool:
            others = [one["id"] for one in newest(self._api) if one["id"] != incident]
            plans[:] = [plan for one in others for plan in Case(self._api, one).waiting_plans()]
            return bool(plans)

        waiting = self._wait(waits)
        told = [undone["text"] for plan in plans for undone in plan.get("undone", [])]
        for line in (*(reason for plan in plans for reason in plan["approvalReasons"]), *told):
            self._console.print(f"  {safe(line, 500)}", style="yellow")
        self._checks.that("its plan waits for a person", [] if waiting else ["no plan waits"])
        said = any(f"undone by {_WHO}" in text and f"because {_WHY}" in text for text in told)
        self._checks.that("it says who undid the mail before, and why", [] if said else told or ["nothing is said"])
        self._checks.that("nothing was moved", [] if self._look() == before else ["a mailbox has changed"])

    def _wait(self, until: Callable[[], bool]) -> bool:
        """Whether it came to be in time."""
        deadline = time.monotonic() + _TIMEOUT
        while not (done := until()) and time.monotonic() < deadline:
            time.sleep(_POLL)  # other processes work, and wake nobody
        return done


def _reported_again(alert: dict[str, Any]) -> dict[str, Any]:
    """The alert as Proofpoint gives another event about the same mail: only the event's own ids differ."""
    again = [
        {**message, "GUID": f"{message['GUID']}-again", "id": f"{message['id']}-again"}
        for message in alert["messagesDelivered"]
    ]
    return {**alert, "messagesDelivered": again}


def _difference(wanted: Expected, found: dict[str, Any]) -> str | None:
    """What differs, as text; None if nothing does."""
    way = tuple(f"{hop['via']}:{hop['name']}" for hop in found["hops"] if hop["via"] != "alert")
    is_read = {"read": True, "unread": False}.get(found.get("read", "unknown"))
    ended = (found["state"], found.get("reason"), way)
    if ended != (wanted.state, wanted.reason, wanted.way):
        return f"{wanted.address}: {ended}, not {(wanted.state, wanted.reason, wanted.way)}"
    if wanted.read is not None and is_read is not wanted.read:
        return f"{wanted.address}: read {is_read}, not {wanted.read}"
    return None
