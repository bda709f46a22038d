"""The simulation finds each planted bug within the seeds of `make check`: what it looks for can be violated."""

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.play import ViolationError, play
from tests.simulation.test_cases import SEEDS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
async def test_the_simulation_finds_a_planted_bug(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch)
    with pytest.raises(ViolationError):
        await _play_all()


async def _play_all() -> None:
    for seed in range(SEEDS):
        await play(seed)
