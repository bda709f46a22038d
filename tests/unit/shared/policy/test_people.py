"""The people whom the policy names are asked for once in five minutes, and never guessed."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.recipient import Recipient, RecipientKind
from shared.errors import DeniedError, UnavailableError
from shared.policy import Policy
from shared.policy.people import MAX_AGE, NamedPeople, PolicyPeople, named_people
from shared.ports.answers import Answer, Refusal, RefusalKind
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory

POLICY = Policy.model_validate(
    {
        "version": 1,
        "rules": [],
        "privileged": {"groups": ["executives@contoso.example", "id-admins"]},
        "protected": {"people": ["chair@contoso.example", "id-dan"], "groups": ["executives@contoso.example"]},
    }
)


class World:
    def __init__(self) -> None:
        self.checkpoints = Checkpoints()
        self.directory = FakeDirectory(self.checkpoints)
        self.now = FakeClock()
        self.people = PolicyPeople(POLICY, self.directory, self.now)
        self.add("executives", RecipientKind.GROUP)
        self.add("chair", RecipientKind.USER)
        self.directory.groups["executives"] = [Recipient(RecipientKind.USER, "ann@contoso.example", "ann")]
        self.directory.groups["id-admins"] = [Recipient(RecipientKind.USER, "bob@contoso.example", "bob")]

    def add(self, name: str, kind: RecipientKind) -> None:
        address = f"{name}@contoso.example"
        self.directory.people[address] = Recipient(kind, address, name)

    @property
    def asked(self) -> int:
        return self.checkpoints.names.count("transitive members")


async def test_names_are_addresses_or_ids() -> None:
    found = await named_people(POLICY, World().directory)
    assert found == NamedPeople(frozenset({"ann", "bob"}), frozenset({"ann", "chair", "id-dan"}))


async def test_a_name_that_leads_to_nobody_is_a_note() -> None:
    world = World()
    del world.directory.people["chair@contoso.example"]
    assert (await world.people.read()).notes == ("policy_names_nobody",)


async def test_a_group_that_is_gone_is_a_note() -> None:
    world = World()
    world.directory.refusals["id-admins"] = [Refusal(RefusalKind.NOT_FOUND, "Request_ResourceNotFound", 404)]
    found = await world.people.read()
    assert found.notes == ("policy_group_unreadable",)
    assert found.privileged == {"ann"}


async def test_a_burst_asks_once_and_a_later_alert_again() -> None:
    world = World()
    first = await world.people.read()
    world.directory.groups["executives"] = []
    world.now.advance((MAX_AGE - timedelta(seconds=1)).total_seconds())
    assert await world.people.read() == first
    assert world.asked == 1
    world.now.advance(1)
    assert (await world.people.read()).privileged == {"bob"}
    assert world.asked == 2


async def test_those_who_come_while_it_is_asked_wait_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    real, may_answer = world.directory.transitive_members, asyncio.Event()

    async def slow(group_ids: list[str]) -> dict[str, Answer[tuple[str, ...]]]:
        await may_answer.wait()
        return await real(group_ids)

    monkeypatch.setattr(world.directory, "transitive_members", slow)
    readers = [asyncio.create_task(world.people.read()) for _ in range(20)]
    await asyncio.sleep(0)
    may_answer.set()
    assert len(set(await asyncio.gather(*readers))) == 1
    assert world.asked == 1


@pytest.mark.parametrize(
    ("kind", "error"), [(RefusalKind.THROTTLED, UnavailableError), (RefusalKind.DENIED, DeniedError)]
)
async def test_what_cannot_be_told_is_not_kept_and_what_is_too_old_not_used(
    kind: RefusalKind, error: type[Exception]
) -> None:
    world = World()
    first = await world.people.read()
    world.now.advance(MAX_AGE.total_seconds())
    world.directory.refusals["executives"] = [Refusal(kind, "x", 429, 5.0)]
    with pytest.raises(error):
        await world.people.read()
    assert await world.people.read() == first
