from shared.domain.alert import Severity, alert_id


def test_severities_rank_from_bad_to_worse() -> None:
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3, 4]
    assert Severity.CRITICAL.rank > Severity.HIGH.rank > Severity.INFORMATIONAL.rank


def test_a_vendor_event_has_one_id_per_source() -> None:
    assert alert_id("tap", "1") == alert_id("tap", "1")
    assert alert_id("tap", "1") != alert_id("other", "1")
    assert alert_id("a", "b1") != alert_id("ab", "1")
