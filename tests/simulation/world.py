"""A pipeline whose workers run side by side, and meet everything that a cloud does to them.

Each port call is a place where others go on, where the process may die, and where an answer may be lost: what was to be
written is there, and the caller is told that the service is unavailable.
"""

import asyncio
import base64
import inspect
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from functions.quarantine.sweep import SweepDeps, sweep
from functions.report.api.commands import approve, close, undo
from functions.report.api.models import ApproveDeps, CommandDeps
from shared.domain.incident import Incident, Plan, PlanState
from shared.domain.target import TargetState
from shared.errors import ClawbackError, ConflictError, UnavailableError
from shared.pipeline.envelope import Envelope
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.incidents import Change
from shared.ports.mailboxes import Item
from shared.ports.versioned import Versioned
from shared.web.problems import Problem
from tests.fakes.checkpoints import ProcessDied
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import Sent
from tests.pipeline.stages import Pipeline
from tests.simulation.owners import Owners
from tests.unit.functions.tenant import DELIVERED, LEASE_SECONDS, SENDER

D = TypeVar("D")

ApiCommand = Callable[[str, Mapping[str, str], bytes, Any], Awaitable[dict[str, str]]]
"""A command of the HTTP API for cases."""

_PORTS = {
    "alerts",
    "incidents",
    "targets",
    "tenant",
    "undone",
    "directory",
    "mailboxes",
    "evidence",
    "activity",
    "queue",
    "dead_letters",
}
_REFUSALS = (RefusalKind.THROTTLED, RefusalKind.TRANSIENT, RefusalKind.MAILBOX_MOVING, RefusalKind.DENIED)

_MAILS = ("<a@evil.example>", "<b@evil.example>", "<c@evil.example>")
_PEOPLE = ("ann", "bob", "eve", "pam", "tom")
# The host ends a function before its lease on a case or a chunk ends.
_TIMEOUT = timedelta(seconds=LEASE_SECONDS - 10)

_began: ContextVar[datetime] = ContextVar("began")


class Contended(FakeIncidents):
    """A case whose transactions meet others, or are tried twice by the SDK because an answer was lost."""

    chance: Callable[[float], bool]

    def _write(self, now: Versioned[Incident], change: Change) -> None:
        if self.chance(0.05):
            raise ConflictError("somebody was first")
        super()._write(now, change)
        if self.chance(0.1):
            raise ConflictError("the second try met the first")


class Simulation(Pipeline):
    """Some alerts, some people, and one story for each seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = _random(seed)
        self.faults = True
        self.slow = seed % 5 == 0
        """Whether workers may go on after their leases have ended: the host should not let them."""
        self.story: list[str] = []
        self.running: set[asyncio.Task[None]] = set()
        self.bugs: list[BaseException] = []
        self.incidents = Contended(self.checkpoints)
        self.incidents.chance = self.chance
        self.incidents.max_alerts = self.random.choice([2, 3, 10_000])
        self.policy["rules"] = [
            {"name": "high", "when": {"severity_at_least": "high"}, "then": "automatic"},
            {"name": "medium", "when": {"severity_at_least": "medium"}, "then": "needs_approval"},
            {"name": "low", "then": "ignore"},
        ]
        self.sender = SENDER
        self.owners = Owners(self.mailboxes, self.random, self.tell)
        self.arrived: dict[str, datetime] = {}
        self.raced: set[str] = set()
        """Mails that their owner touched while they were about to be pulled: they come back to where they were seen."""
        for name in _PEOPLE:
            self.person(name)
            for mail in self.random.sample(_MAILS, 2):
                for _ in range(self.random.choice([1, 1, 1, 2])):
                    self._deliver(name, mail, SENDER)
                if self.random.random() < 0.2:
                    # A correspondent who knows a Message-ID can choose it for another mail.
                    self._deliver(name, mail, "benign@partner.example")
        self._happens = [
            *(self.report, self.act, self.pass_time, self.sweep, self.owner, self.trouble),
            *[self.start_delivery] * 8,
        ]
        self.alerts_left = list(range(self.random.randint(1, 8)))
        self.acts_left = self.random.randint(0, 8)

    def chance(self, probability: float) -> bool:
        """True that often while there are faults."""
        return self.faults and self.random.random() < probability

    def tell(self, what: str) -> None:
        """One line of the story."""
        self.story.append(f"{(self.now() - self.start).total_seconds():7.1f}  {what}")

    async def moment(self, where: str) -> None:
        """Others go on. The process may die."""
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2]) if self.faults else 0):
            await asyncio.sleep(0)
        late = not self.slow and self.now() - _began.get(self.now()) > _TIMEOUT
        if self.faults and (late or self.chance(0.02)):
            self.tell(f"died {'late ' if late else ''}{where}")
            raise ProcessDied(where)

    def provide(self, deps: type[D]) -> D:
        """As in production, but each port has a network before it."""
        made = super().provide(deps)
        names = {field.name for field in fields(made)} & _PORTS  # type: ignore[arg-type]  # every Deps is a dataclass
        return replace(made, **{name: _Network(getattr(made, name), self) for name in names})  # type: ignore[type-var]  # see above

    def _deliver(self, name: str, mail: str, sender: str) -> None:
        key = f"{name}/{len(self.arrived)}"
        self.arrived[key] = self.now()
        item = Item(key, mail, "", subject="Invoice", sender=sender, received_at=DELIVERED, is_read=False)
        self.owners.deliver(name, item)

    # What happens.

    async def run(self) -> None:
        """Everything at once, then rest."""
        self.start = self.now()
        for _ in range(300):
            await self.random.choice(self._happens)()
            for _ in range(self.random.randint(0, 12)):
                await asyncio.sleep(0)
        while self.alerts_left:
            await self.report()
        await asyncio.gather(*self.running)
        self.faults = False
        self.mailboxes.always.clear()
        self.mailboxes.refusals.clear()
        self.tell("no more faults")
        await self.rest()

    async def rest(self) -> None:
        """Deliver all that waits, and what is dead-lettered once more."""
        await self.settle()
        for letter in [one for one in self.dead_letters.messages.values() if one.replayed_at is None]:
            self.tell(f"replay {letter.reason}: {letter.detail}")
            envelope = Envelope.model_validate_json(base64.b64decode(letter.body))
            self.queue.waiting.append(Sent(envelope, self.now(), self.now()))
            self.dead_letters.messages[letter.id] = letter.model_copy(update={"replayed_at": self.now()})
        await self.settle()
        if self.bugs:
            raise self.bugs[0]

    async def undo_everything(self) -> None:
        """A person wants all of it back."""
        for case in self.incidents.all:
            self.tell(f"undo everything of {case.id[-4:]}")
            body = {"by": "dana", "reason": "all of it", "class": "other", "all": True, "count": case.can_be_put_back}
            await self._post(undo, case, body)
        await self.rest()

    async def trouble(self) -> None:
        """A mailbox is throttled, moves, or may not be read, for one call, for some, or until the faults end."""
        name = self.random.choice(_PEOPLE)
        kind = self.random.choice(_REFUSALS)
        self.tell(f"{name}: {kind}")
        if self.chance(0.1):
            self.mailboxes.always[name] = Refusal(kind, str(kind), 429)
        elif self.chance(0.1):
            self.mailboxes.always.pop(name, None)
        elif self.chance(0.3):
            self.mailboxes.lost[name] += 1
        else:
            after = self.random.choice([None, 1.0, 30.0])
            self.mailboxes.refuse(name, kind, times=self.random.randint(1, 4), after=after)

    async def owner(self) -> None:
        """The owner of a mailbox does something with a mail."""
        if (acted := self.owners.act()) is None:
            return
        mailbox, item = acted
        if any(
            target.mailbox.id == mailbox
            and target.internet_message_id == item.internet_message_id
            and target.state in {TargetState.PLANNED, TargetState.LOCATED}
            for target in self.targets.all
        ):
            # Perhaps between the look of a worker and its move: Graph does not tell where a mail was moved from.
            self.raced.add(item.id)

    async def report(self) -> None:
        """A source reports one or two mails, again if it got no answer, and sometimes if it did."""
        if not self.alerts_left:
            return
        number = self.alerts_left[0]
        # Of its number, so that a report that comes again says the same.
        of_number = _random(number)
        mails = of_number.sample(_MAILS, of_number.choice([1, 1, 2]))
        named = of_number.sample(_PEOPLE, 2)
        known = {"sender": SENDER, "receivedAt": DELIVERED.isoformat()}
        messages = [
            {"internetMessageId": mail, "recipients": [f"{name}@contoso.example" for name in named], **known}
            for mail in mails
        ]
        severity = of_number.choice(["low", "medium", "high", "high"])
        self.tell(f"alert {number}: {severity} {mails} {named}")
        with suppress(ProcessDied, ClawbackError):
            await self.submit({"version": 1, "id": str(number), "severity": severity, "messages": messages})
            if not self.chance(0.15):
                del self.alerts_left[0]

    async def act(self) -> None:
        """A person approves, undoes or closes; some click twice."""
        if not self.incidents.all or not self.acts_left:
            return
        self.acts_left -= 1
        case = self.random.choice(self.incidents.all)
        command, body = self._command(case)
        self.tell(f"{command.__name__} {case.id[-4:]} {body}")
        for _ in range(self.random.choice([1, 1, 2])):
            await self._post(command, case, {"by": "dana", "reason": "asked for", **body})

    async def _post(self, command: ApiCommand, case: Incident, body: dict[str, Any]) -> None:
        with suppress(Problem, ProcessDied, ClawbackError):
            deps = self.provide(ApproveDeps if command is approve else CommandDeps)
            await command(case.id, {}, json.dumps(body).encode(), deps)

    def _command(self, case: Incident) -> tuple[ApiCommand, dict[str, Any]]:
        waiting = [p for p in self.incidents.of(case.id, Plan) if p.state is PlanState.AWAITING_APPROVAL]
        targets = [target.id for target in self.targets.all if target.incident_id == case.id]
        match self.random.choice(["close", "undo", "approve", "approve"]):
            case "approve" if waiting:
                plan = self.random.choice(waiting)
                return approve, {"planId": plan.id, "planHash": plan.hash}
            case "undo" if targets:
                return undo, {
                    "class": "mistake",
                    "targets": self.random.sample(targets, self.random.randint(1, min(2, len(targets)))),
                }
            case _:
                return close, {}

    async def pass_time(self) -> None:
        """A moment, or so long that leases end."""
        self.now.advance(self.random.choice([0.1, 1, 1, 3, 10, LEASE_SECONDS + 1]))

    async def sweep(self) -> None:
        """The timer fires."""
        if self.chance(0.5):
            await sweep(super().provide(SweepDeps))

    async def start_delivery(self) -> None:
        """A worker takes a message, perhaps one that another one has too."""
        ready = [message for message in self.queue.waiting if message.visible_at <= self.now()]
        if not ready or len(self.running) >= 4:
            return
        message = self.random.choice(ready)
        if twice := self.chance(0.1):
            self.queue.waiting.append(message)
        self.tell(f"deliver {message.envelope.payload['kind']} {message.envelope.id[-4:]}{' twice' if twice else ''}")
        task = asyncio.create_task(self._delivered(message))
        self.running.add(task)
        task.add_done_callback(self._ended)
        await asyncio.sleep(0)
        if twice:
            await self.start_delivery()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        if (error := task.exception()) is not None:
            self.bugs.append(error)

    async def _delivered(self, message: Sent) -> None:
        _began.set(self.now())
        try:
            await self.deliver(message, keep=self.chance(0.05))
        except ClawbackError:
            # Not even the delayed copy could be sent: the host shows the message again.
            self.queue.waiting.append(message)


def _random(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a story to tell again, no secret


class _Network:
    """A port as a worker sees it."""

    def __init__(self, port: Any, world: Simulation) -> None:
        self._port, self._world = port, world

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._world.moment(f"before {name}")
            if self._world.chance(0.01):
                raise UnavailableError(name)
            answer = await method(*args, **kwargs)
            if self._world.chance(0.02):
                self._world.tell(f"answer lost: {name}")
                raise UnavailableError(name)
            await self._world.moment(f"after {name}")
            return answer

        return call
