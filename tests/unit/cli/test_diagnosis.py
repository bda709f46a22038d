"""How reports of the apps are judged; tests/pipeline/test_doctor.py plants real faults."""

import json
from typing import Any

import pytest

from cli.diagnosis import Finding, Seen, judge
from shared.health.check import ROUND, TRIPS, fingerprint
from tools.deployment import TEMPLATES

PERMISSIONS = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))["pipeline"]
MAILBOX = {"what": "mailbox ann@contoso.example", "result": "ok", "detail": ""}


def report(*probes: dict[str, str], **changes: Any) -> dict[str, Any]:
    at = "2026-11-24T12:00:00Z"
    return {"at": at, "code": fingerprint(), "python": "3.12.1", "probes": [*probes], **changes}


def trips(pipeline: dict[str, Any] | None, **until: int) -> dict[str, list[dict[str, Any]]]:
    """All stops are reached; in the trips named in `until` only that many of them."""
    made = {
        trip: [
            {"stage": str(stage), **({"report": report()} if place < until.get(trip, 99) else {})}
            for place, stage in enumerate(route)
        ]
        for trip, route in TRIPS.items()
    }
    if pipeline is not None:
        made[ROUND][0]["report"] = pipeline
    return made


def seen(*probes: dict[str, str], roles: list[str] | None = None, **changes: Any) -> Seen:
    pipeline = report(*probes, graphRoles=list(PERMISSIONS) if roles is None else roles)
    given: dict[str, Any] = {"web": report(), "trips": trips(pipeline), "clocks": {"web": 0.0, "pipeline": 0.0}}
    return Seen(**{**given, **changes})


def wrong(what: Seen) -> dict[str, Finding]:
    found = {finding.name: finding for finding in judge(what) if not finding.ok}
    assert all(finding.fix for finding in found.values())
    return found


def test_a_sound_deployment_has_no_findings() -> None:
    assert wrong(seen(MAILBOX)) == {}


@pytest.mark.parametrize("grant", PERMISSIONS)
def test_a_grant_that_is_not_in_the_token_is_named(grant: str) -> None:
    (finding,) = wrong(seen(roles=[g for g in PERMISSIONS if g != grant])).values()
    assert grant in finding.name
    assert "infra/bicep/graph" in finding.fix


@pytest.mark.parametrize("grant", [name for name, about in PERMISSIONS.items() if "exchangeRole" in about])
def test_a_readable_mailbox_proves_what_exchange_grants(grant: str) -> None:
    assert wrong(seen(MAILBOX, roles=[g for g in PERMISSIONS if g != grant])) == {}


def test_a_grant_that_nothing_needs_is_named() -> None:
    assert set(wrong(seen(roles=[*PERMISSIONS, "Mail.Send"]))) == {"pipeline: Graph Mail.Send"}


@pytest.mark.parametrize(
    ("result", "passes", "fix"),
    [
        ("denied", True, ""),
        ("ok", False, "add up"),
        ("missing", False, "Exchange Online"),
        ("unavailable", False, "group"),
    ],
)
def test_a_mailbox_outside_must_be_denied(result: str, passes: bool, fix: str) -> None:
    probe = {"what": "mailbox ceo@contoso.example", "result": result, "detail": ""}
    found = wrong(seen(probe, outside=frozenset({"ceo@contoso.example"})))
    assert (found == {}) is passes
    assert all(fix in finding.fix for finding in found.values())


@pytest.mark.parametrize(
    ("seconds", "passes"), [(0.0, True), (59.0, True), (-59.0, True), (61.0, False), (-3600.0, False)]
)
def test_a_wrong_clock_is_found(seconds: float, passes: bool) -> None:
    found = wrong(seen(clocks={"web": seconds}))
    assert (found == {}) is passes
    assert all("clock" in name for name in found)


def test_the_app_with_another_version_is_named() -> None:
    assert set(wrong(seen(web=report(code="0" * 16)))) == {"web: code"}
    old = report(code="0" * 16, graphRoles=list(PERMISSIONS))
    assert set(wrong(seen(trips=trips(old)))) == {"pipeline: code"}


@pytest.mark.parametrize(
    ("until", "detail"),
    [
        ({ROUND: 0}, "pipeline did not answer"),
        ({ROUND: 3}, "reached expand_recipients, not quarantine"),
        ({"web_report": 0}, "did not reach report"),
    ],
)
def test_the_stage_that_a_message_did_not_reach_is_named(until: dict[str, int], detail: str) -> None:
    pipeline = None if until.get(ROUND) == 0 else report(graphRoles=list(PERMISSIONS))
    (finding,) = wrong(seen(trips=trips(pipeline, **until))).values()
    assert finding.detail == detail


@pytest.mark.parametrize(
    ("what", "fix"),
    [
        ("webhook secret of proofpoint_tap", "--name webhook-proofpoint-tap "),
        ("policy", "policy.yaml"),
        ("Graph token", "infra/bicep/graph"),
        ("queue enrich", "az deployment group create"),
        ("Cosmos DB container targets: write", "az deployment group create"),
    ],
)
def test_the_fix_is_the_command_that_creates_it(what: str, fix: str) -> None:
    (finding,) = wrong(seen({"what": what, "result": "missing", "detail": ""})).values()
    assert fix in finding.fix


def test_an_unused_source_needs_no_secret() -> None:
    secret = {"what": "webhook secret of proofpoint_tap", "result": "missing", "detail": ""}
    assert wrong(seen(secret, unused=frozenset({"proofpoint_tap"}))) == {}
    assert wrong(seen({**secret, "result": "wrong"}, unused=frozenset({"proofpoint_tap"})))
    assert wrong(seen(secret, unused=frozenset({"clawback"})))


PULLING: dict[str, Any] = {
    "mode": "act",
    "lastHour": {"targets": 298, "mailboxes": 298},
    "lastDay": {"targets": 900, "mailboxes": 500},
    "targetsPerHour": 1000,
    "targetsPerDay": 5000,
}


def pulling(**changes: Any) -> Seen:
    told = report(graphRoles=list(PERMISSIONS), pulling={**PULLING, **changes})
    return seen(trips=trips(told))


def test_the_budget_is_shown() -> None:
    assert wrong(pulling()) == {}
    details = {finding.name: finding.detail for finding in judge(pulling())}
    told = details["pipeline: budget of pulls that no person approved"]
    assert told == "298 of 1000 targets in the last hour, 900 of 5000 targets in the last day"


def test_a_budget_that_is_used_up_is_a_finding() -> None:
    (finding,) = wrong(pulling(lastHour={"targets": 1000, "mailboxes": 9})).values()
    assert "plans that wait" in finding.fix


def test_a_pause_is_a_finding_with_who_and_why() -> None:
    change = {"by": "Ann", "at": "2026-11-24T12:00:00Z", "reason": "wrong mail"}
    (finding,) = wrong(pulling(paused=change)).values()
    assert finding.detail == "paused by Ann since 2026-11-24T12:00:00Z: wrong mail"
    assert "clawback resume" in finding.fix


def test_an_installation_that_only_plans_says_so() -> None:
    details = {finding.name: finding.detail for finding in judge(pulling(mode="observe"))}
    assert "nothing is pulled" in details["pipeline: mode observe"]
