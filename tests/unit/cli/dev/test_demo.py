import io
from typing import TYPE_CHECKING, Any, cast

import pytest

from cli import show as screen
from cli.dev.demo import QUARANTINE, Checks, Demonstration, _difference
from local.emulators.graph.model import Mailbox, Tenant, User
from local.tenant.generate import Expected, Generated

if TYPE_CHECKING:
    from cli.api import Api
    from local.stack import Stack

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


def test_a_target_that_ended_as_expected_does_not_differ() -> None:
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
    difference = _difference(WANTED, {**FOUND, **change})
    assert difference is not None
    assert difference.startswith("ada@contoso.example: ")


def test_claims_are_counted_and_their_problems_printed() -> None:
    console = screen.console()
    console.file = out = io.StringIO()
    checks = Checks(console)
    checks.that("the sky is blue")
    checks.that("the sea is red", ["\x1b[31mit is green"] * 20)
    assert (checks.passed, checks.failed) == (1, 1)
    assert out.getvalue().splitlines()[:2] == ["  ✓ the sky is blue", "  ✗ the sea is red"]
    assert len(out.getvalue().splitlines()) == 12
    assert "\x1b" not in out.getvalue()


def _item(folder: str, message_id: str = "<x@evil.example>", **changes: Any) -> dict[str, Any]:
    return {"folder": folder, "internetMessageId": message_id, "isRead": False, **changes}


@pytest.mark.parametrize(
    ("before", "after", "failed"),
    [
        ({"a": _item("Inbox")}, {"a": _item(QUARANTINE)}, ""),
        ({"a": _item("Recoverable Items/Purges")}, {"a": _item("Recoverable Items/Purges")}, ""),
        ({"a": _item("Inbox", "<other>")}, {"a": _item("Inbox", "<other>")}, ""),
        ({"a": _item("Inbox")}, {"a": _item("Inbox")}, "no copy is left where a person can open it"),
        ({"a": _item("Inbox")}, {"a": _item("Recoverable Items/Deletions")}, "no copy is left"),
        ({"a": _item("Inbox", "<other>")}, {"a": _item(QUARANTINE, "<other>")}, "nothing else was touched"),
        ({"a": _item("Inbox", "<other>")}, {"a": _item("Inbox", "<other>", isRead=True)}, "nothing else was touched"),
        ({"a": _item("Inbox")}, {}, "nothing was deleted"),
        ({}, {"a": _item("Inbox", "<other>")}, "nothing was added"),
    ],
)
def test_the_proof_is_read_from_the_mailboxes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], failed: str
) -> None:
    console = screen.console()
    console.file = out = io.StringIO()
    ada = User("u1", "ada@contoso.example", "Ada", mail="Ada@contoso.example")
    tenant = Tenant("t", "Contoso", "contoso.example", users=(ada,), mailboxes=(Mailbox("u1"),))
    made = Generated(tenant, alert={}, expected=(WANTED,), undo=None)
    checks = Checks(console)
    demonstration = Demonstration(cast("Stack", None), cast("Api", None), made, console, checks)
    demonstration._prove({"u1": before}, {"u1": after})
    assert checks.failed == bool(failed)
    assert f"✗ {failed}" in out.getvalue() or not failed
