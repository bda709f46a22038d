import io
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from cli import show as screen

BAD = "\x1b]0;owned\x07\x1b[31mred\u202egpj.exe\u2066\x9b2J\r\nnew line\ttab\u2028[bold]markup[/bold] :boom: \ud800"


def _target(**changes: Any) -> dict[str, Any]:
    return {
        "mailbox": {"address": "ada@contoso.example"},
        "hops": [{"via": "alert", "name": "tap"}],
        "state": "quarantined",
        **changes,
    }


def _drawn(*what: Any) -> str:
    console = screen.console()
    console.file = out = io.StringIO()
    for one in what:
        console.print(one)
    return out.getvalue()


def test_hostile_text_is_printed_as_text() -> None:
    drawn = _drawn(screen.table(("subject",), [(BAD,)]))
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\r", "\t", "\ud800"} & set(drawn)
    assert "[bold]markup[/bold] :boom:" in drawn
    assert len(drawn.splitlines()) == 2


@pytest.mark.parametrize("width", [80, 100, 400])
def test_the_first_column_is_never_cut_off(width: int) -> None:
    console = screen.console()
    console.file, console.width = io.StringIO(), width
    row = ("expand_recipients-7629260f-0f6a-4a53-9d51-1d2f0b8d4c11", *["about twenty letters"] * 5)
    console.print(screen.table("abcdef", [row]))
    assert row[0] in console.file.getvalue()


def test_a_long_line_stays_one_line() -> None:
    line = "way " * 60
    assert _drawn(line) == f"{line}\n"


@pytest.mark.parametrize(
    ("hops", "text"),
    [
        ([("alert", "tap")], "directly"),
        ([("alert", "tap"), ("group", "a@x"), ("group", "b@x")], "through a@x, through b@x"),
        ([("alert", "tap"), ("forward", "bob@x"), ("reply", "eve@x")], "forwarded by bob@x, answered by eve@x"),
        ([("inbox_rule", "dan@x")], "by a rule of dan@x"),
        ([("trace", "message trace")], "seen by transport: message trace"),
    ],
)
def test_the_way_is_printed_in_words(hops: list[tuple[str, str]], text: str) -> None:
    assert screen.way(_target(hops=[{"via": via, "name": name} for via, name in hops])) == text


def test_exposure_needs_both_times_and_is_never_negative() -> None:
    delivered, pulled = "2026-03-02T09:00:00Z", "2026-03-02T10:01:05Z"
    assert screen.seconds_exposed(_target(deliveredAt=delivered)) is None
    assert screen.seconds_exposed(_target(pulledAt=pulled)) is None
    assert screen.exposure(screen.seconds_exposed(_target(deliveredAt=delivered, pulledAt=pulled))) == "1:01:05"
    assert screen.seconds_exposed(_target(deliveredAt=pulled, pulledAt=delivered)) == 0
    assert screen.exposure(None) == ""


def test_a_read_state_that_was_not_seen_is_not_shown() -> None:
    seen = _target(read="read", copies=[{"original": {"folderPath": "Inbox/Payroll"}}])
    (line,) = _drawn(*screen.targets([seen])).splitlines()[1:]
    assert line.split() == ["ada@contoso.example", "directly", "read", "Inbox/Payroll", "quarantined"]
    gone = _target(read="unknown", copies=[], state="gone_by_user", reason="purged")
    (line,) = _drawn(*screen.targets([gone])).splitlines()[1:]
    assert line.split() == ["ada@contoso.example", "directly", "gone_by_user", "purged"]


def test_many_targets_are_printed_in_several_tables() -> None:
    taken: list[int] = []

    def many() -> Iterator[dict[str, Any]]:
        for number in range(2001):
            taken.append(number)
            yield _target(mailbox={"address": f"{number}@contoso.example"})

    tables = screen.targets(many())
    drawn = _drawn(next(tables))
    assert len(taken) == 1000
    drawn += _drawn(*tables)
    assert sum(line.split()[0] == "mailbox" for line in drawn.splitlines()) == 3
    assert sum("@contoso.example" in line for line in drawn.splitlines()) == 2001


def test_without_targets_there_is_a_header() -> None:
    assert _drawn(*screen.targets([])).split()[0] == "mailbox"


def test_a_target_of_a_newer_version_may_lack_fields() -> None:
    assert _drawn(*screen.targets([{"hops": [{"via": "a new way"}], "copies": [{}]}]))
    assert _drawn(screen.incidents([{}]))


def test_states_have_their_colour_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    console.print(screen.table(("state",), [("failed",), ("quarantined",)]))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[1;31mfailed" in console.file.getvalue()
    assert "\x1b[32mquarantined" in console.file.getvalue()


def test_incidents_say_how_many_were_pulled_of_how_many() -> None:
    one = {
        "id": "incident-1",
        "state": "pulling",
        "openedAt": "2026-03-02T09:00:00Z",
        "counts": {"states": {"quarantined": 2}},
        "targets": 7,
        "title": BAD,
    }
    line = _drawn(screen.incidents([one])).splitlines()[1]
    assert line.split()[:5] == ["incident-1", "pulling", "2026-03-02T09:00:00Z", "2", "7"]
