import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.json_output import json_pieces, json_text

ENCODINGS = ["utf-8", "cp1252", "cp932", "ascii"]
values = st.recursive(
    st.none() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_japanese_is_printed_as_it_is() -> None:
    assert json_text({"件名": "請求書\u3000のご確認"}, "utf-8") == '{\n  "件名": "請求書\u3000のご確認"\n}'


def test_what_a_code_page_lacks_is_escaped() -> None:
    assert json_text("é請😀", "cp1252") == '"é\\u8acb\\ud83d\\ude00"'


def test_control_and_direction_characters_are_escaped() -> None:
    text = json_text("\x1b[2J\x9b1m\x7f\u202e\u2066\u200b\u2028\ud800", "utf-8")
    assert text.isascii()
    assert text.isprintable()


@given(values, st.sampled_from(ENCODINGS))
def test_it_can_be_encoded_and_read_back(value: Any, encoding: str) -> None:
    text = json_text(value, encoding)
    assert json.loads(text.encode(encoding).decode(encoding)) == value


@given(values, st.lists(values, max_size=3), st.sampled_from(ENCODINGS))
def test_in_pieces_it_is_the_same(value: Any, items: list[Any], encoding: str) -> None:
    parts = {"one": value, "many": iter(items), "last": 1}
    whole = {"one": value, "many": items, "last": 1}
    text = "".join(json_pieces(parts, encoding))
    assert text.endswith("\n")
    assert json.loads(text) == whole


def test_items_are_not_collected() -> None:
    taken: list[int] = []

    def many() -> Iterator[int]:
        for number in range(3):
            taken.append(number)
            yield number

    pieces = json_pieces({"many": many()}, "utf-8")
    assert "0" in next(piece for piece in pieces if any(c.isdigit() for c in piece))
    assert taken == [0]


@pytest.mark.parametrize("value", [[], {}])
def test_empty_values_stay_empty(value: Any) -> None:
    assert json.loads("".join(json_pieces({"one": value, "many": iter([])}, "utf-8"))) == {"one": value, "many": []}
