import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.indicators import MAX_URL, Indicator, IndicatorType, domain, host, parse, recognise

T = IndicatorType
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MD5 = "b10a8db164e0754105b7a99be72e3fe5"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (T.URL, "HTTPS://Evil.Example/Path?q=A#top", "https://evil.example/Path?q=A"),
        (T.URL, "hxxps://evil[.]example/login", "https://evil.example/login"),
        (T.URL, "hXXp://evil(.)example", "http://evil.example/"),
        (T.URL, "h**ps[:]//evil{dot}example", "https://evil.example/"),
        (T.URL, "https://evil.example/a[.]b(at)c", "https://evil.example/a%5B.%5Db(at)c"),
        (T.URL, "evil.example/x", "http://evil.example/x"),
        (T.URL, "https://bank.example@evil.example:8443/", "https://evil.example:8443/"),
        (T.URL, "http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        (T.URL, "https://evil.example:80/", "https://evil.example:80/"),
        # As browsers read them (WHATWG URL).
        (T.URL, "http:\\\\evil.example\\a?b\\c", "http://evil.example/a?b%5Cc"),
        (T.URL, "https:////evil.example/a\tb", "https://evil.example/ab"),
        (T.URL, "http://ev%69l.example/", "http://evil.example/"),
        (T.URL, "http://3221225991/", "http://192.0.2.7/"),
        (T.URL, "http://0xC0.0.02.07/", "http://192.0.2.7/"),
        (T.URL, "http://faß.example/ü", "http://xn--fa-hia.example/%C3%BC"),
        # What turns text around on a screen is in a URL what it is on the wire.
        (T.URL, "https://e.example/\u202egpj", "https://e.example/%E2%80%AEgpj"),
        (T.URL, "javascript:alert(1)", None),
        (T.URL, "http://[broken", None),
        (T.URL, "http://evil.example:99999/", None),
        (T.URL, "http://intranet/", None),
        (T.URL, "http://1.2.3.4.5/", None),
        (T.URL, "", None),
        (T.DOMAIN, "Evil[.]Example.", "evil.example"),
        (T.DOMAIN, "evil[dot]example", "evil.example"),
        (T.DOMAIN, "not a domain", None),
        (T.DOMAIN, "a" * 300 + ".example", None),
        (T.SHA256, SHA256.upper(), SHA256),
        (T.SHA256, "a" * 63, None),
        (T.SHA256, MD5, None),
        (T.MD5, MD5.upper(), MD5),
        (T.IPV4, "192.0.2[.]7", "192.0.2.7"),
        (T.IPV4, "192.0.2.700", None),
        (T.IPV6, "fe80::1%eth0", None),
        (T.SENDER, "Name <X@Evil.Example>", "x@evil.example"),
        (T.SENDER, "x[at]Bücher.example", "x@xn--bcher-kva.example"),
        (T.SENDER, "nobody", None),
    ],
)
def test_one_spelling(kind: IndicatorType, value: str, expected: str | None) -> None:
    found = parse(kind, value, "tap")
    assert (found and found.value) == expected


def test_an_address_gets_the_type_of_its_version() -> None:
    assert parse(T.IPV4, "2001:DB8:0::1", "tap") == Indicator(type=T.IPV6, value="2001:db8::1", source="tap")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Python's own codec (IDNA 2003) gives fass.example, which is somebody else's domain.
        ("faß.example", "xn--fa-hia.example"),
        ("Bücher。example", "xn--bcher-kva.example"),
        # Greek final sigma: IDNA 2003 makes it another letter.
        ("βόλος.example", "xn--nxasmm1c.example"),
        # A Cyrillic letter that looks like a Latin one.
        ("\u0430pple.example", "xn--pple-43d.example"),
        # Not of IDNA 2008, and sold and opened all the same.
        ("\u2603.example", "xn--n3h.example"),
        # In DNS, though IDNA would refuse them.
        ("_dmarc.example", "_dmarc.example"),
        ("r3---sn-5h.evil.example", "r3---sn-5h.evil.example"),
        ("xn--zzzz.example", "xn--zzzz.example"),
        # Characters that nobody sees, and browsers leave out.
        ("ev\u200bil.exa\u00admple", "evil.example"),
        ("\u202eevil.example", None),
        ("\u200da.example", None),
        ("invoice.7", None),
        ("192.0.2.1", None),
        ("-a.example", None),
        ("a..example", None),
        ("example", None),
    ],
)
def test_domains_are_those_of_idna_2008(name: str, expected: str | None) -> None:
    assert domain(name) == expected


def test_two_domains_are_not_one() -> None:
    assert "faß.example".encode("idna") == b"fass.example"
    assert domain("faß.example") != domain("fass.example")


def test_a_url_that_is_too_long_is_told_by_its_host() -> None:
    fits = "https://evil.example/".ljust(MAX_URL, "x")
    assert parse(T.URL, fits, "tap") == Indicator(type=T.URL, value=fits, source="tap")
    assert parse(T.URL, f"{fits}x", "tap") == Indicator(type=T.DOMAIN, value="evil.example", source="tap")
    assert parse(T.URL, f"http://192.0.2.7/{'ü' * MAX_URL}", "tap") == Indicator(
        type=T.IPV4, value="192.0.2.7", source="tap"
    )


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("https://Evil.example/Path", T.URL, "https://evil.example/Path"),
        ("hxxp://evil[.]example", T.URL, "http://evil.example/"),
        ("evil.example/Path", T.URL, "http://evil.example/Path"),
        ("evil.example/?mail=ann@contoso.example", T.URL, "http://evil.example/?mail=ann@contoso.example"),
        ("evil.example:8080/x", T.URL, "http://evil.example:8080/x"),
        ("evil.example:8080", T.URL, "http://evil.example:8080/"),
        ("Evil.example", T.DOMAIN, "evil.example"),
        (SHA256.upper(), T.SHA256, SHA256),
        (MD5, T.MD5, MD5),
        ("192.0.2.1", T.IPV4, "192.0.2.1"),
        ("2001:DB8::1", T.IPV6, "2001:db8::1"),
        ("Bad@evil.example", T.SENDER, "bad@evil.example"),
    ],
)
def test_a_thing_is_known_by_its_look(raw: str, kind: IndicatorType, value: str) -> None:
    assert recognise(raw, "s") == Indicator(type=kind, value=value, source="s")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "a word or two",
        "word",
        "192.0.2.0/24",
        "Name <x@evil.example>",
        "http://",
        "a@",
        "version/1.2",
        "file:x",
    ],
)
def test_what_is_nothing_is_none(raw: str | None) -> None:
    assert recognise(raw, "s") is None


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("http://evil.example:81/", (T.DOMAIN, "evil.example")),
        ("http://[2001:db8::1]/", (T.IPV6, "2001:db8::1")),
        ("http://192.0.2.7/", (T.IPV4, "192.0.2.7")),
    ],
)
def test_the_host_of_a_url(url: str, leads_to: tuple[IndicatorType, str]) -> None:
    found = host(Indicator(type=T.URL, value=url, source="s"))
    assert found is not None
    assert (found.type, found.value, found.source) == (*leads_to, "s")


def test_only_urls_lead_to_a_host() -> None:
    assert host(Indicator(type=T.DOMAIN, value="evil.example", source="s")) is None


# Mostly what a URL, a domain or an address is made of, so that more of it is taken.
likely = st.lists(
    st.sampled_from(
        [*"aZ09.:/@[]()%?#\\-_ ßü。\u202e\u200d\ud800", "http", "hxxps", "://", "xn--", "evil.example", "0x7f"]
    )
    | st.characters(),
    max_size=12,
).map("".join)


@given(st.sampled_from(list(IndicatorType)), likely)
def test_any_text_is_refused_or_has_a_spelling_that_stays(kind: IndicatorType, text: str) -> None:
    found = parse(kind, text, "s")
    if found is not None:
        assert parse(found.type, found.value, "s") == found
        assert found.value.isascii() or found.type is T.SENDER
        if found.type is T.URL:
            assert host(found) is not None


@given(likely)
def test_what_is_recognised_has_the_spelling_of_its_type(text: str) -> None:
    found = recognise(text, "s")
    assert found is None or parse(found.type, found.value, "s") == found
