"""Text for people. Nothing that a sender or a vendor wrote reaches the terminal as a control sequence."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.text import safe

# Columns of a file or a pipe, where lines may be long.
_WIDE = 400

# Columns that a table needs to show each of its cells in a few lines. A narrower screen has other tables.
_ENOUGH = 140

# Rows that are laid out together: a table needs all its rows in memory to know how wide its columns are.
_ROWS = 1000

_STYLES = {
    "quarantined": "green",
    "partly_quarantined": "bold yellow",
    "partly_restored": "bold yellow",
    "already_quarantined": "green",
    "restored": "cyan",
    "failed": "bold red",
    "denied": "bold red",
    "held": "yellow",
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Handled with all other output (cli/main.py). Rich would end the program as if the command were refused.
        raise  # noqa: PLE0704 - Rich calls this while it handles the error


def console() -> Console:
    """A console that never reads text as markup. Output that is not a terminal has room for every column."""
    made = _Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; a cell that is a state has the state's colour."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    # The first names the row: other commands take it, so that it is never cut off.
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        made.add_column(column)
    for row in rows:
        made.add_row(*(Text(text := safe(value), style=_STYLES.get(text, "")) for value in row))
    return made


def way(target: dict[str, Any]) -> str:
    """How the mail got to the target: `directly`, or through which group, forwarded by whom."""
    words = {
        "group": "through",
        "forward": "forwarded by",
        "reply": "answered by",
        "inbox_rule": "by a rule of",
        "trace": "seen by transport:",
    }
    steps = [f"{words[hop['via']]} {hop.get('name')}" for hop in target.get("hops", []) if hop.get("via") in words]
    return ", ".join(steps) or "directly"


def address(target: dict[str, Any]) -> str:
    """The target's mailbox."""
    return str(target.get("mailbox", {}).get("address", ""))


def exposure(seconds: float | None) -> str:
    """Seconds as `h:mm:ss`; empty if they are not known."""
    return "" if seconds is None else str(timedelta(seconds=int(seconds)))


def seconds_exposed(target: dict[str, Any]) -> float | None:
    """How long the mail could be opened, as the API says; None if that is not known.

    An older API does not say it: there it is from delivery to the pull.
    """
    if "exposedSeconds" in target:
        known: float | None = target["exposedSeconds"]
        return known
    if "deliveredAt" not in target or "pulledAt" not in target:
        return None
    pulled, delivered = (datetime.fromisoformat(target[name]) for name in ("pulledAt", "deliveredAt"))
    return max(0.0, (pulled - delivered).total_seconds())


def exposed(target: dict[str, Any]) -> str:
    """How long the mail could be opened; with a `+` if it still can be, or may be."""
    text = exposure(seconds_exposed(target))
    return f"{text}+" if text and target.get("stillReachable") else text


def targets(found: Iterable[dict[str, Any]], width: int = _WIDE) -> Iterator[Table]:
    """Who had the mail, how they got it, and what became of it: one table for every thousand targets.

    Args:
        found: the targets.
        width: columns of the screen. On a narrow one each target has several lines: its state and exposure stay whole.
    """
    lay_out = _targets if width >= _ENOUGH else _narrow_targets
    rest = iter(found)
    rows = list(islice(rest, _ROWS))
    yield lay_out(rows)
    while rows := list(islice(rest, _ROWS)):
        yield lay_out(rows)


def _narrow_targets(found: Iterable[dict[str, Any]]) -> Table:
    made = _narrow("state", "exposed", "mailbox, why, where, how")
    for target in found:
        read = target.get("read", "") if target.get("copies") else ""
        where = " in ".join(part for part in (read, _folders(target)) if part)
        about = (part for part in (address(target), target.get("reason"), where, way(target)) if part)
        state = safe(target.get("state"))
        made.add_row(Text(state, style=_STYLES.get(state, "")), exposed(target), Text("\n".join(map(safe, about))))
    return made


def _narrow(*columns: str) -> Table:
    """A table whose last column takes what room is left, and whose others are never cut off."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns[:-1]:
        made.add_column(column, no_wrap=True)
    made.add_column(columns[-1], overflow="fold")
    return made


def _folders(target: dict[str, Any]) -> str:
    return ", ".join(str(copy.get("original", {}).get("folderPath", "")) for copy in target.get("copies", []))


def _targets(found: Iterable[dict[str, Any]]) -> Table:
    return table(
        ("mailbox", "how", "read", "folder", "state", "why", "exposed"),
        (
            (
                address(target),
                way(target),
                target.get("read", "") if target.get("copies") else "",
                _folders(target),
                target.get("state"),
                target.get("reason"),
                exposed(target),
            )
            for target in found
        ),
    )


def incidents(found: Iterable[dict[str, Any]], width: int = _WIDE) -> Table:
    """The newest incidents, for a screen of so many columns."""
    if width < _ENOUGH:
        return _narrow_incidents(found)
    return table(
        ("incident", "state", "opened", "pulled", "targets", "title"),
        (
            (
                one.get("id"),
                one.get("state"),
                one.get("openedAt"),
                one.get("counts", {}).get("states", {}).get("quarantined", 0),
                one.get("targets", 0),
                one.get("title"),
            )
            for one in found
        ),
    )


def _narrow_incidents(found: Iterable[dict[str, Any]]) -> Table:
    made = _narrow("incident", "state", "about")
    for one in found:
        pulled = one.get("counts", {}).get("states", {}).get("quarantined", 0)
        numbers = f"{safe(pulled)} of {safe(one.get('targets', 0))} pulled, opened {safe(one.get('openedAt'))}"
        about = (part for part in (numbers, safe(one.get("title"))) if part)
        made.add_row(Text(safe(one.get("id"))), safe(one.get("state")), Text("\n".join(about)))
    return made
