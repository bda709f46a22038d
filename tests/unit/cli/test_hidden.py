"""`clawback hidden list` and `restore`: what is asked, and how the answer is shown."""

import json
from typing import Any

import pytest

from cli.errors import REFUSED, UNREACHABLE, USAGE
from cli.main import main
from tests.unit.cli.stub_api import Answer, StubApi

OWNER = {"incidentId": "inc-1", "targetId": "target-1", "state": "quarantined", "folder": "Inbox/Invoices"}
ITEM = {
    "mailbox": "ann@contoso.example",
    "item": "AAMk1",
    "subject": "Pay \x1b[2J now\u202e",
    "receivedAt": "2026-11-24T12:00:00Z",
    "owners": [OWNER],
}
STRANGER = {"mailbox": "ann@contoso.example", "item": "AAMk2", "subject": "リンク"}
FOUND = {"items": [ITEM, STRANGER], "total": 2, "refused": [], "leftOff": 0}


def answered(stub: StubApi, path: str, report: Any) -> None:
    stub.answers[f"/api/{path}"] = Answer.json({"id": "hidden-1"}, status=202)
    stub.answers["/api/hidden/hidden-1"] = Answer.json({"id": "hidden-1", "report": report} if report else {})


def test_hidden_mail_of_a_mailbox_is_listed(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answered(stub, "hidden-lists", {"found": FOUND})
    assert main(["hidden", "list", "--mailbox", " ann@contoso.example "]) == 0
    assert stub.sent("/api/hidden-lists") == {"mailbox": "ann@contoso.example", "by": "clawback hidden list"}
    out = capsys.readouterr().out
    for text in ("AAMk1", "Inbox/Invoices", "inc-1", "quarantined", "AAMk2", "リンク", "2 mails"):
        assert text in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_hidden_mail_of_an_incident_is_listed_as_json(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answered(stub, "hidden-lists", {"found": FOUND})
    assert main(["hidden", "list", "--incident", "inc-1", "--by", "Sam", "--json"]) == 0
    assert stub.sent("/api/hidden-lists") == {"incidentId": "inc-1", "by": "Sam"}
    assert json.loads(capsys.readouterr().out) == FOUND


def test_mailboxes_that_were_not_looked_into_are_said(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    refused = [{"mailbox": "bob@contoso.example", "code": "ErrorAccessDenied"}]
    answered(stub, "hidden-lists", {"found": {**FOUND, "refused": refused, "leftOff": 7}})
    assert main(["hidden", "list", "--incident", "inc-1"]) == REFUSED
    out = capsys.readouterr().out
    assert "bob@contoso.example: ErrorAccessDenied" in out
    assert "7 mailboxes of the incident were not looked into" in out


RESTORE = ["hidden", "restore", "--mailbox", "ann@contoso.example", "--by", "Sam", "--reason", "mistake"]


def test_named_mail_is_put_back(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    done = [
        {"mailbox": "ann@contoso.example", "item": "AAMk1", "result": "asked", "incidentIds": ["inc-1"]},
        {"mailbox": "ann@contoso.example", "item": "AAMk2", "result": "put_back", "folder": "Inbox"},
    ]
    answered(stub, "hidden-restores", {"found": FOUND, "restored": done})
    assert main([*RESTORE, "--item", "AAMk1", "--item", "AAMk2"]) == 0
    assert stub.sent("/api/hidden-restores") == {
        "mailbox": "ann@contoso.example",
        "items": ["AAMk1", "AAMk2"],
        "by": "Sam",
        "reason": "mistake",
    }
    out = capsys.readouterr().out
    assert "inc-1" in out
    assert "Inbox" in out


def test_all_of_it_is_put_back_only_with_its_number(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answered(stub, "hidden-restores", {"found": FOUND, "problem": "count_differs"})
    assert main([*RESTORE, "--all", "3"]) == REFUSED
    assert stub.sent("/api/hidden-restores")["count"] == 3
    assert "there are 2 mails now, and not 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--all", "3", "--item", "AAMk1"], ["--item", "AAMk1", "--incident", "inc-1"]]
)
def test_an_empty_or_unclear_selection_is_wrong_usage(
    stub: StubApi, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RESTORE, *arguments]) == USAGE
    assert capsys.readouterr().err
    assert stub.asked == []


def test_what_could_not_be_put_back_is_a_refusal(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    done = [{"mailbox": "", "item": "AAMk7", "result": "not_there"}]
    answered(stub, "hidden-restores", {"found": FOUND, "restored": done})
    assert main([*RESTORE, "--item", "AAMk7", "--json"]) == REFUSED
    assert json.loads(capsys.readouterr().out) == {"restored": done}


@pytest.mark.parametrize("report", [None, {"found": "x"}, "x"])
def test_without_an_answer_in_time_or_with_a_strange_one_the_command_says_so(
    stub: StubApi, report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(stub, "hidden-lists", report)
    assert main(["hidden", "list", "--mailbox", "ann@contoso.example", "--wait", "0"]) == UNREACHABLE
    assert "answer" in capsys.readouterr().err
