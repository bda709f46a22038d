"""JSON as the service takes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.values import canonical, equal, order_key, parse_json

trees = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=1), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b'"\xff"',
        b'{"a": "\\ud800"}',
        b"[" * 129 + b"]" * 129,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5000,
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    with pytest.raises(CosmosError) as error:
        parse_json(body)
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"9007199254740993", 9007199254740992),
        (b"1.0", 1),
        (b'"\\ud83d\\udc1f"', "🐟"),
        (b"[" * 128 + b"]" * 128, None),
    ],
)
def test_numbers_are_doubles_and_halves_of_characters_are_joined(body: bytes, expected: object) -> None:
    value = parse_json(body)
    assert expected is None or value == expected
    assert type(value) is not float


@given(trees, trees)
def test_equality_has_one_meaning(left: object, right: object) -> None:
    same = equal(left, right)
    assert same is (canonical(left) == canonical(right))
    assert same is equal(right, left)
    if same:
        assert order_key(left)[0] == order_key(right)[0]


@given(trees)
def test_a_value_equals_itself_after_json(value: object) -> None:
    assert equal(value, parse_json(json.dumps(value).encode()))


@given(st.lists(trees, max_size=6))
def test_everything_can_be_sorted(values: list[object]) -> None:
    ranks = [order_key(value)[0] for value in sorted(values, key=order_key)]
    assert ranks == sorted(ranks)
