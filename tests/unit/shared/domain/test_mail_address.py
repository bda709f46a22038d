import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.mail_address import all_spelled, other_spellings, spelled
from shared.domain.message import MAX_SENDERS


@pytest.mark.parametrize(
    "raw",
    [
        "Müller@BÜCHER.example",
        "müller@xn--bcher-kva.example",
        "müller@Xn--Bcher-KVA.example.",
        '"müller"@bücher.example',
        '"m\\üller"@bücher.example',
        "<müller@bücher.example>",
        '"Müller, Ann" <MÜLLER@bücher.example>',
        '"Müller <müller@bücher.example>',
        "prvs=0123456789=müller@bücher.example",
        "mu\u0308ller@bu\u0308cher.example",
        "m\u00fcller@b\u00fccher\u3002example",
    ],
)
def test_every_text_of_one_address_has_one_spelling(raw: str) -> None:
    assert spelled(raw) == "müller@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("raw", "spelling"),
    [
        ('"john doe"@evil.example', '"john doe"@evil.example'),
        ('J <"John Doe"@Evil.example>', '"john doe"@evil.example'),
        ('"a\\"b"@evil.example', '"a\\"b"@evil.example'),
        ('"a.b"@evil.example', "a.b@evil.example"),
        ('".a"@evil.example', '".a"@evil.example'),
        ('"a@b"@evil.example', '"a@b"@evil.example'),
        ('""@evil.example', '""@evil.example'),
        ("o'brien@contoso.example", "o'brien@contoso.example"),
        # IDNA 2008: these are two domains.
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("a@fass.example", "a@fass.example"),
        ("a@under_score.example", "a@under_score.example"),
    ],
)
def test_quoted_local_parts_and_odd_domains_are_kept(raw: str, spelling: str) -> None:
    assert spelled(raw) == spelling


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "<>",
        "nobody",
        "/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=1F2E-ANN",
        "/o=First/cn=a@b",
        "EX:/o=First/cn=ann",
        "IMCEAEX-_O=FIRST_CN=ANN@contoso.example",
        '"/o=First/cn=ann"@contoso.example',
        "a@.",
        "a@b.example, c@d.example",
        '"a\x00b"@evil.example',
        '"' + "a" * 300 + '"@evil.example',
        "a" * 400 + "@evil.example",
    ],
)
def test_what_is_no_single_address_is_unknown(raw: str | None) -> None:
    assert spelled(raw) is None


def test_a_from_header_of_two_addresses_has_both() -> None:
    header = '"Doe, John" <John@x.example>, Ann <ann@y.example>; "a,b"@z.example'
    assert all_spelled([header, None, "ann@Y.example"]) == ("john@x.example", "ann@y.example", '"a,b"@z.example')


def test_a_from_header_of_a_crowd_says_nothing() -> None:
    crowd = [f"a{number}@x.example" for number in range(MAX_SENDERS + 1)]
    assert len(all_spelled(crowd[1:])) == MAX_SENDERS
    assert all_spelled(crowd) == all_spelled([", ".join(crowd)]) == ()


def test_an_address_in_a_display_name_is_none() -> None:
    assert all_spelled(['"ceo"@contoso.example <x@evil.example>']) == ("x@evil.example",)
    assert all_spelled(['"ceo@contoso.example" <x@evil.example>']) == ("x@evil.example",)


@given(
    st.text(alphabet=st.sampled_from("ab\"<>@.,;\\ üİ\u0308\u202e/='\r\n"))
    | st.lists(st.sampled_from(["prvs=", "=", "'", '"', "/o=", "ex:", "a", "@", ".", "b.example"])).map("".join)
)
def test_a_spelling_is_spelled_the_same_again(raw: str) -> None:
    for one in all_spelled([raw]):
        assert spelled(one) == one


@given(st.text(max_size=200))
def test_whatever_stands_in_from_is_read(raw: str) -> None:
    for one in all_spelled([raw]):
        one.encode()
        assert "@" in one


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ann@contoso.example", ()),
        ("Ann+Shop@contoso.example", ("ann@contoso.example",)),
        ("ann+a+b@contoso.example", ("ann@contoso.example",)),
        ("+shop@contoso.example", ()),
        ("ann@bücher.example", ("ann@xn--bcher-kva.example",)),
        ("ann@xn--bcher-kva.example", ("ann@bücher.example",)),
        ("ann@xn--zzzzzz99999.example", ()),
        ("nobody", ()),
    ],
)
def test_other_addresses_at_which_exchange_delivers(address: str, expected: tuple[str, ...]) -> None:
    assert other_spellings(address) == expected
