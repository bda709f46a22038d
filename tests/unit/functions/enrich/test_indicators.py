from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrich.indicators import collect, normalised
from shared.domain.alert import Alert, Indicator, IndicatorType, RawPayload, alert_id
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


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (T.URL, "HTTPS://Evil.Example/Path?q=A#top", "https://evil.example/Path?q=A"),
        (T.URL, "hxxps://evil[.]example/login", "https://evil.example/login"),
        (T.URL, "hXXp://evil(.)example", "http://evil.example/"),
        (T.URL, "evil.example/x", "http://evil.example/x"),
        (T.URL, "https://bank.example@evil.example:8443/", "https://evil.example:8443/"),
        (T.URL, "http://[2001:DB8::1]:80/", "http://[2001:db8::1]:80/"),
        (T.URL, "javascript:alert(1)", None),
        (T.URL, "http://[broken", None),
        (T.URL, "http://evil.example:99999/", None),
        (T.URL, "", None),
        (T.DOMAIN, "Evil[.]Example.", "evil.example"),
        (T.DOMAIN, "bücher.example", "xn--bcher-kva.example"),
        (T.DOMAIN, "not a domain", None),
        (T.DOMAIN, "a" * 300 + ".example", None),
        (T.SHA256, "A" * 64, "a" * 64),
        (T.SHA256, "a" * 63, None),
        (T.MD5, "0123456789abcdef0123456789ABCDEF", "0123456789abcdef0123456789abcdef"),
        (T.IPV4, "192.0.2[.]7", "192.0.2.7"),
        (T.IPV4, "192.0.2.700", None),
        (T.SENDER, "Name <X@Evil.Example>", "x@evil.example"),
        (T.SENDER, "nobody", None),
    ],
)
def test_one_spelling(kind: IndicatorType, value: str, expected: str | None) -> None:
    found = normalised(indicator(kind, value))
    assert (found and found.value) == expected


def test_an_address_gets_the_type_of_its_version() -> None:
    found = normalised(indicator(T.IPV4, "2001:DB8:0::1"))
    assert found == indicator(T.IPV6, "2001:db8::1")


def test_collects_hosts_and_senders_once_and_sorted() -> None:
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


def test_a_flood_is_bounded() -> None:
    assert len(collect(alert(*(indicator(T.DOMAIN, f"d{i}.example") for i in range(3000))))) == 1000


@given(st.sampled_from(list(IndicatorType)), st.text(max_size=60))
def test_any_text_is_refused_or_has_a_spelling_that_stays(kind: IndicatorType, value: str) -> None:
    found = normalised(indicator(kind, value))
    assert found is None or normalised(found) == found


@pytest.mark.parametrize("url", ["http://a]@[v1.a[/", "http://[v1.a[b]/", "http://]%v1.[v1.a["])
def test_a_url_that_no_parser_takes_twice_stops_nothing(url: str) -> None:
    given = Indicator(type=IndicatorType.URL, value=url, source="tap")
    assert {found.type for found in collect(alert(given))} <= {IndicatorType.URL, IndicatorType.SENDER}
