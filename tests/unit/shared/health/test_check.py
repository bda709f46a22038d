import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.domain.ids import PlanId
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.tenant import Amount, Budget, Pause, PauseChange
from shared.errors import ClawbackError, DeniedError, NotFoundError, UnavailableError
from shared.health.check import ROUND, TRIPS, Asked, HealthDeps, about_us, fingerprint, stop, visit
from shared.names import WEB_SENDS_TO, Stage
from shared.pipeline.payloads import HealthCheck
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.health import Probe, ProbeResult, look
from shared.settings import Settings
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import FakeClock
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.directory import FakeDirectory
from tests.fakes.evidence import FakeEvidence
from tests.fakes.mailboxes import FakeMailboxes
from tests.fakes.queue import FakeQueue
from tests.fakes.tenant import FakeTenant

ROOT = Path(__file__).parents[4]
HEALTH = "health-" + "0" * 32


@dataclass
class Token:
    """`GraphToken`."""

    error: ClawbackError | None = None

    async def roles(self) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        return ("Mail.ReadWrite",)


@dataclass
class State:
    """`Probed`."""

    result: ProbeResult = ProbeResult.OK

    async def probe(self) -> list[Probe]:
        return [Probe(what="Cosmos DB container alerts: read", result=self.result)]


class World:
    """Pipeline with its fakes."""

    def __init__(self, checkpoints: Checkpoints | None = None, policy: Path = ROOT / "policy.yaml") -> None:
        self.clock = FakeClock()
        self.queue = FakeQueue(checkpoints, self.clock)
        self.evidence = FakeEvidence(checkpoints)
        self.token = Token()
        self.directory = FakeDirectory()
        self.mailboxes = FakeMailboxes()
        settings = Settings.model_construct(policy_path=policy)
        self.state = State()
        self.tenant = FakeTenant(checkpoints)
        self.deps = HealthDeps(
            settings=settings,
            queue=self.queue,
            evidence=self.evidence,
            dead_letters=FakeDeadLetters(),
            state=self.state,
            tenant=self.tenant,
            graph_token=self.token,
            directory=self.directory,
            mailboxes=self.mailboxes,
            now=self.clock,
        )

    async def ask(self, *mailboxes: str) -> None:
        asked = Asked(id=HEALTH, by="ada", at=self.clock.now, mailboxes=mailboxes)
        await self.evidence.keep(asked.path, asked.model_dump_json().encode())

    async def pump(self) -> list[Stage]:
        """Visit until no message is left; where the messages were."""
        been = []
        while self.queue.waiting:
            check = HealthCheck.model_validate(self.queue.waiting.pop(0).envelope.payload)
            been.append(check.stage)
            await visit(check, self.deps)
        return been

    def probes(self, check: HealthCheck) -> dict[str, tuple[str, str]]:
        report = json.loads(self.evidence.blobs[stop(check)])
        return {probe["what"]: (probe["result"], probe["detail"]) for probe in report["probes"]}


def a_check(trip: str = ROUND) -> HealthCheck:
    return HealthCheck(id=HEALTH, trip=trip, route=TRIPS[trip])


async def test_the_round_visits_every_stage_and_returns_to_the_first() -> None:
    world = World()
    await visit(a_check(), world.deps)

    assert [Stage.INGEST_ALERT, *await world.pump()] == [*Stage, Stage.INGEST_ALERT]
    assert len(world.evidence.blobs) == len(Stage) + 1


def test_web_uses_each_queue_that_it_may_send_to() -> None:
    assert {route[0] for route in TRIPS.values()} == set(WEB_SENDS_TO)


async def test_only_the_first_stop_looks_around() -> None:
    world = World()
    await visit(a_check(), world.deps)
    await world.pump()

    reports = [json.loads(blob) for blob in world.evidence.blobs.values()]
    assert [bool(report["probes"]) for report in reports] == [True] + [False] * len(Stage)
    assert reports[0]["graphRoles"] == ["Mail.ReadWrite"]


async def test_dying_anywhere_and_coming_back_twice_leaves_the_same_reports() -> None:
    counted = Checkpoints()
    plain = World(counted)
    await visit(a_check(), plain.deps)
    await plain.pump()

    for place in range(counted.passed):
        checkpoints = Checkpoints(die_at=place)
        world = World(checkpoints)
        with suppress(ProcessDied):
            await visit(a_check(), world.deps)
            await world.pump()
        checkpoints.revive()
        for _ in range(2):
            await visit(a_check(), world.deps)
        await world.pump()
        assert world.evidence.blobs == plain.evidence.blobs


async def test_a_mailbox_is_read_and_what_keeps_us_out_is_told() -> None:
    world = World()
    for name in ("ann", "ben", "cleo"):
        person = Recipient(RecipientKind.USER, f"{name}@contoso.example", id=name)
        world.directory.people[person.address] = person
        world.mailboxes.add_box(name)
    world.directory.people["team@contoso.example"] = Recipient(RecipientKind.GROUP, "team@contoso.example", id="team")
    world.mailboxes.always["ben"] = Refusal(RefusalKind.DENIED, "ErrorAccessDenied", 403)
    world.mailboxes.always["cleo"] = Refusal(RefusalKind.THROTTLED, "ApplicationThrottled", 429)
    world.directory.refusals["dora@contoso.example"] = [Refusal(RefusalKind.DENIED, "Authorization_RequestDenied", 403)]
    asked = ("ann", "ben", "cleo", "dora", "team", "nobody")

    await world.ask(*(f"{name}@contoso.example" for name in asked))
    await visit(a_check(), world.deps)

    found = world.probes(a_check())
    assert {name: found[f"mailbox {name}@contoso.example"] for name in asked} == {
        "ann": ("ok", ""),
        "ben": ("denied", "ErrorAccessDenied"),
        "cleo": ("unavailable", "ApplicationThrottled"),
        "dora": ("unavailable", "directory: Authorization_RequestDenied"),
        "team": ("missing", "the directory says: group"),
        "nobody": ("missing", "the directory says: unknown"),
    }


async def test_what_is_broken_hides_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("version: 2", encoding="utf-8")
    world = World(policy=tmp_path / "policy.yaml")
    world.token.error = DeniedError("Graph: no token")
    world.state.result = ProbeResult.DENIED

    await visit(a_check(), world.deps)

    ill = {what for what, (found, _) in world.probes(a_check()).items() if found != "ok"}
    assert ill == {"policy", "Graph token", "Cosmos DB container alerts: read", "what was asked for"}
    assert world.queue.waiting


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, ProbeResult.OK),
        (NotFoundError("peek"), ProbeResult.MISSING),
        (DeniedError("peek"), ProbeResult.DENIED),
        (UnavailableError("peek"), ProbeResult.UNAVAILABLE),
        (ValueError("secret"), ProbeResult.WRONG),
    ],
)
async def test_look_makes_a_probe_of_whatever_happens(error: Exception | None, result: ProbeResult) -> None:
    async def call() -> None:
        if error is not None:
            raise error

    probe = await look("queue x", call())
    assert (probe.what, probe.result) == ("queue x", result)
    assert "secret" not in probe.detail


def test_the_fingerprint_is_of_the_code_and_of_nothing_else(tmp_path: Path) -> None:
    for name in ("function_app.py", "host.json", "policy.yaml", "functions/a.py", "shared/names.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    before = fingerprint(tmp_path)
    (tmp_path / "functions" / "a.pyc").write_bytes(b"byte code")
    fingerprint.cache_clear()
    assert fingerprint(tmp_path) == before
    (tmp_path / "functions" / "a.py").write_text("changed", encoding="utf-8")
    fingerprint.cache_clear()
    assert fingerprint(tmp_path) != before
    assert about_us(FakeClock().now).code == fingerprint()


@pytest.mark.parametrize("route", [(), (Stage.REPORT,) * 11])
def test_a_route_has_an_end_and_a_beginning(route: tuple[Stage, ...]) -> None:
    with pytest.raises(ValidationError):
        HealthCheck(id=HEALTH, trip=ROUND, route=route)


@pytest.mark.parametrize(
    "named",
    [
        {"id": "health-1"},
        {"id": "../anchors/incident-1"},
        {"id": HEALTH + "\n"},
        {"trip": "../x"},
        {"trip": ""},
        {"trip": "a/b"},
    ],
)
def test_a_forged_message_names_no_other_blob(named: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HealthCheck(**{"id": HEALTH, "trip": ROUND, "route": TRIPS[ROUND], **named})


async def test_what_keeps_pulls_back_is_reported() -> None:
    world = World()
    told = PauseChange(command_id="cmd-1", paused=True, by="ann", at=world.clock.now, reason="wrong mail")
    world.tenant.put(Pause(changes=(told,)))
    world.tenant.put(Budget().with_plan(PlanId("plan-1"), Amount(targets=7, mailboxes=5), world.clock.now))
    await world.ask()
    await visit(a_check(), world.deps)

    found = json.loads(world.evidence.blobs[stop(a_check())])["pulling"]

    assert (found["mode"], found["paused"]["by"], found["paused"]["reason"]) == ("act", "ann", "wrong mail")
    assert (found["lastHour"], found["lastDay"]) == ({"targets": 7, "mailboxes": 5},) * 2
    assert (found["targetsPerHour"], found["targetsPerDay"]) == (1000, 5000)


async def test_with_a_policy_that_is_wrong_the_rest_is_reported(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("version: 2", encoding="utf-8")
    world = World(policy=tmp_path / "policy.yaml")
    await visit(a_check(), world.deps)
    assert json.loads(world.evidence.blobs[stop(a_check())])["pulling"] is None
