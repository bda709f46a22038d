"""`python -m local.tenant phishing --out FILE`: write a scenario as a tenant for `local.emulators.graph`."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.emulators.graph import model
from local.tenant.generate import generate
from local.tenant.scenario import load_scenario


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 2 if the scenario is none."""
    parser = argparse.ArgumentParser(prog="python -m local.tenant", description=__doc__)
    parser.add_argument("scenario", help="a name in local/tenant/scenarios, or a file that ends in .yaml")
    parser.add_argument("--out", type=Path, required=True, help="the tenant file")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    name = Path(given.scenario) if given.scenario.endswith(".yaml") else given.scenario
    try:
        made = generate(load_scenario(name), seed=given.seed, now=datetime.now(UTC).replace(microsecond=0))
    except model.ModelError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's error
        return 2
    model.dump(made.tenant, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
