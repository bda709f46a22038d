"""Play many seeds, on all cores: `python -m tests.simulation --seeds 10000`, or one again: `--seed 4711`."""

import argparse
import multiprocessing
import os
import sys
import time

from shared.settings import SIGN_IN, SignInMode
from tests.simulation.play import outcome

# A failing seed prints the end of its story; `--seed` prints all of it.
_LINES = 40


def main() -> int:
    """Play them; 1 if something was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many, from 0 on (default: 300)")
    parser.add_argument("--seed", type=int, help="only this one, with its whole story")
    arguments = parser.parse_args()
    # As tests/conftest.py does for pytest: nobody signs people in here.
    os.environ[SIGN_IN] = SignInMode.OFF
    if arguments.seed is not None:
        _, violated = outcome(arguments.seed)
        print(violated or f"seed {arguments.seed}: everything holds")
        return int(violated is not None)
    found, started = 0, time.monotonic()
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, (_, violated) in enumerate(pool.imap(outcome, range(arguments.seeds), chunksize=20), start=1):
            if violated is not None:
                found += 1
                first, *story = violated.splitlines()
                print("\n".join((first, *story[-_LINES:])), flush=True)
            if done % 100 == 0 or done == arguments.seeds:
                print(
                    f"{done} of {arguments.seeds} seeds, {found} violations, {time.monotonic() - started:.0f} s",
                    file=sys.stderr,
                )
    return int(found > 0)


if __name__ == "__main__":
    raise SystemExit(main())
