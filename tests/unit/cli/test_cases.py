import io
import json
from pathlib import Path

import pytest

from cli import options
from cli.errors import REFUSED, USAGE
from cli.main import main
from shared.domain.undone import UndoClass
from tests.unit.cli.case_answers import HEADER, INCIDENT, LISTS, TARGETS, answer_list, printed_json
from tests.unit.cli.stub_api import Answer, StubApi


def test_list(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers["/api/incidents?top=5"] = Answer.json({"incidents": [INCIDENT]})
    assert main(["incident", "list", "--top", "5"]) == 0
    text = capsys.readouterr().out
    assert "incident-1" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert main(["incident", "list", "--top", "5", "--json"]) == 0
    assert printed_json(capsys) == {"incidents": [INCIDENT]}


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
    assert printed_json(capsys) == {
        "incident": HEADER,
        "counts": INCIDENT["counts"],
        "watch": {},
        **lists,
        "targets": TARGETS,
    }


def test_show_says_until_when_a_case_is_watched(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    for ended, words in ((False, "is watched"), (True, "was watched")):
        watch = {"until": "2026-03-05T10:00:00Z", "lastLookAt": "2026-03-02T11:00:00Z", "ended": ended}
        api.answers["/api/incidents/incident-1?top=1"] = Answer.json(
            {"incident": HEADER, "counts": INCIDENT["counts"], "watch": watch, "targets": []}
        )
        assert main(["incident", "show", "incident-1"]) == 0
        expected = f"{words} until 2026-03-05T10:00:00Z, last look at 2026-03-02T11:00:00Z"
        assert expected in capsys.readouterr().out


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
    assert printed_json(capsys) == [{"commandId": "cmd-approve"}]


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


def test_another_look_at_everything_or_at_one_mailbox(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look-again", "incident-1", "--by", "Sam", "--reason", "late"]) == 0
    assert api.sent("/api/incidents/incident-1/look-again") == {"by": "Sam", "reason": "late"}
    assert capsys.readouterr().out == "another look is requested (cmd-look-again)\n"
    api.asked.clear()
    assert main(["look-again", "incident-1", "--by", "Sam", "--mailbox", "Bob@Contoso.example"]) == 0
    assert api.sent("/api/incidents/incident-1/look-again")["targets"] == ["target-bob"]


def test_close(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", "incident-1", "--by", "Sam", "--reason", "done", "--json"]) == 0
    assert api.sent("/api/incidents/incident-1/close") == {"by": "Sam", "reason": "done"}
    assert printed_json(capsys) == {"commandId": "cmd-close"}


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
    assert found.keys() == {"incident", "counts", "watch", *LISTS, "targets", "verification"}
    assert found["targets"] == TARGETS


def test_a_case_shows_a_pause_and_what_was_pulled_without_a_person(
    api: StubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["incident", "show", "incident-1"]) == 0
    assert "paused" not in capsys.readouterr().out
    tenant = {
        "paused": {"by": "Ann", "at": "2026-11-24T12:00:00Z", "reason": "wrong \x1b[2Jmail"},
        "automatic": {"lastHour": {"targets": 298, "mailboxes": 298}, "lastDay": {"targets": 900, "mailboxes": 500}},
    }
    api.answers["/api/incidents/incident-1?top=1"] = Answer.json({"incident": HEADER, "tenant": tenant})
    assert main(["incident", "show", "incident-1"]) == 0
    text = capsys.readouterr().out
    assert "all pulling is paused by Ann since 2026-11-24T12:00:00Z: wrong [2Jmail\n" in text
    assert "all cases together: 298 targets in the last hour, 900 in the last day\n" in text


def test_of_two_approvals_the_first_is_shown(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    first = {"firstApprovedBy": "Ann", "firstApprovedAt": "2026-11-24T12:00:00Z"}
    waits = {"id": "plan-1", "hash": "h", "targets": 3, "state": "awaiting_approval", **first}
    answer_list(api, "plans", [waits])
    assert main(["incident", "show", "incident-1"]) == 0
    assert "  approved by Ann: another person has to approve it too\n" in capsys.readouterr().out
    answer_list(api, "plans", [{**waits, "state": "running", "approvedBy": "Bob", "approvedAt": "then"}])
    assert main(["incident", "show", "incident-1"]) == 0
    text = capsys.readouterr().out
    assert "  first approved by Ann at 2026-11-24T12:00:00Z\n  approved by Bob at then\n" in text


def test_the_first_of_two_people_is_told_so(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers["/api/incidents/incident-1/approve"] = Answer.json(
        {"commandId": "cmd-approve", "approval": "first_of_two"}, 202
    )
    assert main(["approve", "incident-1", "--by", "Ann"]) == 0
    assert "another person has to approve it too\n" in capsys.readouterr().out
