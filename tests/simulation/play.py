"""One story, from its seed to its end."""

import asyncio
import random
import traceback

from tests.simulation.invariants import all_holds, nothing_is_hidden_after_everything_is_undone
from tests.simulation.world import Simulation


class ViolationError(AssertionError):
    """Something that always holds does not: what, and the story that led to it."""


async def play(seed: int) -> None:
    """Play the story of this seed, and look at the result.

    Raises:
        ViolationError: with the last lines of the story.
    """
    # Backoffs of the code under test are drawn from the module's own generator.
    random.seed(seed)
    world = Simulation(seed)
    try:
        await world.run()
        await all_holds(world)
        if seed % 2:
            await world.undo_everything()
            await nothing_is_hidden_after_everything_is_undone(world)
            await all_holds(world)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        lines = "\n".join(world.story)
        what = f"{where.name}: {error!r}" if str(error) else f"{where.name}: {where.line}"
        raise ViolationError(f"seed {seed}: {what}\n{lines}\nagain: make simulate SEED={seed}") from error


def outcome(seed: int) -> tuple[int, str | None]:
    """The seed, and what was violated."""
    try:
        asyncio.run(play(seed))
    except ViolationError as error:
        return seed, str(error)
    return seed, None
