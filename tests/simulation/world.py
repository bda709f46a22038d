"""A pipeline whose workers run side by side, and meet everything that a cloud does to them.

Each port call is a place where others go on, where the process may die, and where an answer may be lost: what was to be
written is there, and the caller is told that the service is unavailable.
"""

import asyncio
import inspect
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain.incident import Incident, Plan, PlanState
from shared.errors import ClawbackError, ConflictError, UnavailableError
from shared.pipeline.payloads import ApprovePlan, CloseIncident, Payload, UndoPull
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned
from tests.fakes.checkpoints import ProcessDied
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import Sent
from tests.pipeline.stages import Pipeline
from tests.unit.functions.tenant import DELIVERED, LEASE_SECONDS, SENDER

D = TypeVar("D")

_PORTS = {
    "alerts",
    "incidents",
    "targets",
    "undone",
    "directory",
    "mailboxes",
    "evidence",
    "activity",
    "queue",
    "dead_letters",
}
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
        for name in _PEOPLE:
            self.person(name)
            for mail in self.random.sample(_MAILS, 2):
                self.mail(name, "Inbox", _MAILS.index(mail), internet_message_id=mail)
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

    # What happens.

    async def run(self) -> None:
        """Everything at once, then rest."""
        self.start = self.now()
        for _ in range(300):
            await self.random.choice([self.report, self.act, self.pass_time, self.sweep, *[self.start_delivery] * 6])()
            for _ in range(self.random.randint(0, 12)):
                await asyncio.sleep(0)
        while self.alerts_left:
            await self.report()
        await asyncio.gather(*self.running)
        if self.bugs:
            raise self.bugs[0]
        self.faults = False
        self.tell("no more faults")
        await self.settle()

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
        command = self._command(case)
        self.tell(f"{command.kind} {case.id[-4:]}")
        for _ in range(self.random.choice([1, 1, 2])):
            await self.queue.send(command, correlation_id=case.id)

    def _command(self, case: Incident) -> Payload:
        known = {"incident_id": case.id, "command_id": f"cmd-{self.acts_left}", "by": "dana", "at": self.now()}
        waiting = [p for p in self.incidents.of(case.id, Plan) if p.state is PlanState.AWAITING_APPROVAL]
        targets = [target.id for target in self.targets.all if target.incident_id == case.id]
        match self.random.choice(["close", "undo", "approve", "approve"]):
            case "approve" if waiting:
                plan = self.random.choice(waiting)
                return ApprovePlan(plan_id=plan.id, plan_hash=plan.hash, **known)
            case "undo":
                some = self.random.sample(targets, self.random.randint(0, min(2, len(targets))))
                return UndoPull(targets=tuple(some), all=not some, **known)
            case _:
                return CloseIncident(**known)

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
