"""What people see. Nothing that a sender or a vendor wrote reaches the terminal as a control sequence."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.domain.message import visible

# Of a file or a pipe, where lines may be long.
_WIDE = 400

_STYLES = {
    "quarantined": "green",
    "restored": "cyan",
    "failed": "bold red",
    "denied": "bold red",
    "held": "yellow",
}


def console() -> Console:
    """A console that takes nobody's text for markup. What is not a terminal has room for every column."""
    made = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def safe(value: object, limit: int = 120) -> str:
    """Text that cannot lie on a screen."""
    return "" if value is None else visible(str(value), limit) or ""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; a value that is a state has its colour."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    # The first names the row: other commands take it, so that it is never cut off.
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        made.add_column(column)
    for row in rows:
        made.add_row(*(Text(text := safe(value), style=_STYLES.get(text, "")) for value in row))
    return made


def way(target: dict[str, Any]) -> str:
    """How the mail got there: `directly`, or through which group, forwarded by whom."""
    words = {
        "group": "through",
        "forward": "forwarded by",
        "reply": "answered by",
        "inbox_rule": "by a rule of",
        "trace": "seen by transport:",
    }
    steps = [f"{words[hop['via']]} {hop['name']}" for hop in target["hops"] if hop["via"] in words]
    return ", ".join(steps) or "directly"


def exposure(seconds: float | None) -> str:
    """Seconds as people say them."""
    return "" if seconds is None else str(timedelta(seconds=int(seconds)))


def targets(found: Iterable[dict[str, Any]]) -> Table:
    """Who had it, how they got it, and what became of it."""
    return table(
        ("mailbox", "how", "read", "folder", "state", "why", "exposed"),
        (
            (
                target["mailbox"]["address"],
                way(target),
                target.get("read", "") if target.get("copies") else "",
                ", ".join(copy["original"]["folderPath"] for copy in target.get("copies", [])),
                target["state"],
                target.get("reason"),
                exposure(seconds_exposed(target)),
            )
            for target in found
        ),
    )


def seconds_exposed(target: dict[str, Any]) -> float | None:
    """From delivery to the pull; None if either was not seen."""
    if "deliveredAt" not in target or "pulledAt" not in target:
        return None
    pulled, delivered = (datetime.fromisoformat(target[name]) for name in ("pulledAt", "deliveredAt"))
    return max(0.0, (pulled - delivered).total_seconds())


def incidents(found: Iterable[dict[str, Any]]) -> Table:
    """The newest incidents."""
    return table(
        ("incident", "state", "opened", "pulled", "targets", "title"),
        (
            (
                one["id"],
                one["state"],
                one["openedAt"],
                one["counts"]["states"].get("quarantined", 0),
                sum(plan["targets"] for plan in one.get("plans", [])),
                one.get("title"),
            )
            for one in found
        ),
    )
