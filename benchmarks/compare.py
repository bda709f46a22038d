"""Measures another checkout and this one in turn, in one run, so that both meet the same machine.

The other checkout is copied and gets an environment of its own: an editable install of this one, or missing npm
packages, do not get in its way. It is measured by its own `benchmarks/run.py`, whose `pull` must answer as ours does.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Seconds. A stage of an old checkout that hangs must not hang us.
_LONGEST = 1800
_PULL = "import json, sys; from benchmarks import run; print(json.dumps(run.pull(int(sys.argv[1]), int(sys.argv[2]))))"
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "node_modules", "out", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Tree:
    """A checkout that can be measured."""

    root: Path
    python: str

    def pull(self, targets: int, latency_ms: int) -> dict[str, Any]:
        """What `benchmarks.run.pull` of this checkout answers."""
        ran = subprocess.run(
            [self.python, "-c", _PULL, str(targets), str(latency_ms)],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
        if ran.returncode:
            raise SystemExit(f"{self.root}: {ran.stderr}")
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return found

    @property
    def lines(self) -> int:
        """Lines of what is deployed."""
        files = [path for part in ("functions", "shared") for path in (self.root / part).rglob("*.py")]
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


@contextmanager
def copy_of(checkout: Path) -> Iterator[Tree]:
    """A copy of the checkout with an environment whose first place for modules is that copy."""
    with tempfile.TemporaryDirectory(prefix="clawback-before-") as scratch:
        root = Path(scratch) / "tree"
        shutil.copytree(checkout, root, ignore=_LEFT_OUT)
        (root / "node_modules").symlink_to((ROOT / "node_modules").resolve())
        environment = Path(scratch) / "venv"
        venv.create(environment, with_pip=False)
        (packages,) = environment.glob("lib/python*/site-packages")
        places = [str(root), *(place for place in sys.path if place.endswith("site-packages"))]
        (packages / "paths.pth").write_text("\n".join(places) + "\n", encoding="utf-8")
        yield Tree(root, str(environment / "bin" / "python"))


def compare(checkout: Path, cases: Iterable[tuple[int, int]], repeat: int) -> dict[str, Any]:
    """Medians of `repeat` runs of each case (targets, Graph latency in ms) with each checkout, in turn."""
    after = Tree(ROOT, sys.executable)
    with copy_of(checkout) as before:
        rows = []
        for targets, latency_ms in cases:
            runs: dict[str, list[dict[str, Any]]] = {"before": [], "after": []}
            for _ in range(repeat):
                for name, tree in (("before", before), ("after", after)):
                    print(f"{targets} targets, {latency_ms} ms, {name} …", file=sys.stderr, flush=True)
                    runs[name].append(tree.pull(targets, latency_ms))
            rows.append({name: _medians(found) for name, found in runs.items()})
        return {"rows": rows, "lines": {"before": before.lines, "after": after.lines}}


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}


def table(found: dict[str, Any]) -> str:
    """Before and after as Markdown."""
    lines = [
        (
            "| targets | p50 to proof | p95 to proof | worker CPU per target | Graph requests per target "
            "| HTTP requests to Graph per target | Cosmos DB requests per target |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(row["before"], row["after"]) for row in found["rows"]),
        "",
        "In each cell: before → after (after divided by before).",
        "",
        f"Lines of functions/ and shared/: {found['lines']['before']:,} → {found['lines']['after']:,}.",
    ]
    return "\n".join(lines)


def _row(before: dict[str, float], after: dict[str, float]) -> str:
    def change(figure: str, digits: int, unit: str = "") -> str:
        one, other = before[figure], after[figure]
        return f"{one:.{digits}f} → {other:.{digits}f}{unit} ({other / one:.2f})"

    latency = f" (Graph latency {before['graphLatencyMs']:.0f} ms)" if before["graphLatencyMs"] else ""
    cells = [
        f"{before['targets']:,.0f}{latency}",
        change("p50Seconds", 1, " s"),
        change("p95Seconds", 1, " s"),
        change("workerCpuMsPerTarget", 2, " ms"),
        change("graphRequestsPerTarget", 1),
        change("graphHttpRequestsPerTarget", 2),
        change("cosmosRequestsPerTarget", 2),
    ]
    return f"| {' | '.join(cells)} |"
