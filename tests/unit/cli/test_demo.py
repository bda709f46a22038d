import io
from typing import Any

import pytest

from cli import show as screen
from cli.demo import Checks, _difference
from local.tenant.generate import Expected

WANTED = Expected(
    address="ada@contoso.example",
    message_id="<x@evil.example>",
    state="quarantined",
    reason=None,
    read=True,
    way=("group:sales@contoso.example",),
    folder="Inbox",
)
FOUND: dict[str, Any] = {
    "state": "quarantined",
    "read": "read",
    "hops": [{"via": "alert", "name": "tap"}, {"via": "group", "name": "sales@contoso.example"}],
}


def test_what_is_as_it_must_be_does_not_differ() -> None:
    assert _difference(WANTED, FOUND) is None


@pytest.mark.parametrize(
    "change",
    [
        {"state": "not_found"},
        {"reason": "purged"},
        {"read": "unread"},
        {"read": "unknown"},
        {"hops": []},
        {"hops": [*FOUND["hops"], {"via": "forward", "name": "bob@contoso.example"}]},
    ],
)
def test_each_difference_is_seen(change: dict[str, Any]) -> None:
    told = _difference(WANTED, {**FOUND, **change})
    assert told is not None
    assert told.startswith("ada@contoso.example: ")


def test_a_claim_is_counted_and_what_speaks_against_it_is_shown() -> None:
    console = screen.console()
    console.file = out = io.StringIO()
    checks = Checks(console)
    checks.that("the sky is blue")
    checks.that("the sea is red", ["\x1b[31mit is green"] * 20)
    assert (checks.held, checks.failed) == (1, 1)
    assert out.getvalue().splitlines()[:2] == ["  ✓ the sky is blue", "  ✗ the sea is red"]
    assert len(out.getvalue().splitlines()) == 12
    assert "\x1b" not in out.getvalue()
