"""Workers side by side, deaths, duplicates, lost answers, conflicts, people who act: what holds when all is at rest."""

import pytest

from tests.simulation.play import play

SEEDS = 300


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_every_case_is_as_it_should_be(seed: int) -> None:
    await play(seed)
