"""Everything that breaks, on the whole local cloud: `make chaos`.

Several mails in a thousand mailboxes are reported while hosts and workers are killed, Azurite is stopped and started,
and Graph and Cosmos DB answer with faults. Then all of it ends. What ended because a fault refused it is looked at
again once, as a person would ask for it, and the mailboxes are asked: is every bad mail hidden, and every other mail
where it was? Then everything is undone, with faults again: is every mail back? Prints how long each part took.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.error
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.emulators.graph import model
from local.emulators.graph.model import Address, Group, Mailbox, Message, Tenant, User
from local.process import StartError
from local.stack import Stack

DELIVERED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENDER = Address("billing@evil.example", "Billing")
CASES = 4
REPORTS = 3
# A look at all cases costs the web app some milliseconds.
_POLL = 3.0
# The goal after the last fault, and what is waited for to see how much longer it takes.
_GOAL = 180.0
_MAX_REST = 900.0
# Faults go on until half of the targets have ended, so that they meet the pulls; and at most for so long.
_MAX_FAULTS = 60.0
# A mailbox is far away; without this, sixty mailboxes are done between two faults.
_GRAPH_LATENCY_MS = 200
# States that a fault can leave behind; a look at the mailbox puts them right.
_TO_LOOK_AT = frozenset({"denied", "failed", "partly_quarantined"})
_ON_THE_WAY = frozenset({"planned", "located", "restoring"})
_POLICY = """
version: 1
rules: [{ name: chaos, then: automatic }]
limits: { targets: 100000, mailbox_share: 1.0, copies_per_mailbox: 25 }
budget:
  { targets_per_hour: 100000, targets_per_day: 100000, mailbox_share_per_hour: 100.0, mailbox_share_per_day: 100.0 }
follow: { depth: 0, replies: false, inbox_rules: false }
"""
_NAMESPACE = uuid.UUID("9a5c1d5e-7d5e-4a6f-8f0a-0d6ad6f0b6f3")

Place = tuple[str, str, bool, str, tuple[str, ...]]
"""Message-ID, folder, read state, flag and categories of a mail."""


def tenant(people: int) -> Tenant:
    """People in four groups; each group got a mail of its own, some of them twice, and everybody has other mail."""
    users = tuple(_user(number) for number in range(people))
    groups = tuple(
        Group(
            id=str(uuid.uuid5(_NAMESPACE, group(case))),
            display_name=f"Group {case}",
            mail=group(case),
            proxy_addresses=(f"SMTP:{group(case)}",),
            mail_enabled=True,
            members=tuple(user.id for number, user in enumerate(users) if number % CASES in {case, (case + 1) % CASES}),
        )
        for case in range(CASES)
    )
    return Tenant(
        id=str(uuid.uuid5(_NAMESPACE, "tenant")),
        display_name="Contoso",
        domain="contoso.example",
        users=users,
        groups=groups,
        mailboxes=tuple(Mailbox(user.id, messages=_messages(user, number)) for number, user in enumerate(users)),
    )


def group(case: int) -> str:
    """Who got the mail of this case."""
    return f"group{case}@contoso.example"


def mail(case: int) -> str:
    """Its Message-ID."""
    return f"<chaos-{case}@evil.example>"


def _user(number: int) -> User:
    address = f"user{number:04d}@contoso.example"
    return User(
        id=str(uuid.uuid5(_NAMESPACE, address)),
        user_principal_name=address,
        display_name=f"User {number}",
        mail=address,
        proxy_addresses=(f"SMTP:{address}",),
    )


def _messages(user: User, number: int) -> tuple[Message, ...]:
    to = (Address(user.mail or ""),)
    bad = [case for case in range(CASES) if number % CASES in {case, (case + 1) % CASES}]
    # Every seventh has a second copy; a correspondent chose the Message-ID of the first bad mail for a mail of his own.
    copies = [case for case in bad for _ in range(2 if number % 7 == case else 1)]
    return (
        *(_message(mail(case), SENDER, to, is_read=number % 3 == 0) for case in copies),
        _message(f"<ordinary-{number}@example.com>", Address("colleague@example.com"), to),
        *((_message(mail(bad[0]), Address("partner@example.com"), to),) if number % 11 == 0 else ()),
    )


def _message(message_id: str, sender: Address, to: tuple[Address, ...], *, is_read: bool = False) -> Message:
    return Message(message_id, "Your invoice", from_=sender, to=to, received=DELIVERED, is_read=is_read)


class Chaos:
    """The stack, and what happens to it."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        self._random = random.Random(seed)  # noqa: S311 - a story to tell again, no secret
        self.happened: Counter[str] = Counter()

    def go_on_for(self, seconds: float) -> None:
        """Break something every few seconds. All that was stopped runs at the end."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            happens: Callable[[], None] = self._random.choice(
                [self.kill_hosts, self.kill_worker, self.stop_storage, self.graph, self.graph, self.cosmos, self.cosmos]
            )
            self.happened[happens.__name__] += 1
            say(happens.__name__.replace("_", " "))
            happens()
            time.sleep(self._random.uniform(1, 4))  # the pipeline works meanwhile, until the next thing breaks

    def kill_hosts(self) -> None:
        """`kill -9` of both hosts with all workers, then a new start."""
        self._stack.kill_hosts()
        self._stack.start_hosts()

    def kill_worker(self) -> None:
        """`kill -9` of one worker; its host starts another."""
        with suppress_http():
            workers = self._stack.workers()
            os.kill(int(self._random.choice(workers)["pid"]), signal.SIGKILL)

    def stop_storage(self) -> None:
        """Azurite is away for some seconds."""
        self._stack.cloud.stop_storage()
        time.sleep(self._random.uniform(1, 5))  # how long the outage lasts
        self._stack.cloud.start_storage()

    def graph(self) -> None:
        """Throttled, busy, dropped connections, or answers that are lost after the work was done."""
        faults: list[dict[str, Any]] = [
            {"status": 429, "retryAfter": 3},
            {"status": 503, "retryAfter": 2},
            {"drop": True},
            {"path": "/move", "method": "POST", "status": 504, "done": True},
            {"path": "/move", "method": "POST", "status": 403, "code": "ErrorAccessDenied"},
            {"path": "/messages", "method": "GET", "status": 429, "retryAfter": 5},
        ]
        fault = self._random.choice(faults)
        times = 3 if fault.get("status") == 403 else self._random.randint(1, 60)
        self._stack.graph_fault(times=times, **fault)

    def cosmos(self) -> None:
        """Throttled, unavailable, or answers that are lost after the write."""
        fault = self._random.choice(
            [{"status": 429, "retry_after_ms": 200}, {"status": 503}, {"status": 408, "done": True}]
        )
        self._stack.cosmos_fault(times=self._random.randint(1, 8), **fault)


class suppress_http:  # noqa: N801 - reads as contextlib.suppress does
    """What a host that was just killed answers."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError | StartError | ProcessLookupError)


def post_alerts(stack: Stack, chaos: Chaos) -> None:
    """Each mail is reported some times, and again until the webhook says 202."""
    for case in range(CASES):
        for number in range(REPORTS):
            body = {
                "version": 1,
                "id": f"chaos-{case}-{number}",
                "threatType": "phish",
                "severity": "high",
                "messages": [
                    {
                        "internetMessageId": mail(case),
                        "sender": SENDER.address,
                        "subject": "Your invoice",
                        "receivedAt": DELIVERED.isoformat(),
                        "recipients": [group(case)],
                    }
                ],
            }
            again_until_done(lambda body=body: stack.post_alert("clawback", json.dumps(body).encode()))  # type: ignore[misc]  # a default keeps this round's body
        chaos.go_on_for(8)


def again_until_done(call: Callable[[], Any]) -> Any:
    """As a gateway does: again, until there is an answer."""
    for _ in range(60):
        try:
            return call()
        except (OSError, urllib.error.URLError):
            time.sleep(1)  # a gateway that got no answer waits before it posts again
    raise SystemExit("no answer for a minute")


class NoRestError(Exception):
    """Something still goes on after the longest time; the message says what."""


class Case:
    """A case with all of its targets, as the API shows it."""

    def __init__(self, stack: Stack, key: str) -> None:
        self.id = key
        shown = again_until_done(lambda: stack.api(f"incidents/{key}"))
        self.header: dict[str, Any] = shown["incident"]
        self.can_be_put_back: int = shown["canBePutBack"]
        self.targets: list[dict[str, Any]] = shown["targets"]
        while following := shown.get("next"):
            shown = again_until_done(lambda page=following: stack.api(f"incidents/{key}{page}"))  # type: ignore[misc]  # a default keeps this round's page
            self.targets += shown["targets"]
        self.states = Counter(target["state"] for target in self.targets)

    def rests(self) -> bool:
        """Whether all of its targets have ended, and its header counts them so."""
        header = self.header
        everything = header["planned"] == header["alerts"] and header["targets"] == len(self.targets) > 0
        return everything and not self.states.keys() & _ON_THE_WAY and self.counted() == self.states

    def counted(self) -> Counter[str]:
        """Targets by state, as the header counts them."""
        return Counter({state: number for state, number in self.header["counts"]["states"].items() if number})

    def looks(self) -> dict[str, int]:
        """The number of the look that each target is at."""
        return {target["id"]: target.get("look", 1) for target in self.targets}

    def to_look_at(self) -> list[str]:
        """Targets that a fault may have left as they are."""
        return [target["id"] for target in self.targets if target["state"] in _TO_LOOK_AT]


def until_rest(stack: Stack, done: Callable[[Case], bool]) -> tuple[float, list[Case]]:
    """Seconds until every case rests and is done, and the cases.

    Raises:
        NoRestError: they do not, for `_MAX_REST` seconds.
    """
    started = time.monotonic()
    while True:
        listed = again_until_done(lambda: stack.api("incidents?top=50"))["incidents"]
        cases = [Case(stack, header["id"]) for header in listed]
        took = time.monotonic() - started
        now = "; ".join(f"{case.header['state']} {dict(case.states)} counted {dict(case.counted())}" for case in cases)
        say(f"{took:5.0f} s: {now}")
        reported = sum(case.header["alerts"] for case in cases)
        if reported == CASES * REPORTS and all(case.rests() and done(case) for case in cases):
            return took, cases
        if took > _MAX_REST:
            raise NoRestError(f"still at work after {took:.0f} s: {now}")
        time.sleep(_POLL)  # the pipeline is other processes, which wake nobody


def until_half(stack: Stack, chaos: Chaos) -> None:
    """Go on with faults until half of what is planned has ended."""
    started = time.monotonic()
    while time.monotonic() - started < _MAX_FAULTS:
        headers = again_until_done(lambda: stack.api("incidents?top=50"))["incidents"]
        ended = sum(sum(header["counts"]["states"].values()) for header in headers)
        if 2 * ended >= sum(header["targets"] for header in headers) > 0:
            return
        chaos.go_on_for(3)


def look_again(stack: Stack, cases: list[Case]) -> tuple[float, list[Case]]:
    """Have everything looked at again that a fault may have left as it is; seconds, and the cases as they are then."""
    asked = {case.id: {key: case.looks()[key] for key in case.to_look_at()} for case in cases}
    for key, targets in asked.items():
        if targets:
            body = {"by": "chaos", "reason": "the faults are over", "targets": list(targets)}
            again_until_done(lambda key=key, body=body: stack.command(f"incidents/{key}/look-again", body))  # type: ignore[misc]  # defaults keep this round's values
    return until_rest(stack, lambda case: all(case.looks()[key] > look for key, look in asked[case.id].items()))


def undo(stack: Stack, chaos: Chaos, cases: list[Case]) -> tuple[float, list[Case]]:
    """Put everything back, with faults and again without; seconds after the last fault, and the cases as they are."""
    ask_for_undo(stack, cases)
    chaos.go_on_for(10)
    stack.no_more_faults()
    say("no more faults")
    started = time.monotonic()
    _, cases = until_rest(stack, lambda case: "restored" in case.states or "partly_restored" in case.states)
    ask_for_undo(stack, cases)
    _, cases = until_rest(stack, lambda case: not case.can_be_put_back)
    return time.monotonic() - started, cases


def ask_for_undo(stack: Stack, cases: list[Case]) -> None:
    """As a person does who saw how many targets can be put back."""
    for case in cases:
        if case.can_be_put_back:
            body = {"by": "chaos", "reason": "a test", "class": "other", "all": True, "count": case.can_be_put_back}
            stack.command(f"incidents/{case.id}/undo", body)


def places(stack: Stack, users: tuple[User, ...]) -> dict[str, Counter[Place]]:
    """Where every mail of every mailbox is."""

    def of(user: User) -> Counter[Place]:
        items = stack.graph(f"mailboxes/{user.id}/items")["items"]
        return Counter(
            (i["internetMessageId"], i["folder"], i["isRead"], i["flag"], tuple(i["categories"])) for i in items
        )

    with ThreadPoolExecutor(8) as pool:
        return dict(zip((user.id for user in users), pool.map(of, users), strict=True))


def violations(before: dict[str, Counter[Place]], after: dict[str, Counter[Place]], *, benign: int) -> list[str]:
    """What is not as it should be: bad mail that can be reached, other mail that was moved.

    Args:
        before: as delivered.
        after: as it is.
        benign: how many mails of another sender have the Message-ID of a bad one; they stay where they are.
    """
    bad = {mail(case) for case in range(CASES)}
    found = []
    left = 0
    for mailbox, items in after.items():
        for (message_id, folder, *_), number in items.items():
            if message_id in bad and folder == "Inbox":
                left += number
        others = {place: number for place, number in items.items() if place[0] not in bad}
        if others != {place: number for place, number in before[mailbox].items() if place[0] not in bad}:
            found.append(f"{mailbox}: a mail that nobody named is not where it was")
        if sum(items.values()) != sum(before[mailbox].values()):
            found.append(f"{mailbox}: a mail is gone or there twice")
    if left != benign:
        found.append(f"{left} mails with a bad Message-ID are in Inboxes, and {benign} of another sender should be")
    return found


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def run(people: int, seed: int) -> int:
    """One run; 1 if something does not hold."""
    made = tenant(people)
    benign = sum(number % 11 == 0 for number in range(people))
    with tempfile.TemporaryDirectory(prefix="clawback-chaos-") as scratch:
        model.dump(made, Path(scratch) / "tenant.json")
        (Path(scratch) / "policy.yaml").write_text(_POLICY, encoding="utf-8")
        settings = {"CLAWBACK_POLICY_PATH": str(Path(scratch) / "policy.yaml")}
        with Stack(
            Path(scratch) / "cloud",
            tenant=Path(scratch) / "tenant.json",
            settings=settings,
            keep=True,
            graph_latency_ms=_GRAPH_LATENCY_MS,
        ) as stack:
            before = places(stack, made.users)
            chaos = Chaos(stack, seed)
            post_alerts(stack, chaos)
            until_half(stack, chaos)
            stack.no_more_faults()
            say("no more faults")
            result, found = after_chaos(stack, chaos, made, before, benign)
    result = {"mailboxes": people, "seed": seed, "happened": dict(chaos.happened), **result, "violations": found}
    print(json.dumps(result, indent=2))
    return int(bool(found))


def after_chaos(
    stack: Stack, chaos: Chaos, made: Tenant, before: dict[str, Counter[Place]], benign: int
) -> tuple[dict[str, Any], list[str]]:
    """Rest, a second look, and the undo: the figures, and what does not hold."""
    result: dict[str, Any] = {}
    found: list[str] = []
    try:
        rest, cases = until_rest(stack, lambda _: True)
        result |= {"secondsToRest": round(rest, 1), "statesAtRest": [dict(case.states) for case in cases]}
        if rest > _GOAL:
            found.append(f"rest took {rest:.0f} s, and {_GOAL:.0f} s is the goal")
        looked, cases = look_again(stack, cases)
        result |= {"secondsToLookAgain": round(looked, 1), "states": [dict(case.states) for case in cases]}
        found += violations(before, places(stack, made.users), benign=benign)
        found += chains(stack, cases)
        back, cases = undo(stack, chaos, cases)
        result |= {"secondsToUndo": round(back, 1), "statesAfterUndo": [dict(case.states) for case in cases]}
        found += [f"{key}: not as before" for key, items in places(stack, made.users).items() if items != before[key]]
        found += chains(stack, cases)
    except NoRestError as error:
        found.append(str(error))
    return result, found


def chains(stack: Stack, cases: list[Case]) -> list[str]:
    """Cases of which the activity chain is not intact."""
    checks = {case.id: stack.api(f"incidents/{case.id}/verify-chain") for case in cases}
    return [f"{key}: the chain is not intact" for key, check in checks.items() if not check["intact"]]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mailboxes", type=int, default=1000, help="how many (default: 1,000)")
    parser.add_argument("--seed", type=int, default=1, help="which order of faults (default: 1)")
    arguments = parser.parse_args()
    return run(arguments.mailboxes, arguments.seed)


if __name__ == "__main__":
    raise SystemExit(main())
