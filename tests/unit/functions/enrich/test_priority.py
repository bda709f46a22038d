from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrich.priority import score
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType, alert_id
from shared.domain.message import Message

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def alert(severity: Severity = Severity.MEDIUM, threat: ThreatType = ThreatType.PHISH, age: int = 120) -> Alert:
    return Alert(
        id=alert_id("tap", "1"),
        source="tap",
        vendor_alert_id="1",
        received_at=NOW,
        severity=severity,
        threat_type=threat,
        messages=(Message(received_at=NOW - timedelta(minutes=age)),),
        evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
    )


def points(one: Alert, **changes: Any) -> int:
    given_numbers = {"recipients": 1, "groups": 0, "privileged": 0, "now": NOW, **changes}
    return score(one, **given_numbers).score


def test_every_point_has_its_reason() -> None:
    priority = score(alert(Severity.HIGH, age=5), recipients=120, groups=2, privileged=3, now=NOW)
    assert priority.reasons == (
        "severity high (+40)",
        "threat phish (+15)",
        "3 privileged (+15)",
        "120 recipients (+10)",
        "2 groups (+5)",
        "delivered within the hour (+10)",
    )
    assert priority.score == 95


@pytest.mark.parametrize(("recipients", "more"), [(9, 0), (10, 5), (99, 5), (100, 10)])
def test_reach(recipients: int, more: int) -> None:
    assert points(alert(), recipients=recipients) - points(alert()) == more


@pytest.mark.parametrize(("minutes", "more"), [(60, 10), (61, 0)])
def test_fresh_for_an_hour(minutes: int, more: int) -> None:
    assert points(alert(age=minutes)) - points(alert(age=1000)) == more


def test_a_message_without_time_is_not_fresh() -> None:
    timeless = alert().model_copy(update={"messages": (Message(),)})
    assert points(timeless) == points(alert())


@given(
    st.sampled_from(list(Severity)),
    st.sampled_from(list(ThreatType)),
    st.integers(0, 20_000),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_score_stays_in_range_and_never_falls_with_severity(
    severity: Severity, threat: ThreatType, recipients: int, groups: int, privileged: int
) -> None:
    numbers = {"recipients": recipients, "groups": groups, "privileged": privileged}
    found = points(alert(severity, threat), **numbers)
    assert 0 <= found <= 100
    for worse in list(Severity)[severity.rank :]:
        assert points(alert(worse, threat), **numbers) >= found
