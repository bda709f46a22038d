"""What queries mean, over documents in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.sql.parser import parse

Ask = Callable[..., list[Any]]

DOCS: list[Any] = [
    {"n": 1, "s": "a", "tags": ["x", "y"], "o": {"k": 1}},
    {"n": 2, "s": "B", "tags": [], "o": {"k": None}},
    {"n": 2.5, "s": "a%b", "tags": ["y"]},
    {"n": None, "s": "ab"},
    {"n": "2", "b": True},
]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("c.n = 1", "0"),
        ("c.n = 1.0", "0"),
        ("c.n = '2'", "4"),
        ("c.n = null", "3"),
        ("c.n != 1", "1234"),  # null and a string differ from 1; nothing is undefined here
        ("c.n > 1", "12"),
        ("c.n >= '2'", "4"),
        ("c.n BETWEEN 2 AND 2.5", "12"),
        ("c.n NOT BETWEEN 2 AND 2.5", "0"),
        ("c.n IN (1, '2', null)", "034"),
        ("c.n NOT IN (1, '2', null)", "12"),
        ("c.s = 'a' OR c.n = 2", "01"),
        ("c.s = 'a' AND c.n = 2", ""),
        ("c.b", "4"),
        ("NOT c.b", ""),
        ("NOT (c.s = 'a')", "123"),  # undefined is not true either way
        ("c.missing = undefined", ""),
        ("NOT IS_DEFINED(c.s)", "4"),
        ("IS_NULL(c.o.k)", "1"),
        ("c.o['k'] = 1", "0"),
        ("c.tags[0] = 'y'", "2"),
        ("ARRAY_CONTAINS(c.tags, 'y')", "02"),
        ("ARRAY_LENGTH(c.tags) = 0", "1"),
        ("EXISTS (SELECT VALUE t FROM t IN c.tags WHERE t = 'x')", "0"),
        ("c.s LIKE 'a%'", "023"),
        ("c.s LIKE 'a!%%' ESCAPE '!'", "2"),
        ("c.s LIKE '_'", "01"),
        ("c.s NOT LIKE 'a%'", "1"),
        ("STARTSWITH(c.s, 'A', true)", "023"),
        ("CONTAINS(c.s, '%')", "2"),
        ("LOWER(c.s) = 'b'", "1"),
        ("c.n % 2 = 0", "1"),
        ("(c.n ?? 0) = 0", ""),
        ("(c.b ?? false) = false", "0123"),
        ("(IS_STRING(c.n) ? 1 : 2) = 1", "4"),
        ("c.o = {'k': 1}", "0"),
        ("c.tags = ['y']", "2"),
        ("c.id IN ('1', '2')", "12"),
        ("c.n = 1 = true", "0"),
    ],
)
def test_where(ask: Ask, where: str, expected: str) -> None:
    assert ask(DOCS, f"SELECT VALUE c.id FROM c WHERE {where}") == list(expected)  # noqa: S608 - a case of this test


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT c.id, t FROM c JOIN t IN c.tags", [("0", "x"), ("0", "y"), ("2", "y")]),
        ("SELECT VALUE t FROM t IN c.tags", ["x", "y", "y"]),
        ("SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags", ["x", "y"]),
        ("SELECT VALUE {'s': c.s, 'none': c.none} FROM c WHERE c.n = 1", [{"s": "a"}]),
        ("SELECT c.s AS text, c.n + 1 FROM c WHERE c.n = 1", [{"text": "a", "$1": 2}]),
        ("SELECT VALUE c.none FROM c", []),
        ("SELECT c.none FROM c WHERE c.n = 1", [{}]),
        ("SELECT VALUE COUNT(1) FROM c", [5]),
        ("SELECT VALUE COUNT(c.o) FROM c", [2]),
        ("SELECT VALUE SUM(c.n) FROM c", []),  # a string among the numbers: undefined
        ("SELECT VALUE SUM(c.n) FROM c WHERE IS_NUMBER(c.n)", [5.5]),
        ("SELECT VALUE AVG(c.n) FROM c WHERE c.n <= 2", [1.5]),
        ("SELECT VALUE AVG(c.n) FROM c WHERE c.n = 99", []),
        ("SELECT VALUE COUNT(1) FROM c WHERE c.n = 99", [0]),
        ("SELECT MIN(c.n) AS low, MAX(c.n) AS high FROM c", [{"low": None, "high": "2"}]),
        ("SELECT c.s, COUNT(1) AS k FROM c WHERE c.n < 2.5 GROUP BY c.s", [{"s": "a", "k": 1}, {"s": "B", "k": 1}]),
        ("SELECT VALUE c.id FROM c ORDER BY c.n", ["3", "0", "1", "2", "4"]),
        ("SELECT VALUE c.id FROM c ORDER BY c.n DESC", ["4", "2", "1", "0", "3"]),
        ("SELECT VALUE c.id FROM c ORDER BY c.b", ["4"]),
        ("SELECT TOP 2 VALUE c.id FROM c", ["0", "1"]),
        ("SELECT VALUE c.id FROM c OFFSET 4 LIMIT 5", ["4"]),
        ("SELECT TOP 0 VALUE c.id FROM c", []),
        ("SELECT VALUE ARRAY(SELECT VALUE t FROM t IN c.tags) FROM c WHERE c.n = 1", [["x", "y"]]),
        ("SELECT VALUE (SELECT VALUE COUNT(1) FROM t IN c.tags) FROM c WHERE c.n <= 2", [2, 0]),
        ("SELECT VALUE r.s FROM root r WHERE r.n = 1", ["a"]),
        ("SELECT VALUE x FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t != 'x') AS x", ["y", "y"]),
        ("SELECT VALUE x FROM c JOIN x IN (SELECT VALUE t FROM t IN c.tags) WHERE c.n = 1", ["x", "y"]),
        ("SELECT VALUE k FROM c.o.k", [1, None]),
        ("SELECT VALUE MAX(c.tags) FROM c", []),  # arrays have no greatest
        ("SELECT VALUE SUM(c.n * 1.7e308) FROM c WHERE c.n <= 1", [1.7e308]),
        ("SELECT VALUE c.id FROM c WHERE c.n IN (c.o.k, 2.5)", ["0", "2"]),
        ("SELECT VALUE c.id FROM c WHERE c.s LIKE '[A-C]'", ["1"]),
        ("SELECT VALUE c.id FROM c WHERE c.s LIKE 'a[^b]b'", ["2"]),
        ("SELECT DISTINCT c.none FROM c", [{}]),
        ("select value c.s from c where c.n = 1 -- a comment", ["a"]),
    ],
)
def test_select(ask: Ask, query: str, expected: list[Any]) -> None:
    told = ask(DOCS, query)
    if query.startswith("SELECT c.id, t"):
        told = [(item["id"], item["t"]) for item in told]
    assert told == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 / 0", []),
        ("-7 % 3", [-1]),
        ("'a' + 1", []),
        ("'a' || 'b'", ["ab"]),
        ("1 < '2'", []),
        ("true AND undefined", []),
        ("false AND undefined", [False]),
        ("true OR undefined", [True]),
        ("5 & 6", [4]),
        ("1 << 31", [-2147483648]),
        ("'\\u0041\\n'", ["A\n"]),
        ("ROUND(2.5)", [3]),
        ("ROUND(-2.5)", [-3]),
        ("SUBSTRING('hello', 1, 3)", ["ell"]),
        ("INDEX_OF('hello', 'l')", [2]),
        ("CONCAT('a', 'b', 'c')", ["abc"]),
        ("LEFT('hello', 2)", ["he"]),
        ("RIGHT('hello', 2)", ["lo"]),
        ("REPLACE('aaa', 'a', 'b')", ["bbb"]),
        ("ARRAY_SLICE([1, 2, 3], -2, 1)", [[2]]),
        ("SETUNION([1, 2], [2, 3])", [[1, 2, 3]]),
        ("SETINTERSECT([1, 2], [2, 3])", [[2]]),
        ("ARRAY_CONTAINS([{'a': 1, 'b': 2}], {'a': 1}, true)", [True]),
        ("ARRAY_CONTAINS([{'a': 1, 'b': 2}], {'a': 1})", [False]),
        ("StringToNumber('1e2')", [100]),
        ("StringToNumber('x')", []),
        ("ToString(1.5)", ["1.5"]),
        ("TimestampToDateTime(0)", ["1970-01-01T00:00:00.0000000Z"]),
        ("DateTimeToTimestamp('1970-01-01T00:00:01Z')", [1000]),
        ("IIF(true, 1, 2)", [1]),
        ("UPPER(5)", []),
        ("LENGTH('🐟')", [1]),
    ],
)
def test_expressions(ask: Ask, expression: str, expected: list[Any]) -> None:
    assert ask([{}], f"SELECT VALUE {expression} FROM c") == expected  # noqa: S608 - a case of this test


def test_parameters(ask: Ask) -> None:
    query = "SELECT TOP @top VALUE c.id FROM c WHERE c.n >= @low AND ARRAY_CONTAINS(@names, c.s)"
    assert ask(DOCS, query, top=1, low=1, names=["B", "a%b"]) == ["1"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT",
        "SELECT * FROM",
        "SELECT * FROM c WHERE",
        "SELECT * FROM c WHERE c.a = 'open",
        "SELECT * FROM c ORDER c.a",
        "SELECT * FROM c OFFSET 1",
        "SELECT * FROM c WHERE c.a == 1",
        "SELECT * FROM c; DROP TABLE c",
        "SELECT c.a, c.a FROM c",
        "SELECT * FROM c WHERE c.a = \x00",
        "SELECT VALUE " + "(" * 5000 + "1" + ")" * 5000 + " FROM c",
        "SELECT * FROM " + "(SELECT * FROM " * 500 + "c" + ") c" * 500,
        "SELECT VALUE " + "-" * 5000 + "1 FROM c",
        "SELECT VALUE c" + ".a" * 5000 + " FROM c",
        "SELECT VALUE 1" + " ? 1 : 1" * 5000 + " FROM c",
        "x" * (512 * 1024 + 1),
    ],
)
def test_bad_text_is_refused_not_crashed_on(query: str) -> None:
    with pytest.raises(SqlError):
        parse(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM c WHERE COUNT(1) > 1",
        "SELECT c.a, COUNT(1) FROM c",
        "SELECT c.b FROM c GROUP BY c.a",
        "SELECT COUNT(1) FROM c ORDER BY c.a",
        "SELECT * FROM c JOIN t IN c.tags",
        "SELECT TOP 1 * FROM c OFFSET 0 LIMIT 1",
        "SELECT VALUE LOWER(c.a, c.b) FROM c",
        "SELECT * FROM c JOIN c IN c.tags",
        "SELECT * FROM c JOIN x JOIN y IN x.tags",
        "SELECT VALUE (SELECT VALUE t FROM t IN c.tags) FROM c",  # two results where one is wanted
        "SELECT VALUE ARRAY(SELECT VALUE t FROM t IN c.tags ORDER BY t) FROM c",
        "SELECT VALUE COUNT(c.n, c.s) FROM c",
        "SELECT VALUE SUM(COUNT(1)) FROM c",
        "SELECT TOP 1.5 * FROM c",
        "SELECT TOP @none * FROM c",
        "SELECT * FROM c WHERE c.s LIKE '[^]'",
        "SELECT * FROM c WHERE c.s LIKE '[a--b]'",
    ],
)
def test_what_has_no_meaning_is_refused(ask: Ask, query: str) -> None:
    with pytest.raises(SqlError):
        ask(DOCS, query)


def test_a_long_chain_of_conditions_is_not_deep(ask: Ask) -> None:
    chain = " OR ".join(f"c.n = {number}" for number in range(2000))
    assert ask(DOCS, f"SELECT VALUE c.id FROM c WHERE {chain}") == ["0", "1"]  # noqa: S608 - made above


def test_an_error_says_where(ask: Ask) -> None:
    with pytest.raises(SqlError) as error:
        ask(DOCS, "SELECT * FROM c WHERE x.a = 1")
    assert error.value.position == 22
