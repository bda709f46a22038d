"""What people undid: what every implementation must do. The service behind is the local Cosmos DB or a real one."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.ids import IncidentId
from shared.domain.undone import MAX_KEPT, UndoClass, UndoEntry
from shared.ports.undone import UndoneStore
from tests.fakes.clock import START
from tests.fakes.undone import FakeUndone


@pytest.fixture
def undone(services: Services | None) -> UndoneStore:
    return FakeUndone() if services is None else services.undone


def an_undo(number: int = 1, by: str = "Ann") -> UndoEntry:
    return UndoEntry(
        command_id=f"cmd-{number}",
        incident_id=IncidentId("inc-1"),
        by=by,
        at=START + timedelta(minutes=number),
        reason="it is our newsletter 🐟",
        undo_class=UndoClass.FALSE_POSITIVE,
    )


async def test_what_was_undone_is_found_by_each_key_and_nothing_else_is(undone: UndoneStore) -> None:
    name = uuid4().hex
    keys = [f"msg-{name}-{number}" for number in range(150)]

    await undone.remember(keys, an_undo())

    found = await undone.recall([*keys, f"msg-{name}-other"])
    assert found.keys() == set(keys)
    assert {(one.message_key, one.entries) for one in found.values()} == {(key, (an_undo(),)) for key in keys}
    assert await undone.recall([]) == {}


async def test_the_same_undo_is_kept_once_and_another_one_beside_it_the_newest_first(undone: UndoneStore) -> None:
    key = f"msg-{uuid4().hex}"
    for number in (1, 2, 1, 2):
        await undone.remember([key, key], an_undo(number))
    assert (await undone.recall([key]))[key].entries == (an_undo(2), an_undo(1))


async def test_only_the_newest_undos_are_kept_in_whatever_order_they_come(undone: UndoneStore) -> None:
    key = f"msg-{uuid4().hex}"
    numbers = list(range(MAX_KEPT + 3))
    for number in (*numbers[5:], *numbers[:5], *numbers[:2]):
        await undone.remember([key], an_undo(number))
    entries = (await undone.recall([key]))[key].entries
    assert entries == tuple(an_undo(number) for number in reversed(numbers[3:]))


async def test_undos_of_several_people_in_the_same_moment_are_all_kept(undone: UndoneStore) -> None:
    key = f"msg-{uuid4().hex}"
    await asyncio.gather(*(undone.remember([key], an_undo(number)) for number in range(4)))
    assert len((await undone.recall([key]))[key].entries) == 4
