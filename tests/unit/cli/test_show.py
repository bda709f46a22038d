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


def _on_a_narrow_screen(*what: Any) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80, markup=False, emoji=False)
    for one in what:
        console.print(one)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [line.rstrip() for line in lines]


def test_state_reason_and_exposure_are_readable_at_80_columns() -> None:
    hops = [{"via": "alert", "name": "tap"}, {"via": "group", "name": "all-of-sales-in-europe@contoso.example"}]
    folder = [{"original": {"folderPath": "Inbox/Customers/A very long name of a customer/Invoices of last year"}}]
    pulled = _target(
        mailbox={"address": f"{'a-very-long-name-of-somebody.' * 3}x@contoso.example"},
        hops=hops,
        state="partly_quarantined",
        reason="restore_failed:gave_up:ErrorMailboxMoveInProgress",
        read="read",
        copies=folder,
        deliveredAt="2026-03-02T09:00:00Z",
        pulledAt="2026-03-02T21:01:05Z",
    )
    denied = _target(state="denied", reason="ErrorAccessDenied")
    lines = _on_a_narrow_screen(*screen.targets([pulled, denied], 80))
    text = "\n".join(lines)
    assert lines[0].split() == ["state", "exposed", "mailbox,", "why,", "where,", "how"]
    assert lines[1].startswith("partly_quarantined  12:01:05  a-very-long-name")
    assert "restore_failed:gave_up:ErrorMailboxMoveInProgress" in text
    assert "ErrorAccessDenied" in text
    assert any(line.split() == ["denied", "ada@contoso.example"] for line in lines)


def test_a_list_of_incidents_is_readable_at_80_columns() -> None:
    one = {
        "id": f"inc-{'x' * 26}",
        "state": "awaiting_approval",
        "openedAt": "2026-03-02T09:00:00Z",
        "counts": {"states": {"quarantined": 2}},
        "targets": 7,
        "title": "A title that is long enough for several lines of such a narrow screen",
    }
    lines = _on_a_narrow_screen(screen.incidents([one], 80))
    assert lines[1].startswith(f"inc-{'x' * 26}  awaiting_approval  ")
    assert "2 of 7 pulled" in " ".join(lines)


def test_hostile_text_is_printed_as_text_on_a_narrow_screen_too() -> None:
    lines = _on_a_narrow_screen(
        *screen.targets([_target(state=BAD, reason=BAD, mailbox={"address": BAD})], 80),
        screen.incidents([{"id": BAD, "title": BAD}], 80),
    )
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\t", "\ud800"} & set("".join(lines))
    assert _on_a_narrow_screen(*screen.targets([{"hops": [{"via": "new"}], "copies": [{}]}], 80))
