"""docs/problems.md tells every problem type that the code answers with, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _answered() -> set[tuple[str, str]]:
    found = set()
    for folder in ("functions", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                    status, slug = node.args[:2]
                    assert isinstance(status, ast.Constant), path
                    assert isinstance(slug, ast.Constant), path
                    found.add((str(slug.value), str(status.value)))
    return found


def test_the_page_and_the_code_say_the_same() -> None:
    page = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+(?:, \d+)*) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert {(slug, status) for slug, statuses, _, _ in rows for status in statuses.split(", ")} == _answered()
    assert [slug for slug, *_ in rows] == sorted({slug for slug, *_ in rows})
