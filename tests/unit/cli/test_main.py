import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import options
from cli.access import Access
from cli.api import Api
from cli.errors import INTERRUPTED, PIPE_CLOSED, REFUSED, UNREACHABLE, USAGE, CommandError
from cli.local_cloud import DIRECTORY
from cli.main import main
from functions.ingest_alert.authentication import signature
from shared.domain.undone import UndoClass
from tests.unit.cli.stub_api import Answer, StubApi

ROOT = Path(__file__).parents[3]
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
            "undone": [{"text": f"undone by A\x1b[2Jnn at 9 in inc-2 (mistake) because \u202e{'long ' * 30}"}],
        },
    ],
    "counts": {"states": {"quarantined": 2}},
    "messages": [{"internetMessageId": "<1@evil.example>", "sender": "ceo@evil.example", "subject": "Pay\x1b[2J"}]
    + [{"networkMessageId": str(number)} for number in range(11)],
    "commands": [{"id": "cmd-1", "command": "undo", "by": "Sam", "at": "2026-03-02T10:00:00Z", "reason": "a mistake"}],
}
LISTS = ("alerts", "messages", "plans", "commands")
HEADER = {**{name: value for name, value in INCIDENT.items() if name not in LISTS}, "alerts": 2, "targets": 5}
TARGETS = [
    {
        "id": f"target-{name}",
        "mailbox": {"address": f"{name}@contoso.example"},
        "hops": [{"via": "alert", "name": "clawback"}],
        "state": "quarantined",
    }
    for name in ("ada", "bob")
]


def answer_list(stub: StubApi, name: str, documents: list[dict[str, Any]]) -> None:
    stub.answers[f"/api/incidents/incident-1/lists/{name}?top=500"] = Answer.json({name: documents})


@pytest.fixture
def api(stub: StubApi) -> StubApi:
    stub.answers["/api/incidents/incident-1?top=1"] = Answer.json(
        {
            "incident": HEADER,
            "counts": INCIDENT["counts"],
            "canBePutBack": 2,
            "targets": TARGETS[:1],
            "tree": [],
            "next": "?after=x",
        }
    )
    for name in LISTS:
        answer_list(stub, name, INCIDENT[name])
    stub.answers["/api/incidents/incident-1?top=1000"] = Answer.json({"targets": TARGETS})
    stub.answers["/api/incidents/incident-1/verify-chain"] = Answer.json({"intact": True, "chain": {"entries": 0}})
    stub.answers["/api/incidents/incident-1/activity.csv"] = Answer(b'"recipient"\r\n"ada"\r\n')
    for name in ("approve", "undo", "close"):
        stub.answers[f"/api/incidents/incident-1/{name}"] = Answer.json({"commandId": f"cmd-{name}"}, 202)
    return stub


def _printed_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_without_a_command_it_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == USAGE
    assert capsys.readouterr().err == "clawback: Missing command.\nTry `clawback --help`.\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_the_exit_statuses(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main([option]) == 0
    assert "3 unreachable" in " ".join(capsys.readouterr().out.split())


COMMANDS = [
    (),
    ("local",),
    ("local", "up"),
    ("alert",),
    ("alert", "submit"),
    ("incident",),
    ("incident", "list"),
    ("incident", "show"),
    ("approve",),
    ("undo",),
    ("close",),
    ("export",),
    ("dead-letter",),
    ("dead-letter", "list"),
    ("dead-letter", "replay"),
    ("doctor",),
    ("demo",),
    ("demo-crash",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert main([*command, "--help"]) == 0
    assert f"Usage: {' '.join(('clawback', *command))} " in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_option_is_wrong_usage(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert main([*command, "--wrong\x1b[2J"]) == USAGE
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "\x1b" not in error


def test_help_loads_nothing_heavy() -> None:
    program = "import sys; from cli.main import main; main(['--help']); print([*sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"rich", "httpx", "pydantic", "azure.core", "yaml", "local", "shared.domain", "shared.bootstrap"}
    assert not {name for name in heavy if f"'{name}'" in done.stderr}


def test_list(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents?top=5"] = Answer.json({"incidents": [INCIDENT]})
    assert main(["incident", "list", "--top", "5"]) == 0
    text = capsys.readouterr().out
    assert "incident-1" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert main(["incident", "list", "--top", "5", "--json"]) == 0
    assert _printed_json(capsys) == {"incidents": [INCIDENT]}


def test_show(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "incident-1"]) == 0
    text = capsys.readouterr().out
    for expected in (
        "alert alert-1 from clawback, high: not decided yet",
        "alert alert-2 from clawback, low: automatic by rule 'all'",
        "message <1@evil.example> from ceo@evil.example: Pay",
        "and 2 more messages",
        "plan plan-2: 3 targets, awaiting_approval",
        "needs approval: too many",
        "note: no trace",
        f"  undone by A [2Jnn at 9 in inc-2 (mistake) because {'long ' * 30}".rstrip(),
        "undo requested by Sam at 2026-03-02T10:00:00Z: a mistake",
        "ada@contoso.example",
        "bob@contoso.example",
    ):
        assert expected in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_show_as_json_has_every_part_once(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "incident-1", "--json"]) == 0
    lists = {name: INCIDENT[name] for name in LISTS}
    assert _printed_json(capsys) == {"incident": HEADER, "counts": INCIDENT["counts"], **lists, "targets": TARGETS}


def test_approve_names_exactly_the_plan_that_waits(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "incident-1", "--by", "Sam", "--reason", "seen"]) == 0
    sent = api.sent("/api/incidents/incident-1/approve")
    assert sent == {"planId": "plan-2", "planHash": "h2", "by": "Sam", "reason": "seen"}
    assert capsys.readouterr().out == "approval of plan-2 (3 targets) is requested (cmd-approve)\n"


def test_if_several_plans_wait_one_has_to_be_named(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer_list(api, "plans", [{**INCIDENT["plans"][1], "id": name} for name in ("plan-2", "plan-3")])

    assert main(["approve", "incident-1", "--by", "Sam"]) == REFUSED
    assert "plan-2 (3 targets), plan-3 (3 targets)" in capsys.readouterr().err

    assert main(["approve", "incident-1", "--by", "Sam", "--plan", "plan-3"]) == 0
    assert api.sent("/api/incidents/incident-1/approve")["planId"] == "plan-3"
    assert main(["approve", "incident-1", "--by", "Sam", "--plan", "plan-9"]) == REFUSED


def test_approve_as_json(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "incident-1", "--by", "Sam", "--json"]) == 0
    assert _printed_json(capsys) == [{"commandId": "cmd-approve"}]


def test_nothing_to_approve_is_refused(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer_list(api, "plans", INCIDENT["plans"][:1])
    assert main(["approve", "incident-1", "--by", "Sam"]) == REFUSED
    assert "no plan of incident incident-1 waits for approval" in capsys.readouterr().err
    assert main(["approve", "incident-1", "--by", "Sam", "--plan", "plan-9"]) == REFUSED
    assert "no plan plan-9 of incident incident-1 waits" in capsys.readouterr().err


UNDO = ("undo", "incident-1", "--by", "Sam", "--reason", "our newsletter", "--class", "false_positive")
WHY = {"by": "Sam", "reason": "our newsletter", "class": "false_positive"}


def test_undo_of_all_shows_the_numbers_and_asks(
    api: StubApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main([*UNDO, "--all"]) == 0
    assert api.sent("/api/incidents/incident-1/undo") == {"all": True, "count": 2, **WHY}
    said = capsys.readouterr()
    assert said.out == "undo is requested (cmd-undo)\n"
    assert said.err.splitlines() == [
        "incident incident-1 has 5 targets: 2 quarantined",
        "2 can be put back",
        "3 are worked on: what is not pulled yet will not be pulled",
        "Put back all 2? [y/N]: ",
    ]


def test_undo_of_all_that_the_person_does_not_confirm_sends_nothing(
    api: StubApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main([*UNDO, "--all"]) == REFUSED
    assert "nothing was put back" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([*UNDO, "--all"]) == USAGE
    assert "give --yes 2" in capsys.readouterr().err
    assert not [one for one in api.asked if one.method == "POST"]


def test_a_script_says_how_many_it_puts_back(api: StubApi) -> None:
    assert main([*UNDO, "--all", "--yes", "2", "--json"]) == 0
    assert api.sent("/api/incidents/incident-1/undo") == {"all": True, "count": 2, **WHY}


def test_a_script_whose_number_is_not_the_current_one_is_refused(
    api: StubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {"title": "The number of targets is not the one that was seen", "detail": "2 can be put back now, not 7."}
    api.answers["/api/incidents/incident-1/undo"] = Answer.json(problem, 409)
    assert main([*UNDO, "--all", "--yes", "7"]) == REFUSED
    assert "2 can be put back now, not 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*UNDO], "say --all"),
        ([*UNDO, "--all", "--mailbox", "bob@contoso.example"], "not both"),
        ([*UNDO, "--mailbox", "bob@contoso.example", "--yes", "2"], "--yes is for --all"),
        ([*UNDO, "--all", "--yes", "-1"], "--yes"),
        ([*UNDO, "--all", "--yes", "many"], "--yes"),
        ([*UNDO[:4], *UNDO[6:], "--all"], "--reason"),
        ([*UNDO[:6], "--all"], "--class"),
        ([*UNDO[:6], "--all", "--class", "sabotage"], "false_positive"),
        ([*UNDO, "--all", "--reason", " \u202e"], "--reason is empty"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_undo_that_does_not_say_what_or_why_is_wrong_usage_and_sends_nothing(
    api: StubApi, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == USAGE
    assert said in capsys.readouterr().err
    assert not [one for one in api.asked if one.method == "POST"]


def test_the_classes_of_an_undo_are_those_of_the_api() -> None:
    assert [str(one) for one in options.UndoClass] == [str(one) for one in UndoClass]


def test_undo_of_one_mailbox(api: StubApi) -> None:
    assert main([*UNDO, "--mailbox", "Bob@Contoso.example"]) == 0
    assert api.sent("/api/incidents/incident-1/undo") == {"targets": ["target-bob"], **WHY}


def test_undo_of_an_unknown_mailbox_sends_nothing(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*UNDO, "--mailbox", "bob@contoso.example", "--mailbox", "eve@example.com"]) == REFUSED
    assert "incident incident-1 has no target in: eve@example.com" in capsys.readouterr().err
    assert not [one for one in api.asked if one.method == "POST"]


def test_close(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "incident-1", "--by", "Sam", "--reason", "done", "--json"]) == 0
    assert api.sent("/api/incidents/incident-1/close") == {"by": "Sam", "reason": "done"}
    assert _printed_json(capsys) == {"commandId": "cmd-close"}


def test_a_command_needs_the_person_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "incident-1"]) == USAGE
    assert "--by" in capsys.readouterr().err


def test_export(api: StubApi, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "incident-1"]) == 0
    assert capfdbinary.readouterr().out == b'"recipient"\r\n"ada"\r\n'
    out = tmp_path / "new" / "activity.csv"
    assert main(["export", "incident-1", "--out", str(out)]) == 0
    assert out.read_bytes() == b'"recipient"\r\n"ada"\r\n'


def test_export_as_json(api: StubApi, tmp_path: Path) -> None:
    out = tmp_path / "incident.json"
    assert main(["export", "incident-1", "--json", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found.keys() == {"incident", "counts", *LISTS, "targets", "verification"}
    assert found["targets"] == TARGETS


def test_an_alert_is_signed(stub: StubApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/alerts/clawback"] = Answer.json({"receiptId": "r", "alertIds": ["a"]}, 202)
    (tmp_path / "alert.json").write_bytes(b'{"version":1}')
    assert main(["alert", "submit", "alert.json", "--secret", "s3cret"]) == 0
    (asked,) = stub.asked
    assert asked.body == b'{"version":1}'
    assert asked.headers["clawback-signature"] == signature("s3cret", asked.headers["clawback-timestamp"], asked.body)
    assert capsys.readouterr().out == "accepted as r: a\n"


def test_another_source_sends_its_secret(stub: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert not DIRECTORY.exists()
    assert main(["alert", "submit", "alert.json"]) == USAGE
    assert "Give --secret" in capsys.readouterr().err
    assert stub.asked == []


def test_an_error_is_json_for_scripts(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incident", "show", "nothing", "--json"]) == REFUSED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err) == {"error": "404 Not Found: incidents/nothing"}


def test_a_refusal_is_made_safe_for_the_terminal(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents/i?top=1"] = Answer.json({"title": "\x1b[2J\u202eno", "detail": "\x9b1m"}, 409)
    assert main(["incident", "show", "i"]) == REFUSED
    assert not {"\x1b", "\x9b", "\u202e"} & set(capsys.readouterr().err)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"incidents": 1}', b'{"incidents": [1]}'])
def test_an_answer_of_another_kind_is_unreachable(stub: StubApi, body: bytes) -> None:
    stub.answers["/api/incidents?top=20"] = Answer(body)
    assert main(["incident", "list"]) == UNREACHABLE


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"incident": []}'])
def test_a_case_of_another_kind_is_unreachable(stub: StubApi, body: bytes) -> None:
    stub.answers["/api/incidents/i?top=1"] = Answer(body)
    assert main(["incident", "show", "i"]) == UNREACHABLE


@pytest.mark.parametrize("secret", ["schl\u00fcssel", "two\nlines", "\udcff"])
def test_a_secret_that_no_header_can_have_is_not_printed(
    stub: StubApi, tmp_path: Path, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    (tmp_path / "alert.json").write_bytes(b"{}")
    assert main(["alert", "submit", "alert.json", "--source", "proofpoint_tap", "--secret", secret]) == USAGE
    error = capsys.readouterr().err
    assert "the secret is wrong" in error
    assert secret not in error
    assert stub.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["incident", "show", ""],
        ["incident", "show", ".."],
        ["incident", "show", "\udcff"],
        ["incident", "list", "--top", "0"],
        ["incident", "list", "--top", "many"],
        ["incident", "list", "--top", "201"],
        ["incident", "list", "--url", "https://[::1"],
        ["incident", "list", "--url", "http://127.0.0.1/\udcff"],
        ["incident", "list", "--url", "http://127.0.0.1/\n"],
        ["alert", "submit", "."],
        ["alert", "submit", "\udcff"],
        ["doctor", "--unused", "nobody"],
        ["doctor", "--wait", "-1"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_wrong_usage(
    stub: StubApi, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main([*arguments, "--json"]) == USAGE
    assert json.loads(capsys.readouterr().err)["error"]
    assert stub.asked == []


def test_japanese_is_printed_as_it_is(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents?top=20"] = Answer.json({"incidents": [{"title": "請求書のご確認"}]})
    assert main(["incident", "list", "--json"]) == 0
    assert "請求書のご確認" in capsys.readouterr().out


def _run(stub: StubApi, *arguments: str, encoding: str = "utf-8", **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], env=environment, stderr=subprocess.PIPE, check=False, **options
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_narrow_code_page_is_no_failure(stub: StubApi, encoding: str) -> None:
    body = {"incidents": [{"id": "incident-1", "title": "請求書 é 😀"}]}
    stub.answers["/api/incidents?top=20"] = Answer.json(body)
    done = _run(stub, "incident", "list", "--json", encoding=encoding, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode(encoding)) == body
    done = _run(stub, "incident", "list", encoding=encoding, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"incident-1" in done.stdout


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_a_closed_pipe_is_no_traceback(stub: StubApi, arguments: list[str]) -> None:
    stub.answers["/api/incidents?top=20"] = Answer.json({"incidents": [{"id": f"incident-{n}"} for n in range(5000)]})
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "wb") as pipe:
        done = _run(stub, "incident", "list", *arguments, stdout=pipe)
    assert (done.returncode, done.stderr) == (PIPE_CLOSED, b"")


def test_export_into_a_closed_pipe_is_no_traceback(api: StubApi) -> None:
    for form in ([], ["--json"]):
        read, written = os.pipe()
        os.close(read)
        with os.fdopen(written, "wb") as pipe:
            done = _run(api, "export", "incident-1", *form, stdout=pipe)
        assert (done.returncode, done.stderr) == (PIPE_CLOSED, b"")


def test_help_into_a_closed_pipe_is_no_traceback(stub: StubApi) -> None:
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "wb") as pipe:
        assert _run(stub, "--help", stdout=pipe).stderr == b""


def test_ctrl_c_ends_as_shells_expect(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.api.Api.get", interrupted)
    assert main(["incident", "list"]) == INTERRUPTED


@pytest.mark.parametrize("arguments", [["incident", "list"], ["incident", "list", "--json"], ["export", "incident-1"]])
def test_a_program_that_was_started_without_streams_is_no_traceback(
    api: StubApi, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    api.answers["/api/incidents?top=20"] = Answer.json({"incidents": [INCIDENT]})
    program = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None; from cli.main import main; "
        f"status = main({arguments!r}); open('status', 'w').write(str(status))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("status").read_text() == "0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
@pytest.mark.parametrize("arguments", [["incident", "list"], ["incident", "list", "--json"], ["--help"]])
def test_an_output_that_is_full_is_said(stub: StubApi, arguments: list[str]) -> None:
    stub.answers["/api/incidents?top=20"] = Answer.json({"incidents": [INCIDENT]})
    with Path("/dev/full").open("wb") as full:
        done = _run(stub, *arguments, stdout=full)
    assert done.returncode == REFUSED
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_error_that_nobody_reads_is_no_traceback(stub: StubApi) -> None:
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "wb") as pipe:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "cli.main", "incident", "show", ""]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=pipe, check=False)
    assert (done.returncode, done.stdout) == (USAGE, b"")


def test_a_closed_pipe_as_windows_says_it(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.answers["/api/incidents?top=20"] = Answer.json({"incidents": []})
    monkeypatch.setattr("os.dup2", lambda *_: None)

    def closed(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("cli.json_output.print_json", closed)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    assert main(["incident", "list", "--json"]) == PIPE_CLOSED


def test_a_certificate_authority_that_is_gone_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone\.pem: No such file") as caught:
        Api(Access("https://127.0.0.1", "key", ca=str(tmp_path / "gone.pem")))
    assert caught.value.status == USAGE


def test_a_wrong_id_names_what_was_looked_for(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"title": "There is no such record", "detail": "No such incident.", "instance": "urn:x"}
    stub.answers["/api/incidents/inc-9?top=1"] = Answer.json(problem, 404)
    assert main(["incident", "show", "inc-9"]) == REFUSED
    assert capsys.readouterr().err == "clawback: There is no such record: No such incident. incidents/inc-9 (urn:x)\n"
