import json
from pathlib import Path
from typing import Any

import pytest

from cli.api import LOCAL, REFUSED, UNREACHABLE, USAGE
from cli.main import main
from functions.ingest_alert.authentication import signature
from tests.unit.cli.stub_api import Answer, StubApi

INCIDENT: dict[str, Any] = {
    "id": "incident-1",
    "state": "awaiting_approval",
    "openedAt": "2026-03-02T09:00:00Z",
    "title": "Pay \x1b[2J\u202enow",
    "alerts": [
        {"id": "alert-1", "source": "clawback", "severity": "high"},
        {"id": "alert-2", "source": "clawback", "severity": "low", "decision": {"action": "automatic", "rule": "all"}},
    ],
    "plans": [
        {"id": "plan-1", "hash": "h1", "targets": 2, "state": "finished"},
        {
            "id": "plan-2",
            "hash": "h2",
            "targets": 3,
            "state": "awaiting_approval",
            "approvalReasons": ["too many"],
            "notes": ["no trace"],
        },
    ],
    "counts": {"states": {"quarantined": 2}},
    "messages": [{"internetMessageId": "<1@evil.example>", "sender": "ceo@evil.example", "subject": "Pay\x1b[2J"}]
    + [{"networkMessageId": str(number)} for number in range(11)],
}
TARGETS = [
    {
        "id": f"target-{name}",
        "mailbox": {"address": f"{name}@contoso.example"},
        "hops": [{"via": "alert", "name": "clawback"}],
        "state": "quarantined",
    }
    for name in ("ada", "bob")
]


@pytest.fixture
def api(stub: StubApi) -> StubApi:
    stub.answers["/api/incidents/incident-1?top=1"] = Answer.json(
        {"incident": INCIDENT, "counts": INCIDENT["counts"], "targets": TARGETS[:1], "tree": [], "next": "?after=x"}
    )
    stub.answers["/api/incidents/incident-1?top=1000"] = Answer.json({"targets": TARGETS})
    stub.answers["/api/incidents/incident-1/verify-chain"] = Answer.json({"intact": True, "chain": {"entries": 0}})
    stub.answers["/api/incidents/incident-1/activity.csv"] = Answer(b'"recipient"\r\n"ada"\r\n')
    for name in ("approve", "undo", "close"):
        stub.answers[f"/api/incidents/incident-1/{name}"] = Answer.json({"commandId": f"cmd-{name}"}, 202)
    return stub


def _said_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_without_a_command_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == USAGE
    assert "usage: clawback" in capsys.readouterr().err


def test_help_tells_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "3 unreachable" in " ".join(capsys.readouterr().out.split())


def test_list(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents?top=5"] = Answer.json({"incidents": [INCIDENT]})
    assert main(["incident", "list", "--top", "5"]) == 0
    text = capsys.readouterr().out
    assert "incident-1" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert main(["incident", "list", "--top", "5", "--json"]) == 0
    assert _said_json(capsys) == {"incidents": [INCIDENT]}


def test_show(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "incident-1"]) == 0
    text = capsys.readouterr().out
    for expected in (
        "alert alert-1 from clawback, high: not decided yet",
        "alert alert-2 from clawback, low: automatic by rule 'all'",
        "mail <1@evil.example> from ceo@evil.example: Pay",
        "and 2 mails more",
        "plan plan-2: 3 targets, awaiting_approval",
        "needs a person: too many",
        "note: no trace",
        "ada@contoso.example",
        "bob@contoso.example",
    ):
        assert expected in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_show_for_scripts_has_every_target_once(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "incident-1", "--json"]) == 0
    assert _said_json(capsys) == {"incident": INCIDENT, "counts": INCIDENT["counts"], "targets": TARGETS}


def test_approve_names_exactly_the_plan_that_waits(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "incident-1", "--by", "Sam", "--reason", "seen"]) == 0
    sent = api.sent("/api/incidents/incident-1/approve")
    assert sent == {"planId": "plan-2", "planHash": "h2", "by": "Sam", "reason": "seen"}
    assert capsys.readouterr().out == "approval of plan-2 (3 targets) is asked for (cmd-approve)\n"


def test_where_several_plans_wait_one_has_to_be_named(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    several = {**INCIDENT, "plans": [{**INCIDENT["plans"][1], "id": name} for name in ("plan-2", "plan-3")]}
    api.answers["/api/incidents/incident-1?top=1"] = Answer.json({"incident": several})

    assert main(["approve", "incident-1", "--by", "Sam"]) == REFUSED
    assert "plan-2 (3 targets), plan-3 (3 targets)" in capsys.readouterr().err

    assert main(["approve", "incident-1", "--by", "Sam", "--plan", "plan-3"]) == 0
    assert api.sent("/api/incidents/incident-1/approve")["planId"] == "plan-3"
    assert main(["approve", "incident-1", "--by", "Sam", "--plan", "plan-9"]) == REFUSED


def test_approve_for_scripts(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "incident-1", "--by", "Sam", "--json"]) == 0
    assert _said_json(capsys) == [{"commandId": "cmd-approve"}]


def test_nothing_to_approve_is_refused(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    calm = {**INCIDENT, "plans": INCIDENT["plans"][:1]}
    api.answers["/api/incidents/incident-1?top=1"] = Answer.json({"incident": calm})
    assert main(["approve", "incident-1", "--by", "Sam"]) == REFUSED
    assert "no such plan of this incident waits" in capsys.readouterr().err


def test_undo_of_everything_names_no_targets(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["undo", "incident-1", "--by", "Sam"]) == 0
    assert api.sent("/api/incidents/incident-1/undo") == {"by": "Sam", "reason": ""}
    assert capsys.readouterr().out == "undo is asked for (cmd-undo)\n"


def test_undo_of_one_mailbox(api: StubApi) -> None:
    assert main(["undo", "incident-1", "--by", "Sam", "--mailbox", "Bob@Contoso.example"]) == 0
    assert api.sent("/api/incidents/incident-1/undo")["targets"] == ["target-bob"]


def test_undo_of_a_stranger_asks_for_nothing(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "undo",
        "incident-1",
        "--by",
        "Sam",
        "--mailbox",
        "bob@contoso.example",
        "--mailbox",
        "eve@example.com",
    ]
    assert main(arguments) == REFUSED
    assert "no target of this incident: eve@example.com" in capsys.readouterr().err
    assert not [one for one in api.asked if one.method == "POST"]


def test_close(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "incident-1", "--by", "Sam", "--reason", "done", "--json"]) == 0
    assert api.sent("/api/incidents/incident-1/close") == {"by": "Sam", "reason": "done"}
    assert _said_json(capsys) == {"commandId": "cmd-close"}


def test_a_command_needs_somebody_who_asks() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["close", "incident-1"])
    assert ended.value.code == USAGE


def test_export(api: StubApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "incident-1"]) == 0
    assert "ada" in capsys.readouterr().out
    out = tmp_path / "new" / "activity.csv"
    assert main(["export", "incident-1", "--out", str(out)]) == 0
    assert out.read_bytes() == b'"recipient"\r\n"ada"\r\n'


def test_export_of_all_of_it(api: StubApi, tmp_path: Path) -> None:
    out = tmp_path / "incident.json"
    assert main(["export", "incident-1", "--json", "--out", str(out)]) == 0
    told = json.loads(out.read_text())
    assert told.keys() == {"incident", "counts", "targets", "verification"}
    assert told["targets"] == TARGETS


def test_an_alert_is_signed(stub: StubApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/alerts/clawback"] = Answer.json({"receiptId": "r", "alertIds": ["a"]}, 202)
    (tmp_path / "alert.json").write_bytes(b'{"version":1}')
    assert main(["alert", "submit", "alert.json", "--secret", "s3cret"]) == 0
    (asked,) = stub.asked
    assert asked.body == b'{"version":1}'
    assert asked.headers["clawback-signature"] == signature("s3cret", asked.headers["clawback-timestamp"], asked.body)
    assert capsys.readouterr().out == "accepted as r: a\n"


def test_another_source_shows_its_secret(stub: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRET", "s3cret")
    stub.answers["/api/alerts/proofpoint_tap"] = Answer.json({"receiptId": "r", "alertIds": []}, 202)
    (tmp_path / "alert.json").write_bytes(b"{}")
    assert main(["alert", "submit", "alert.json", "--source", "proofpoint_tap", "--json"]) == 0
    assert stub.asked[0].headers["x-clawback-secret"] == "s3cret"


def test_an_alert_without_file_or_secret_is_wrong_usage(
    stub: StubApi, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLAWBACK_WEBHOOK_SECRET", raising=False)
    assert main(["alert", "submit", "missing.json"]) == USAGE
    assert "missing.json: No such file" in capsys.readouterr().err
    (tmp_path / "alert.json").write_bytes(b"{}")
    assert not LOCAL.exists()
    assert main(["alert", "submit", "alert.json"]) == USAGE
    assert "Give --secret" in capsys.readouterr().err
    assert stub.asked == []


def test_an_error_is_json_for_scripts(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "nothing", "--json"]) == REFUSED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err) == {"error": "404 Not Found"}


def test_what_refuses_has_no_say_over_the_terminal(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents/i?top=1"] = Answer.json({"title": "\x1b[2J\u202eno", "detail": "\x9b1m"}, 409)
    assert main(["incident", "show", "i"]) == REFUSED
    assert not {"\x1b", "\x9b", "\u202e"} & set(capsys.readouterr().err)


def test_an_answer_of_another_kind_is_unreachable(stub: StubApi) -> None:
    stub.answers["/api/incidents?top=20"] = Answer(b"<html>")
    assert main(["incident", "list"]) == UNREACHABLE


def test_ctrl_c_ends_as_shells_expect(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(given: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.commands.list_incidents", interrupted)
    assert main(["incident", "list"]) == 130
