"""Runs every conformance suite (tests/conformance/*/run.py) and prints one table of counts.

The exit code is 1 if a suite found something that its list of expected refusals and differences does not have.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def main() -> int:
    """Run the suites one after the other. The exit code."""
    rows: list[list[str]] = [["service", "passed", "refused", "different", "as expected"]]
    failed = False
    for suite in sorted(_HERE.glob("*/run.py")):
        run = subprocess.run([sys.executable, str(suite)], stdout=subprocess.PIPE, check=False)
        failed = failed or run.returncode != 0
        told: dict[str, Any] = json.loads(run.stdout) if run.stdout else {"passed": 0, "refused": [], "different": []}
        counts = (told["passed"], len(told["refused"]), len(told["different"]))
        rows.append([suite.parent.name, *map(str, counts), "no" if run.returncode else "yes"])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for name, *cells in rows:
        line = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        sys.stdout.write("  ".join(line) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
