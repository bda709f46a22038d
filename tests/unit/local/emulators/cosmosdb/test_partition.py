"""Partition keys, against the SDK's own hashing."""

from typing import Any

import pytest
from azure.cosmos.partition_key import PartitionKey, _Undefined
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.partition import RANGES, PartitionKeyDefinition
from local.emulators.cosmosdb.values import dumps

# Minus zero is zero here, as everywhere in JSON that has been read once.
floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), floats, st.text())


@given(scalars)
def test_one_level_hashes_as_the_sdk_does(value: Any) -> None:
    definition = PartitionKeyDefinition.parse({"paths": ["/pk"]})
    ours = definition.from_header(dumps([value])).epk
    theirs = PartitionKey._get_hashed_partition_key_string([value], "Hash", 2)
    assert ours == theirs


@given(scalars)
def test_each_key_lies_in_one_range(value: Any) -> None:
    key = PartitionKeyDefinition.parse({"paths": ["/pk"]}).from_header(dumps([value]))
    assert [one.number for one in RANGES if one.low <= key.epk < one.high] == [key.range_number]


def test_keys_are_spread_over_all_ranges() -> None:
    definition = PartitionKeyDefinition.parse({"paths": ["/pk"]})
    numbers = [definition.from_header(dumps([f"key-{number}"])).range_number for number in range(400)]
    assert all(numbers.count(one.number) > 50 for one in RANGES)


@given(st.tuples(scalars, scalars))
def test_levels_hash_as_the_sdk_does(value: tuple[Any, Any]) -> None:
    definition = PartitionKeyDefinition.parse({"paths": ["/a", "/b"], "kind": "MultiHash"})
    ours = definition.from_header(dumps(list(value))).epk
    assert ours == PartitionKey._get_hashed_partition_key_string(list(value), "MultiHash", 2)


def test_a_missing_value_is_undefined() -> None:
    definition = PartitionKeyDefinition.parse({"paths": ["/a/b"]})
    assert definition.of({"a": {"b": 1}}) == definition.from_header("[1]")
    assert definition.of({"a": {}}) == definition.from_header("[{}]")
    assert definition.of({"a": 5}) == definition.from_header("[{}]")
    assert definition.from_header("[{}]").epk == PartitionKey._get_hashed_partition_key_string(
        [_Undefined()], "Hash", 2
    )
    assert definition.from_header("[1.0]") == definition.from_header("[1]")
    assert definition.from_header("[true]") != definition.from_header("[1]")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        "{}",
        "[]",
        "[1,2]",
        "[[1]]",
        "[1e999]",
        "[-1e999]",
        "[NaN]",
        '["\\ud800"]',
        "[" * 100_000,
        '["\udcff"]',
        '[{"a":1}]',
        f'["{"x" * 2100}"]',
    ],
)
def test_a_bad_header_is_refused(header: str) -> None:
    definition = PartitionKeyDefinition.parse({"paths": ["/pk"]})
    with pytest.raises(CosmosError) as error:
        definition.from_header(header)
    assert error.value.status == 400


@pytest.mark.parametrize(
    "definition",
    [
        None,
        {},
        {"paths": []},
        {"paths": ["pk"]},
        {"paths": ["/"]},
        {"paths": ["/a", "/b"]},
        {"paths": ["/a", "/a"], "kind": "MultiHash"},
        {"paths": ["/a", "/b", "/c", "/d"], "kind": "MultiHash"},
        {"paths": ["/a"], "kind": "Range"},
        {"paths": ["/a"], "version": 1},
    ],
)
def test_a_bad_definition_is_refused(definition: Any) -> None:
    with pytest.raises(CosmosError):
        PartitionKeyDefinition.parse(definition)
