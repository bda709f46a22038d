from datetime import UTC, datetime

import pytest

from functions.enrich.indicators import collect
from shared.domain.alert import Alert, RawPayload, alert_id
from shared.domain.indicators import MAX_PER_ALERT, Indicator, IndicatorType
from shared.domain.message import Message

T = IndicatorType


def indicator(kind: IndicatorType, value: str) -> Indicator:
    return Indicator(type=kind, value=value, source="tap")


def alert(*indicators: Indicator, sender: str | None = None) -> Alert:
    return Alert(
        id=alert_id("tap", "1"),
        source="tap",
        vendor_alert_id="1",
        received_at=datetime(2026, 11, 24, tzinfo=UTC),
        messages=(Message(sender=sender),),
        indicators=indicators,
        evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
    )


def test_hosts_and_senders_are_collected_once_and_sorted() -> None:
    # As the last release kept them: each as its source wrote it.
    found = collect(
        alert(
            indicator(T.URL, "http://evil.example/b"),
            indicator(T.URL, "hxxp://evil[.]example/b"),
            indicator(T.URL, "http://192.0.2.7/"),
            indicator(T.SHA256, "nonsense"),
            sender="x@evil.example",
        )
    )
    assert [(i.type, i.value) for i in found] == [
        (T.DOMAIN, "evil.example"),
        (T.SENDER, "x@evil.example"),
        (T.IPV4, "192.0.2.7"),
        (T.URL, "http://192.0.2.7/"),
        (T.URL, "http://evil.example/b"),
    ]


def test_the_number_of_indicators_has_a_limit() -> None:
    assert len(collect(alert(*(indicator(T.DOMAIN, f"d{i}.example") for i in range(3000))))) == MAX_PER_ALERT


@pytest.mark.parametrize("url", ["http://a]@[v1.a[/", "http://[v1.a[b]/", "http://]%v1.[v1.a["])
def test_a_url_that_no_parser_takes_stops_nothing(url: str) -> None:
    assert {found.type for found in collect(alert(indicator(T.URL, url)))} <= {T.URL, T.SENDER}
