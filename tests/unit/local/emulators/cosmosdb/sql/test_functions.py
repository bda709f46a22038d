"""The built-in functions: a value each, and undefined (no result) for an argument of the wrong type."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.cosmosdb.sql.functions import FUNCTIONS
from local.emulators.cosmosdb.values import UNDEFINED, dumps

Ask = Callable[..., list[Any]]
UNDEF: list[Any] = []

values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1e300, -1e300, 2**60]), st.text(max_size=3),
    st.sampled_from([[], [1], {}, {"a": 1}]), st.just(UNDEFINED),
)  # fmt: skip


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(values, min_size=4, max_size=4))
def test_no_argument_makes_a_function_fail(name: str, arguments: list[Any]) -> None:
    function = FUNCTIONS[name]
    told = function.call(*arguments[: min(max(function.least, 3), function.most)])
    # Whatever it is, it can be sent.
    assert told is UNDEFINED or dumps(told)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IS_BOOL(true)", [True]),
        ("IS_BOOL(1)", [False]),
        ("IS_INTEGER(1.0)", [True]),
        ("IS_INTEGER(1e20)", [False]),
        ("IS_OBJECT({})", [True]),
        ("IS_PRIMITIVE([])", [False]),
        ("IS_PRIMITIVE(null)", [True]),
        ("IIF(1, 'a', 'b')", ["b"]),
        ("CHOOSE(2, 'a', 'b')", ["b"]),
        ("CHOOSE(3, 'a', 'b')", UNDEF),
        ("ENDSWITH('Hello', 'LO', true)", [True]),
        ("ENDSWITH('Hello', 'LO')", [False]),
        ("CONTAINS('a', 1)", UNDEF),
        ("StringEquals('a', 'A', true)", [True]),
        ("TRIM('  a ')", ["a"]),
        ("LTRIM('  a ')", ["a "]),
        ("RTRIM('  a ')", ["  a"]),
        ("REVERSE('abc')", ["cba"]),
        ("CONCAT('a', 1)", UNDEF),
        ("INDEX_OF('abcabc', 'c', 3)", [5]),
        ("INDEX_OF('abc', 'z')", [-1]),
        ("INDEX_OF('abc', 1)", UNDEF),
        ("SUBSTRING('abc', -1, 2)", ["ab"]),
        ("SUBSTRING('abc', 1, -1)", [""]),
        ("SUBSTRING('abc', '1', 1)", UNDEF),
        ("LEFT('abc', -1)", [""]),
        ("RIGHT('abc', 0)", [""]),
        ("RIGHT(1, 1)", UNDEF),
        ("REPLACE('abc', '', 'x')", ["abc"]),
        ("REPLACE('abc', 'a', 1)", UNDEF),
        ("REPLICATE('ab', 2)", ["abab"]),
        ("REPLICATE('a', 1e9)", UNDEF),
        ("REPLICATE('a', -1)", UNDEF),
        ("ToString(true)", ["true"]),
        ("ToString('a')", ["a"]),
        ("StringToBoolean('true')", [True]),
        ("StringToBoolean('1')", UNDEF),
        ("StringToNull('null')", [None]),
        ("StringToArray('[1]')", [[1]]),
        ("StringToObject('{\"a\":1}')", [{"a": 1}]),
        ("StringToNumber(5)", UNDEF),
        ("StringToNumber('1e400')", UNDEF),
        ("ARRAY_CONTAINS('a', 'a')", UNDEF),
        ("ARRAY_CONTAINS_ANY([1, 2], 3, 2)", [True]),
        ("ARRAY_CONTAINS_ALL([1, 2], 3, 2)", [False]),
        ("ARRAY_CONTAINS_ALL([1, 2], 1, 2)", [True]),
        ("ARRAY_LENGTH('a')", UNDEF),
        ("ARRAY_CONCAT([1], [2], [3])", [[1, 2, 3]]),
        ("ARRAY_CONCAT([1], 2)", UNDEF),
        ("ARRAY_SLICE([1, 2, 3], 1)", [[2, 3]]),
        ("ARRAY_SLICE([1, 2, 3], -9, 1)", [[1]]),
        ("ARRAY_SLICE([1, 2, 3], 0, null)", UNDEF),
        ("SETUNION([1], 2)", UNDEF),
        ("SETINTERSECT(1, [2])", UNDEF),
        ("ABS(-5)", [5]),
        ("CEILING(1.2)", [2]),
        ("FLOOR(-1.2)", [-2]),
        ("TRUNC(-1.8)", [-1]),
        ("SQRT(9)", [3]),
        ("SQRT(-1)", UNDEF),
        ("SQUARE(3)", [9]),
        ("SQUARE(1e200)", UNDEF),
        ("EXP(1000)", UNDEF),
        ("LOG10(0)", UNDEF),
        ("LOG(8, 2)", [3]),
        ("LOG(8, 1)", UNDEF),
        ("LOG('8')", UNDEF),
        ("SIGN(-0.1)", [-1]),
        ("POWER(2, 10)", [1024]),
        ("POWER(0, -1)", UNDEF),
        ("POWER(1e300, 2)", UNDEF),
        ("FLOOR(PI())", [3]),
        ("ABS('1')", UNDEF),
        ("TimestampToDateTime(-60000000000000)", ["0068-09-03T13:20:00.0000000Z"]),
        ("TimestampToDateTime(1e30)", UNDEF),
        ("TimestampToDateTime('0')", UNDEF),
        ("DateTimeToTimestamp('2020-01-01T00:00:00.0030000Z')", [1577836800003]),
        ("DateTimeToTimestamp('1970-01-01T01:00:00+01:00')", [0]),
        ("DateTimeToTimestamp('1970-01-01')", [0]),
        ("DateTimeToTimestamp('today')", UNDEF),
        ("DateTimeToTimestamp(0)", UNDEF),
        ("IS_STRING(GetCurrentDateTime())", [True]),
        ("DateTimeToTimestamp(GetCurrentDateTime()) <= GetCurrentTimestamp()", [True]),
        ("LOWER(c.none)", UNDEF),
    ],
)
def test_functions(ask: Ask, expression: str, expected: list[Any]) -> None:
    assert ask([{}], f"SELECT VALUE {expression} FROM c") == expected  # noqa: S608 - a case of this test
