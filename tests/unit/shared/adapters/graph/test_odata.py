from urllib.parse import parse_qs, unquote

from hypothesis import example, given
from hypothesis import strategies as st

from shared.adapters.graph.odata import literal, query, segment

ANY = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY)
def test_a_literal_has_no_apostrophe_of_its_own_that_is_not_doubled(text: str) -> None:
    inside = literal(text)[1:-1]

    assert inside.replace("''", "") == inside.replace("'", "")
    assert inside.replace("''", "'") == text


@given(ANY)
def test_a_query_brings_its_values_over_whole(text: str) -> None:
    encoded = query(filter=text, top=5)

    assert encoded.isascii()
    assert encoded.count("&") == encoded.count("?") == 1
    assert not {"#", "+", " "} & set(encoded)
    assert parse_qs(encoded[1:], keep_blank_values=True) == {"$filter": [text], "$top": ["5"]}


@given(ANY)
@example(".")
@example("..")
def test_a_segment_is_one_segment(text: str) -> None:
    assert "/" not in segment(text)
    assert segment(text) not in {".", ".."}
    assert unquote(segment(text)) == text


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert segment("a\ud800b") == "a%3Fb"
