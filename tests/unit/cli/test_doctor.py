from datetime import datetime
from typing import Any

import pytest

from cli import doctor
from cli.errors import REFUSED, UNREACHABLE, USAGE
from cli.main import main
from shared.health.check import fingerprint
from tests.unit.cli.stub_api import Answer, StubApi


def report(*probes: dict[str, str]) -> dict[str, Any]:
    return {"at": "2026-11-24T12:00:00Z", "code": fingerprint(), "python": "3.12.1", "probes": [*probes]}


@pytest.mark.parametrize(
    ("reported", "ahead"),
    [
        ("2026-11-24T12:00:05Z", 0.0),
        ("2026-11-24T12:02:10Z", 120.0),
        ("2026-11-24T11:59:00Z", -60.0),
    ],
)
def test_a_clock_is_compared_with_the_time_of_question_and_answer(reported: str, ahead: float) -> None:
    before, after = (datetime.fromisoformat(f"2026-11-24T12:00:{second}Z") for second in ("00", "10"))
    assert doctor._ahead(reported, before, after) == ahead


def test_wrong_settings_are_reported_without_a_message(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"what": "settings", "result": "wrong", "detail": "CLAWBACK_LEASE_SECONDS: int_parsing"}
    stub.answers["/api/health-checks"] = Answer.json({"web": report(wrong)})

    assert main(["doctor"]) == REFUSED

    text = capsys.readouterr().out
    assert "CLAWBACK_LEASE_SECONDS: int_parsing" in text
    assert "pipeline did not answer" in text


def test_an_address_cannot_be_inside_and_outside(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--mailbox", "a@x.example ", "--outside", "a@x.example"]) == USAGE
    assert "a@x.example" in capsys.readouterr().err
    assert stub.asked == []


def test_if_reports_cannot_be_read_the_rest_is_still_judged(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    denied = {"what": "container evidence: read", "result": "denied", "detail": ""}
    stub.answers["/api/health-checks"] = Answer.json({"id": "health-1", "web": report(denied)})
    stub.answers["/api/health-checks/health-1"] = Answer.json({"title": "not now"}, status=503)

    assert main(["doctor", "--wait", "0"]) == REFUSED

    text = capsys.readouterr().out
    assert "container evidence: read  denied" in text
    assert "pipeline did not answer" in text


def test_reports_are_made_safe_for_the_terminal(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"what": "webhook secret of \x1b[2J\u202ex", "result": "missing", "detail": "\x1b]0;owned\x07"}
    stub.answers["/api/health-checks"] = Answer.json({"web": report(hostile)})
    assert main(["doctor"]) == REFUSED
    assert not {"\x1b", "\u202e", "\x07"} & set(capsys.readouterr().out)


@pytest.mark.parametrize(
    "answer",
    [{}, {"web": {}}, {"web": {"at": "no time"}}, {"web": []}, {"web": report(), "id": "health-1"}],
)
def test_an_answer_of_another_version_is_unreachable(
    stub: StubApi, capsys: pytest.CaptureFixture[str], answer: dict[str, Any]
) -> None:
    stub.answers["/api/health-checks"] = Answer.json(answer)
    stub.answers["/api/health-checks/health-1"] = Answer.json({"trips": {"round": []}})
    assert main(["doctor", "--wait", "0"]) == UNREACHABLE
    assert "another version" in capsys.readouterr().err
