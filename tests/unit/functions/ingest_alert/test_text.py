import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_alert import text


@pytest.mark.parametrize(
    "raw",
    ["<x@y.example>", "x@y.example", "x@y.example>", "<x@y.example", " <x@y.example>\r\n", "\\u003cx@y.example\\u003e",
     "'<x@y.example>'", "<x\r\n @y.example>", "&lt;x@y.example&gt;"],
)  # fmt: skip
def test_every_form_of_a_message_id_is_the_same(raw: str) -> None:
    assert text.message_id(raw) == "<x@y.example>"


@pytest.mark.parametrize("raw", [None, "", "<>", " ", "''", "a\x00b@y.example", "x" * 2000])
def test_what_is_no_message_id_is_none(raw: str | None) -> None:
    assert text.message_id(raw) is None


def test_case_and_quotes_within_a_message_id_are_kept() -> None:
    assert text.message_id('<It\'s-A-"Trap"@y.example>') == '<It\'s-A-"Trap"@y.example>'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, ()),
        ("", ()),
        ("Ann@contoso.example", ("ann@contoso.example",)),
        ("a@c.example; b@c.example,c@c.example", ("a@c.example", "b@c.example", "c@c.example")),
        (["a@contoso.example", "A@contoso.example", "nobody"], ("a@contoso.example",)),
        ('"Trang, Alex" <alex@contoso.example>', ("alex@contoso.example",)),
    ],
)  # fmt: skip
def test_addresses(raw: str | list[str] | None, expected: tuple[str, ...]) -> None:
    assert text.addresses(raw) == expected


@given(st.text(st.characters(), max_size=300))
def test_hostile_text_breaks_nothing(raw: str) -> None:
    text.message_id(raw)
    text.addresses(raw)


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    assert text.whole("a\ud83d") == "a?"
    assert text.whole("\U0001f600") == "\U0001f600"
    assert text.whole(7) == 7


@pytest.mark.parametrize("inside", ["x&lt;y@evil.example", "x\\u003cy@evil.example", "&gt;x@evil.example"])
def test_what_the_sender_wrote_inside_a_message_id_is_left_alone(inside: str) -> None:
    assert text.message_id(f"<{inside}>") == f"<{inside}>"
    assert text.message_id(f"&lt;{inside}&gt;") == f"<{inside}>"


@pytest.mark.parametrize("raw", ["ann@contoso.example\r\nbob@contoso.example", "ann\x00@contoso.example"])
def test_an_address_with_a_control_character_is_no_other_address(raw: str) -> None:
    assert text.controlled(raw)
    assert text.addresses([raw, "carol@contoso.example"]) == ("carol@contoso.example",)
    assert not text.controlled(" ann@contoso.example\r\n")
