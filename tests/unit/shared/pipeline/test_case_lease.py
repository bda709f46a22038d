"""One worker at a time does all work of one kind on a case, and whatever happens to workers, no work is lost."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain.ids import IncidentId
from shared.domain.incident import Lease
from shared.errors import ConflictError, UnavailableError
from shared.pipeline import case_lease
from shared.pipeline.case_lease import CaseWork, alone, resumed
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, IncidentChanged
from shared.pipeline.stage import Done
from shared.settings import Settings
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.fakes.clock import FakeClock
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets
from tests.fakes.tenant import FakeTenant

INCIDENT = IncidentId("inc-1")
MESSAGE = EnrichAlerts(incident_id=INCIDENT)
LEASE_SECONDS = 60


class Case:
    """A case with pieces of work, of which two at a time are done."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.checkpoints = checkpoints or Checkpoints()
        self.now = FakeClock()
        self.incidents = FakeIncidents(self.checkpoints)
        self.tenant = FakeTenant(self.checkpoints)
        self.targets = FakeTargets()
        self.queue = FakeQueue(self.checkpoints, self.now)
        self.settings = Settings(
            queue_service="https://queue.example.com",
            blob_service="https://blob.example.com",
            cosmos_endpoint="https://cosmos.example.com",
            lease_seconds=LEASE_SECONDS,
        )
        self.left: list[int] = []
        self.done: list[int] = []
        self.at_work = 0
        self.looks = 0

    async def work(self) -> bool:
        """One batch, as the stages do it: True if it did something."""
        self.at_work += 1
        self.looks += 1
        assert self.at_work == 1, "two workers at once"
        try:
            batch = self.left[:2]
            self.checkpoints.checkpoint("in the middle of the work")
            await asyncio.sleep(0)
            self.done += batch
            self.left = [one for one in self.left if one not in batch]
            self.checkpoints.checkpoint("after the work")
        finally:
            self.at_work -= 1
        return bool(batch)

    async def deliver(self, message: CaseWork = MESSAGE) -> None:
        assert await alone(message, self.work, self) == Done()

    @property
    def free(self) -> bool:
        """Whether nobody has the lease."""
        return all(lease.value.until is None for case in self.incidents.leases.values() for lease in case.all(Lease))


async def test_all_work_is_done_and_the_lease_is_given_back() -> None:
    case = Case()
    case.left = [1, 2, 3]
    await case.deliver()
    assert (case.done, case.left, case.looks) == ([1, 2, 3], [], 3)
    assert case.free
    assert case.queue.sent == []


async def test_nothing_to_do_is_one_look() -> None:
    case = Case()
    await case.deliver()
    assert (case.looks, case.free, case.queue.sent) == (1, True, [])


async def test_who_finds_the_lease_taken_is_done_and_the_holder_looks_once_more() -> None:
    case = Case()
    came = iter([1])

    async def work() -> bool:
        more = await case.work()
        for number in came:
            # New work, and its message, after the holder has looked for the last time.
            case.left.append(number)
            await case.deliver()
            assert case.done == []
        return more

    assert await alone(MESSAGE, work, case) == Done()
    assert (case.done, case.left) == ([1], [])
    assert case.free


async def test_of_many_at_once_one_works() -> None:
    case = Case()
    case.left = [1, 2]
    await asyncio.gather(*(case.deliver() for _ in range(50)))
    # One batch, a look that finds nothing, and one more since others asked.
    assert (case.done, case.looks, case.free, case.queue.sent) == ([1, 2], 3, True, [])


async def test_each_kind_of_work_and_each_case_has_a_lease_of_its_own() -> None:
    case = Case()
    seen: list[CaseWork] = []
    messages: list[CaseWork] = [
        EnrichAlerts(incident_id=INCIDENT),
        ExpandRecipients(incident_id=INCIDENT),
        IncidentChanged(incident_id=INCIDENT),
        EnrichAlerts(incident_id=IncidentId("inc-2")),
    ]

    async def nested() -> bool:
        message = messages[len(seen)]
        seen.append(message)
        if len(seen) < len(messages):
            assert await alone(messages[len(seen)], nested, case) == Done()
        return False

    assert await alone(messages[0], nested, case) == Done()
    assert seen == messages
    assert case.free


async def test_more_work_than_three_batches_is_sent_on() -> None:
    case = Case()
    case.left = list(range(7))
    await case.deliver()
    assert (case.done, case.left) == ([0, 1, 2, 3, 4, 5], [6])
    assert case.queue.sent == [MESSAGE]
    assert case.free
    await case.deliver()
    assert (case.left, case.queue.sent) == ([], [MESSAGE])


async def test_a_holder_that_is_asked_again_and_again_does_not_go_on_for_ever() -> None:
    case = Case()

    async def work() -> bool:
        case.looks += 1
        await case.deliver()
        return False

    await alone(MESSAGE, work, case)
    assert case.looks == 3
    # Who asked last is not forgotten.
    assert case.queue.sent == [MESSAGE]
    assert case.free


@pytest.mark.parametrize("error", [UnavailableError("directory"), ConflictError("case"), RuntimeError("a bug")])
async def test_an_exception_gives_the_lease_back_also_if_others_asked_meanwhile(error: Exception) -> None:
    case = Case()

    async def fails() -> bool:
        await case.deliver()
        raise error

    with pytest.raises(type(error)):
        await alone(MESSAGE, fails, case)
    assert case.free
    case.left = [1]
    await case.deliver()
    assert case.done == [1]


async def test_a_lease_that_cannot_be_given_back_does_not_hide_why(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()

    async def down(_: object) -> None:
        raise UnavailableError("incidents")

    async def fails() -> bool:
        monkeypatch.setattr(case.incidents, "release_lease", down)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await alone(MESSAGE, fails, case)


async def dies_holding(case: Case) -> None:
    async def dies() -> bool:
        raise ProcessDied("in the middle")

    with pytest.raises(ProcessDied):
        await alone(MESSAGE, dies, case)


async def test_a_holder_that_died_keeps_others_out_only_until_its_lease_ends() -> None:
    case = Case()
    case.left = [1]
    await dies_holding(case)
    case.now.advance(LEASE_SECONDS - 1)
    await case.deliver()
    assert case.done == []
    case.now.advance(1)
    await case.deliver()
    assert (case.done, case.free) == ([1], True)


async def test_a_holder_renews_its_lease_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    waits: list[float] = []

    async def pause(length: timedelta) -> None:
        waits.append(length.total_seconds())
        case.now.advance(length.total_seconds())
        await asyncio.sleep(0)

    async def works_for_long() -> bool:
        for _ in range(20):
            await asyncio.sleep(0)
        assert await case.incidents.acquire_lease(INCIDENT, "enrich", case.now(), case.now()) is None
        return False

    monkeypatch.setattr(case_lease, "_pause", pause)
    assert await alone(MESSAGE, works_for_long, case) == Done()
    assert set(waits) == {LEASE_SECONDS / 3}
    assert sum(waits) > LEASE_SECONDS, "longer than one lease"
    assert case.free


async def test_a_lease_that_another_has_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    waits = 0

    async def pause(length: timedelta) -> None:
        nonlocal waits
        waits += 1
        case.now.advance(LEASE_SECONDS + 1)
        assert await case.incidents.acquire_lease(INCIDENT, "enrich", case.now(), case.now() + 2 * length)

    async def works_for_long() -> bool:
        for _ in range(20):
            await asyncio.sleep(0)
        return False

    monkeypatch.setattr(case_lease, "_pause", pause)
    assert await alone(MESSAGE, works_for_long, case) == Done()
    assert waits == 1


async def test_the_sweep_sends_the_message_of_a_holder_that_died() -> None:
    case = Case()
    await dies_holding(case)
    deps = SweepDeps(targets=case.targets, incidents=case.incidents, tenant=case.tenant, queue=case.queue, now=case.now)
    assert await sweep(deps) == 0
    case.now.advance(LEASE_SECONDS + 1)
    assert await sweep(deps) == 1
    assert case.queue.sent == [MESSAGE]
    await case.deliver()
    assert await sweep(deps) == 0


async def test_a_holder_that_was_only_slow_does_not_give_back_what_is_anothers() -> None:
    case = Case()
    slow = await case.incidents.acquire_lease(INCIDENT, "enrich", case.now(), case.now() + timedelta(seconds=1))
    assert slow is not None
    case.now.advance(2)
    other = await case.incidents.acquire_lease(INCIDENT, "enrich", case.now(), case.now() + timedelta(seconds=60))
    assert other is not None
    assert await case.incidents.release_lease(slow) is None
    await case.deliver()
    assert case.looks == 0
    assert await case.incidents.release_lease(other) is not None


@pytest.mark.parametrize("kind", [EnrichAlerts, ExpandRecipients, IncidentChanged])
def test_a_lease_names_its_message(kind: type[CaseWork]) -> None:
    lease = Lease(id=f"lease:{kind.stage}", incident_id=INCIDENT, holder="h")
    assert resumed(lease) == kind(incident_id=INCIDENT)


def test_a_lease_of_a_newer_version_names_nothing() -> None:
    assert resumed(Lease(id="lease:triage", incident_id=INCIDENT, holder="h")) is None


@given(
    deliveries=st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 14))), min_size=1, max_size=8),
    early=st.booleans(),
)
async def test_whatever_dies_no_work_is_lost(deliveries: list[tuple[int, int | None]], *, early: bool) -> None:
    """Each delivery brings some work; it may die at any place, and then its message comes again."""
    case = Case()
    expected = 0
    for pieces, dies_after in deliveries:
        case.left += range(expected, expected + pieces)
        expected += pieces
        if dies_after is not None:
            case.checkpoints.die_at = case.checkpoints.passed + dies_after
        try:
            await case.deliver()
        except ProcessDied:
            case.checkpoints.revive()
            if not early:
                case.now.advance(LEASE_SECONDS + 1)
            # If this is before the lease has ended, the message is done with; then the sweep sends another.
            await case.deliver()
        case.checkpoints.revive()
    case.now.advance(LEASE_SECONDS + 1)
    deps = SweepDeps(targets=case.targets, incidents=case.incidents, tenant=case.tenant, queue=case.queue, now=case.now)
    await sweep(deps)
    for _ in range(20):
        if not case.queue.sent:
            break
        case.queue.sent.pop()
        await case.deliver()
    assert case.left == []
    assert sorted(set(case.done)) == list(range(expected))
    assert case.free
