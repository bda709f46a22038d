import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import message
from shared.domain.message import (
    MAX_ADDRESS,
    MAX_MESSAGE_ID,
    MAX_SUBJECT,
    Message,
    address,
    internet_message_id,
    visible,
)
from tests.fakes.clock import START

# Half a character, as JSON may escape it.
HALF = "\ud83d"


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("<a@evil.example>", "<a@evil.example>"),
        ("a@evil.example", "<a@evil.example>"),
        ("<a@evil.example", "<a@evil.example>"),
        (" a@evil.example> ", "<a@evil.example>"),
        ("< a@evil.example >", "<a@evil.example>"),
        ("<A@Evil.example>", "<A@Evil.example>"),
        ("it's'; -- \"x\"", "<it's'; -- \"x\">"),
        (None, None),
        ("", None),
        ("<>", None),
        ("  ", None),
        ("<a\r\nBcc: x@evil.example>", None),
        (f"<a{HALF}@evil.example>", None),
        ("x" * (MAX_MESSAGE_ID - 2), "<" + "x" * (MAX_MESSAGE_ID - 2) + ">"),
        ("x" * (MAX_MESSAGE_ID - 1), None),
    ],
)
def test_message_ids(raw: str | None, stored: str | None) -> None:
    assert internet_message_id(raw) == stored


@given(st.text())
def test_a_stored_message_id_is_stored_the_same_again(raw: str) -> None:
    stored = internet_message_id(raw)
    if stored is not None:
        assert internet_message_id(stored) == stored
        stored.encode()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("Ann@Contoso.example", "ann@contoso.example"),
        ("Ann <ann@contoso.example>", "ann@contoso.example"),
        ('"Ann <ann@contoso.example>', "ann@contoso.example"),
        ('"boss@contoso.example" <thief@evil.example>', "thief@evil.example"),
        ("prvs=0000000000=human@sender.example", "human@sender.example"),
        (f"a{HALF}@evil.example", None),
        ("nobody", None),
        ("", None),
        (None, None),
        ("x" * MAX_ADDRESS + "@evil.example", None),
        ("o'brien@contoso.example", "o'brien@contoso.example"),
        ("'bob@contoso.example'", "bob@contoso.example"),
        ("\"O'Brien\" <O'Brien@contoso.example>", "o'brien@contoso.example"),
        ("ceo@evil.example'", "ceo@evil.example"),
        ("'@contoso.example", None),
    ],
)
def test_addresses(raw: str | None, found: str | None) -> None:
    assert address(raw) == found


@given(st.text(max_size=50))
def test_an_address_is_found_again_in_itself(raw: str) -> None:
    found = address(f"{raw}a@evil.example")
    if found is not None:
        assert address(f"Name <{found}>") == address(found)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, None),
        ("Invoice", "Invoice"),
        ("Invoice\u202egpj.exe", "Invoice gpj.exe"),
        ("a\r\nb\x00c\u200bd\u2028e", "a b c d e"),
        (HALF, ""),
        ("  wide   open ", "wide open"),
        ("x" * MAX_SUBJECT, "x" * MAX_SUBJECT),
        ("x" * (MAX_SUBJECT + 1), "x" * (MAX_SUBJECT - 1) + "…"),
    ],
)
def test_visible_text(raw: str | None, shown: str | None) -> None:
    assert visible(raw) == shown


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_visible_text_is_short_and_cannot_lie(raw: str, limit: int) -> None:
    shown = visible(raw, limit)

    assert shown is not None
    assert len(shown) <= limit
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert visible(shown, limit) == shown


def test_two_reports_of_one_mail_share_its_key() -> None:
    by_id = Message(internet_message_id="<1@evil.example>", subject="one")
    assert by_id.key == Message(internet_message_id="<1@evil.example>", network_message_id="n", subject="two").key

    by_network = Message(network_message_id="n", subject="one")
    assert by_network.key == Message(network_message_id="n", subject="two").key
    assert by_network.key != Message(internet_message_id="n").key

    by_look = Message(sender="a@evil.example", subject="one", received_at=START)
    assert by_look.key == by_look.model_copy(update={"recipients": ("b@contoso.example",)}).key
    assert by_look.key != by_look.model_copy(update={"subject": "two"}).key
    assert by_look.key != by_look.model_copy(update={"received_at": None}).key


def test_a_long_word_takes_no_square_of_its_length() -> None:
    # The whole of it is tried from its beginning only; every later beginning fails at once.
    assert message._ADDRESS.findall("a" * 200_000) == []
    assert message._ADDRESS.findall("a" * 200_000 + "@") == []
