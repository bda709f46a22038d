"""host.json and the page that gives the reason for each of its values say the same."""

import json
import re
from pathlib import Path
from typing import Any

from local.emulators.functions_host.config import read_host_json
from shared.pipeline.envelope import SPARE_AFTER
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| `([\w.]+)` \| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _leaves(inner, f"{path}.{key}".strip(".")).items()}
    return {path: value if isinstance(value, str) else json.dumps(value)}


def test_every_value_is_explained_and_every_explained_value_is_there() -> None:
    file = _leaves(json.loads((ROOT / "host.json").read_text(encoding="utf-8")))
    rows = _ROW.findall((ROOT / "docs" / "host-json.md").read_text(encoding="utf-8"))
    assert {name: value for name, value, _, _ in rows} == file
    assert len(rows) == len(file)
    assert all(len(why.strip()) > 20 for _, _, _, why in rows)


def test_the_local_host_honours_it() -> None:
    config = read_host_json(ROOT / "host.json")
    assert config.queues.base64
    assert config.queues.batch_size + config.queues.new_batch_threshold == 4
    # Five attempts at once would be none: see the page.
    assert config.queues.visibility_timeout.total_seconds() > 0


def test_work_goes_on_within_three_minutes_after_a_host_has_died() -> None:
    """The spare copy of its message is seen, or its lease ends and the sweep of each minute finds it."""
    lease = Settings.model_fields["lease_seconds"].default
    sweep = 60
    assert lease < SPARE_AFTER.total_seconds()
    assert max(SPARE_AFTER.total_seconds(), lease + sweep) <= 150, "half a minute is left for the work itself"
