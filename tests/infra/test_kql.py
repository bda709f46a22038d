"""Microsoft's language service judges every KQL text of the evaluated deployments (infra/kql/check.mjs)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.deployment import ROOT, TEMPLATES

NODE = shutil.which("node")
SERVICE = ROOT / "node_modules" / "@kusto" / "language-service-next"
pytestmark = pytest.mark.skipif(NODE is None or not SERVICE.exists(), reason="no node, or `npm ci` has not run")


def check(*snapshots: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE or "", str(ROOT / "infra" / "kql" / "check.mjs"), *map(str, snapshots)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_query_parses_and_binds() -> None:
    ran = check()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| project", "| projekt", "Query operator expected"),
        ("AppTraces", "AppTrace", "does not refer to any known table"),
        ("Message startswith", "Massage startswith", "'Massage' does not refer to any known column"),
        ("parse_json(", "parse_jsn(", "does not refer to any known function"),
        ("least > 300", "least > ", "Missing expression"),
    ],
)
def test_a_broken_query_is_found(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (TEMPLATES / "params" / "local.snapshot.json").read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "broken.snapshot.json"
    broken.write_text(text.replace(old, new), encoding="utf-8")

    ran = check(broken)

    assert ran.returncode == 1
    assert said in ran.stdout


def test_no_query_at_all_is_found(tmp_path: Path) -> None:
    empty = tmp_path / "empty.snapshot.json"
    empty.write_text(json.dumps({"predictedResources": []}), encoding="utf-8")

    assert check(empty).returncode == 1
