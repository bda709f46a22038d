import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.access import Access
from cli.api import Api
from cli.errors import INTERRUPTED, PIPE_CLOSED, REFUSED, UNREACHABLE, USAGE, CommandError
from cli.local_cloud import DIRECTORY
from cli.main import main
from functions.ingest_alert.authentication import signature
from tests.unit.cli.case_answers import INCIDENT
from tests.unit.cli.stub_api import Answer, StubApi

ROOT = Path(__file__).parents[3]


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
    ("look-again",),
    ("close",),
    ("pause",),
    ("resume",),
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
