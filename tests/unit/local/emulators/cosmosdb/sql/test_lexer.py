"""Text to tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.sql.lexer import Kind, tokenize


def test_tokens_say_what_and_where() -> None:
    told = [(token.kind, token.value, token.position) for token in tokenize("a.b >= @p -- note\n/* more */ 1.50")]
    assert told == [
        (Kind.IDENTIFIER, "a", 0),
        (Kind.SYMBOL, ".", 1),
        (Kind.IDENTIFIER, "b", 2),
        (Kind.SYMBOL, ">=", 4),
        (Kind.PARAMETER, "@p", 7),
        (Kind.NUMBER, 1.5, 29),
        (Kind.END, None, 33),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", 7),
        ("9007199254740993", 9007199254740992),
        ("1" + "0" * 22, 10**22),
        ("1e3", 1000),
        (".5", 0.5),
        (r"'a\'b'", "a'b"),
        (r'"\ud83d\udc1f"', "🐟"),
        (r"'\t\/\\'", "\t/\\"),
    ],
)
def test_literals(text: str, value: object) -> None:
    assert tokenize(text)[0].value == value


def test_thousands_of_digits_are_no_number_and_no_failure() -> None:
    assert tokenize("9" * 5000)[0].kind is Kind.NUMBER


@pytest.mark.parametrize("text", ["'open", r"'\x'", r"'\ud800'", "1a", "#", "\x00"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(SqlError):
        tokenize(text)


@given(st.text(max_size=40))
def test_any_text_is_tokens_or_refused(text: str) -> None:
    try:
        tokens = tokenize(text)
    except SqlError:
        return
    assert tokens[-1].kind is Kind.END
    assert all(text.startswith(token.text, token.position) for token in tokens)
