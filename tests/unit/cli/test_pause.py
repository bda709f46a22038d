"""`clawback pause` and `clawback resume`."""

import json
from typing import Any

import pytest

from cli.errors import REFUSED, UNREACHABLE, USAGE
from cli.main import main
from tests.unit.cli.stub_api import Answer, StubApi

PAUSED = {
    "commandId": "cmd-2",
    "paused": True,
    "by": "Ann",
    "at": "2026-11-24T12:00:00Z",
    "reason": "wrong \x1b[2Jmail",
}
RESUMED = {"commandId": "cmd-1", "paused": False, "by": "Bob", "at": "2026-11-24T11:00:00Z", "reason": "all is well"}


def answer(stub: StubApi, paused: bool, *changes: dict[str, Any]) -> None:
    stub.answers["/api/pause"] = Answer.json({"commandId": "cmd-2", "paused": paused, "changes": [*changes]})
    stub.answers["/api/resume"] = Answer.json({"commandId": "cmd-1"}, 202)


def test_a_pause_is_said_when_it_holds(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer(stub, True, PAUSED, RESUMED)
    assert main(["pause", "--by", "Ann", "--reason", "wrong mail"]) == 0
    assert capsys.readouterr().out == (
        "all pulling is paused\n"
        "  paused by Ann at 2026-11-24T12:00:00Z: wrong [2Jmail\n"
        "  resumed by Bob at 2026-11-24T11:00:00Z: all is well\n"
    )
    posted = [one for one in stub.asked if one.method == "POST"]
    assert [(one.path, json.loads(one.body)) for one in posted] == [
        ("/api/pause", {"by": "Ann", "reason": "wrong mail"})
    ]


def test_a_resume_is_said_when_it_holds(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer(stub, False, RESUMED)
    assert main(["resume", "--by", "Bob", "--reason", "all is well", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paused"] is False


def test_a_pause_that_does_not_hold_yet_is_not_said_to(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer(stub, False)
    assert main(["pause", "--by", "Ann", "--reason", "wrong mail", "--wait", "0"]) == REFUSED
    told = capsys.readouterr()
    assert told.out == ""
    assert "does not hold yet" in told.err
    assert "stop the app pipeline" in told.err


def test_show_asks_for_nothing_to_be_done(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer(stub, False, RESUMED)
    assert main(["pause", "--show"]) == 0
    assert capsys.readouterr().out.startswith("pulling is not paused\n")
    assert [one.method for one in stub.asked] == ["GET"]


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize("given", [[], ["--by", "Ann"], ["--reason", "r"], ["--by", "", "--reason", "r"]])
def test_who_and_why_are_needed(
    stub: StubApi, capsys: pytest.CaptureFixture[str], command: str, given: list[str]
) -> None:
    assert main([command, *given]) == USAGE
    assert "--by and --reason are needed" in capsys.readouterr().err
    assert stub.asked == []


def test_an_answer_of_another_kind_is_unreachable(stub: StubApi) -> None:
    stub.answers["/api/pause"] = Answer.json({"changes": "none"})
    assert main(["pause", "--show"]) == UNREACHABLE
