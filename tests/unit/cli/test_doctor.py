"""What `clawback doctor` makes of what the apps say; tests/pipeline/test_doctor.py plants the faults."""

import json
from datetime import datetime
from typing import Any

import pytest

from cli import doctor
from cli.diagnosis import Finding, Seen, judge
from cli.main import main
from shared.health.check import ROUND, TRIPS, fingerprint
from tests.unit.cli.stub_api import Answer, StubApi
from tools.deployment import TEMPLATES

PERMISSIONS = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))["pipeline"]
MAILBOX = {"what": "mailbox ann@contoso.example", "result": "ok", "detail": ""}


def report(*probes: dict[str, str], **changes: Any) -> dict[str, Any]:
    at = "2026-11-24T12:00:00Z"
    return {"at": at, "code": fingerprint(), "python": "3.12.1", "probes": [*probes], **changes}


def trips(pipeline: dict[str, Any] | None, **until: int) -> dict[str, list[dict[str, Any]]]:
    """All stops have been reached, but those behind the number `until` of a trip."""
    told = {
        trip: [
            {"stage": str(stage), **({"report": report()} if place < until.get(trip, 99) else {})}
            for place, stage in enumerate(route)
        ]
        for trip, route in TRIPS.items()
    }
    if pipeline is not None:
        told[ROUND][0]["report"] = pipeline
    return told


def seen(*probes: dict[str, str], roles: list[str] | None = None, **changes: Any) -> Seen:
    pipeline = report(*probes, graphRoles=list(PERMISSIONS) if roles is None else roles)
    given: dict[str, Any] = {"web": report(), "trips": trips(pipeline), "clocks": {"web": 0.0, "pipeline": 0.0}}
    return Seen(**{**given, **changes})


def ill(what: Seen) -> dict[str, Finding]:
    found = {finding.name: finding for finding in judge(what) if not finding.ok}
    assert all(finding.mend for finding in found.values())
    return found


def test_nothing_is_wrong_with_what_is_well() -> None:
    assert ill(seen(MAILBOX)) == {}


@pytest.mark.parametrize("grant", PERMISSIONS)
def test_a_grant_that_is_not_in_the_token_is_named(grant: str) -> None:
    (finding,) = ill(seen(roles=[g for g in PERMISSIONS if g != grant])).values()
    assert grant in finding.name
    assert "infra/bicep/graph" in finding.mend


@pytest.mark.parametrize("grant", [name for name, about in PERMISSIONS.items() if "exchangeRole" in about])
def test_what_exchange_grants_shows_in_a_mailbox_alone(grant: str) -> None:
    assert ill(seen(MAILBOX, roles=[g for g in PERMISSIONS if g != grant])) == {}


def test_a_grant_that_nothing_needs_is_named() -> None:
    assert set(ill(seen(roles=[*PERMISSIONS, "Mail.Send"]))) == {"pipeline: Graph Mail.Send"}


@pytest.mark.parametrize(
    ("found", "well", "mend"),
    [
        ("denied", True, ""),
        ("ok", False, "add up"),
        ("missing", False, "Exchange Online"),
        ("unavailable", False, "group"),
    ],
)
def test_a_mailbox_outside_is_to_be_denied(found: str, well: bool, mend: str) -> None:
    probe = {"what": "mailbox ceo@contoso.example", "result": found, "detail": ""}
    wrong = ill(seen(probe, outside=frozenset({"ceo@contoso.example"})))
    assert (wrong == {}) is well
    assert all(mend in finding.mend for finding in wrong.values())


@pytest.mark.parametrize(
    ("seconds", "well"), [(0.0, True), (59.0, True), (-59.0, True), (61.0, False), (-3600.0, False)]
)
def test_a_clock_that_is_off_is_told(seconds: float, well: bool) -> None:
    wrong = ill(seen(clocks={"web": seconds}))
    assert (wrong == {}) is well
    assert all("clock" in name for name in wrong)


def test_another_version_is_told_of_the_app_that_has_it() -> None:
    assert set(ill(seen(web=report(code="0" * 16)))) == {"web: code"}
    old = report(code="0" * 16, graphRoles=list(PERMISSIONS))
    assert set(ill(seen(trips=trips(old)))) == {"pipeline: code"}


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ({ROUND: 0}, "pipeline did not answer"),
        ({ROUND: 3}, "came as far as expand_recipients, not to quarantine"),
        ({"web_report": 0}, "did not come to report"),
    ],
)
def test_where_the_message_stopped_is_told(until: dict[str, int], said: str) -> None:
    there = None if until.get(ROUND) == 0 else report(graphRoles=list(PERMISSIONS))
    (finding,) = ill(seen(trips=trips(there, **until))).values()
    assert finding.what == said


@pytest.mark.parametrize(
    ("what", "mend"),
    [
        ("webhook secret of proofpoint_tap", "--name webhook-proofpoint-tap "),
        ("policy", "policy.yaml"),
        ("Graph token", "infra/bicep/graph"),
        ("queue enrich", "az deployment group create"),
        ("Cosmos DB container targets: write", "az deployment group create"),
    ],
)
def test_what_mends_it_is_what_made_it(what: str, mend: str) -> None:
    (finding,) = ill(seen({"what": what, "result": "missing", "detail": ""})).values()
    assert mend in finding.mend


def test_a_source_that_nobody_uses_needs_no_secret() -> None:
    secret = {"what": "webhook secret of proofpoint_tap", "result": "missing", "detail": ""}
    assert ill(seen(secret, unused=frozenset({"proofpoint_tap"}))) == {}
    assert ill(seen({**secret, "result": "wrong"}, unused=frozenset({"proofpoint_tap"})))
    assert ill(seen(secret, unused=frozenset({"clawback"})))


@pytest.mark.parametrize(
    ("told", "ahead"),
    [
        ("2026-11-24T12:00:05Z", 0.0),
        ("2026-11-24T12:02:10Z", 120.0),
        ("2026-11-24T11:59:00Z", -60.0),
    ],
)
def test_a_clock_is_ahead_of_when_we_asked_or_heard(told: str, ahead: float) -> None:
    before, after = (datetime.fromisoformat(f"2026-11-24T12:00:{second}Z") for second in ("00", "10"))
    assert doctor._ahead(told, before, after) == ahead


def test_settings_that_are_wrong_are_told_though_nothing_was_sent(
    stub: StubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"what": "settings", "result": "wrong", "detail": "CLAWBACK_LEASE_SECONDS: int_parsing"}
    stub.answers["/api/health-checks"] = Answer.json({"web": report(wrong)})

    assert main(["doctor"]) == 1

    said = capsys.readouterr().out
    assert "CLAWBACK_LEASE_SECONDS: int_parsing" in said
    assert "pipeline did not answer" in said


def test_an_address_is_on_one_side(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--mailbox", "a@x.example ", "--outside", "a@x.example"]) == 2
    assert "a@x.example" in capsys.readouterr().err
    assert stub.asked == []


def test_reports_that_cannot_be_read_hide_nothing_else(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    denied = {"what": "container evidence: read", "result": "denied", "detail": ""}
    stub.answers["/api/health-checks"] = Answer.json({"id": "health-1", "web": report(denied)})
    stub.answers["/api/health-checks/health-1"] = Answer.json({"title": "not now"}, status=503)

    assert main(["doctor", "--wait", "0"]) == 1

    said = capsys.readouterr().out
    assert "container evidence: read  denied" in said
    assert "pipeline did not answer" in said


def test_what_the_apps_say_cannot_lie_on_a_screen(stub: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"what": "mailbox \x1b[2J\u202ex", "result": "missing", "detail": "\x1b]0;owned\x07"}
    stub.answers["/api/health-checks"] = Answer.json({"web": report(hostile)})
    assert main(["doctor"]) == 1
    assert not {"\x1b", "\u202e", "\x07"} & set(capsys.readouterr().out)
