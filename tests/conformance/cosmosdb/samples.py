"""Queries after the documented samples (Azure Cosmos DB for NoSQL, query reference), over documents of our own.

Each sample is a text with the results that the reference's rules give. Over all partitions unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

DOCUMENTS: Final[list[dict[str, Any]]] = [
    {
        "id": "berg", "pk": "a", "name": "Berg", "city": "Oslo", "rank": 3, "joined": "2024-03-01T08:00:00.0000000Z",
        "address": {"street": "Storgata 1", "zip": "0155"}, "active": True, "score": 7.5, "nothing": None,
        "tags": ["boat", "ski"], "children": [
            {"name": "Ada", "grade": 5, "pets": [{"kind": "cat"}, {"kind": "dog"}]}, {"name": "Bo", "grade": 2},
        ],
    },
    {
        "id": "costa", "pk": "b", "name": "Costa", "city": "Porto", "rank": 1, "joined": "2023-11-20T17:30:00.5000000Z",
        "address": {"street": "Rua Nova 9", "zip": "4050"}, "active": False, "score": -2, "tags": ["ski"],
        "children": [{"name": "Cid", "grade": 8, "pets": [{"kind": "dog"}]}],
    },
    {
        "id": "duval", "pk": "c", "name": "duval", "city": "Lyon", "rank": 2, "joined": "2025-01-15T00:00:00.0000000Z",
        "address": {"street": "Quai 3"}, "active": True, "score": 7, "tags": [], "children": [],
    },
    {
        "id": "endo", "pk": "d", "name": "Endo", "city": "Oslo", "rank": 4, "active": False, "score": "n/a",
        "a-b": {"c d": 5},
    },
]  # fmt: skip

_IDS: Final = ["berg", "costa", "duval", "endo"]


@dataclass(frozen=True, slots=True)
class Sample:
    """`ordered` compares the order of the results too; `partition` asks one partition alone."""

    text: str
    expected: list[Any]
    ordered: bool = False
    partition: str | None = None
    parameters: tuple[tuple[str, Any], ...] = ()


def _where(condition: str, *expected: str, **parameters: Any) -> Sample:
    given = tuple((f"@{name}", value) for name, value in parameters.items())
    return Sample(f"SELECT VALUE c.id FROM c WHERE {condition}", list(expected), parameters=given)  # noqa: S608 - ours


def _value(expression: str, expected: Any) -> Sample:
    """An expression over one document."""
    found = [] if expected is ... else [expected]
    return Sample(f"SELECT VALUE {expression} FROM c WHERE c.id = 'berg'", found)  # noqa: S608 - ours


SAMPLES: Final = [
    # SELECT
    Sample("SELECT * FROM c WHERE c.id = 'none'", []),
    Sample("SELECT c.name, c.city FROM c WHERE c.id = 'berg'", [{"name": "Berg", "city": "Oslo"}]),
    Sample("SELECT c.name AS family, c.address.zip FROM c WHERE c.id = 'berg'", [{"family": "Berg", "zip": "0155"}]),
    Sample('SELECT c["name"] FROM c WHERE c["id"] = "costa"', [{"name": "Costa"}]),
    Sample(
        "SELECT {'who': c.name, 'where': c.city} AS row FROM c WHERE c.rank = 1",
        [{"row": {"who": "Costa", "where": "Porto"}}],
    ),
    Sample("SELECT VALUE c.name FROM c", ["Berg", "Costa", "duval", "Endo"]),
    Sample("SELECT VALUE {'n': c.name} FROM c WHERE c.rank < 2", [{"n": "Costa"}]),
    Sample("SELECT VALUE [c.city, c.rank] FROM c WHERE c.rank = 2", [["Lyon", 2]]),
    Sample("SELECT c.missing FROM c WHERE c.id = 'berg'", [{}]),
    Sample("SELECT VALUE c.missing FROM c", []),
    Sample("SELECT ((2 + 11 % 7) - 2) / 2 FROM c WHERE c.id = 'berg'", [{"$1": 2}]),
    Sample("SELECT c.rank = 3 AS third FROM c WHERE c.id = 'berg'", [{"third": True}]),
    Sample("SELECT VALUE f.zip FROM c.address f", ["0155", "4050"]),
    Sample("SELECT VALUE c['a-b']['c d'] FROM c", [5]),
    Sample("SELECT TOP 1 c.id FROM c ORDER BY c.rank", [{"id": "costa"}]),
    Sample("SELECT VALUE 1", [1]),
    # FROM … IN, JOIN
    Sample("SELECT VALUE k.name FROM k IN c.children", ["Ada", "Bo", "Cid"]),
    Sample("SELECT k.grade FROM k IN c.children WHERE k.grade > 4", [{"grade": 5}, {"grade": 8}]),
    Sample("SELECT VALUE COUNT(1) FROM k IN c.children", [3]),
    Sample(
        "SELECT c.id, k.name FROM c JOIN k IN c.children",
        [{"id": "berg", "name": "Ada"}, {"id": "berg", "name": "Bo"}, {"id": "costa", "name": "Cid"}],
    ),
    Sample(
        "SELECT k.name, p.kind FROM c JOIN k IN c.children JOIN p IN k.pets",
        [{"name": "Ada", "kind": "cat"}, {"name": "Ada", "kind": "dog"}, {"name": "Cid", "kind": "dog"}],
    ),
    Sample("SELECT VALUE k.name FROM c JOIN k IN c.children JOIN p IN k.pets WHERE p.kind = 'cat'", ["Ada"]),
    Sample("SELECT VALUE k.name FROM c JOIN (SELECT VALUE k FROM k IN c.children WHERE k.grade < 5) AS k", ["Bo"]),
    Sample("SELECT VALUE t FROM c JOIN t IN c.tags", ["boat", "ski", "ski"]),
    # WHERE
    _where("c.address.zip = '4050'", "costa"),
    _where("c.rank != 3", "costa", "duval", "endo"),
    _where("c.rank <> 3", "costa", "duval", "endo"),
    _where("c.rank > 1 AND c.rank <= 3", "berg", "duval"),
    _where("c.city = 'Oslo' OR c.city = 'Lyon'", "berg", "duval", "endo"),
    _where("NOT (c.city = 'Oslo')", "costa", "duval"),
    _where("NOT c.active", "costa", "endo"),
    _where("c.active", "berg", "duval"),
    _where("c.rank BETWEEN 2 AND 3", "berg", "duval"),
    _where("c.name BETWEEN 'A' AND 'D'", "berg", "costa"),
    _where("c.city IN ('Porto', 'Lyon')", "costa", "duval"),
    _where("c.city NOT IN ('Porto', 'Lyon')", "berg", "endo"),
    _where("c.nothing = null", "berg"),
    _where("c.score > 0", "berg", "duval"),
    _where("c.score = 'n/a'", "endo"),
    _where("c.rank % 2 = 1", "berg", "costa"),
    _where("(c.rank & 1) = 1", "berg", "costa"),
    _where("c.rank * 2 - 1 > 4", "berg", "endo"),
    _where("c.name || '-' || c.city = 'Berg-Oslo'", "berg"),
    _where("(c.joined ?? 'never') = 'never'", "endo"),
    _where("(c.active ? c.rank : 0) > 2", "berg"),
    _where("c.address = {'street': 'Quai 3'}", "duval"),
    _where("c.tags = ['ski']", "costa"),
    _where("c.tags[0] = 'boat'", "berg"),
    _where("c.city = @city AND c.rank > @rank", "endo", city="Oslo", rank=3),
    _where("ARRAY_CONTAINS(@cities, c.city)", "costa", "duval", cities=["Porto", "Lyon"]),
    _where("c.name LIKE 'B%'", "berg"),
    _where("c.name LIKE '%o%'", "costa", "endo"),
    _where("c.name LIKE '_uval'", "duval"),
    _where("c.name LIKE '[BE]%'", "berg", "endo"),
    _where("c.name NOT LIKE '%e%'", "costa", "duval", "endo"),
    _where("c.score LIKE 'n!/a' ESCAPE '!'", "endo"),
    # Subqueries
    _where("EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'ski')", "berg", "costa"),
    _where("NOT EXISTS(SELECT VALUE k FROM k IN c.children)", "duval", "endo"),
    _where("(SELECT VALUE COUNT(1) FROM k IN c.children) > 1", "berg"),
    Sample(
        "SELECT c.id, ARRAY(SELECT VALUE k.name FROM k IN c.children) AS names FROM c WHERE c.rank = 3",
        [{"id": "berg", "names": ["Ada", "Bo"]}],
    ),
    Sample(
        "SELECT c.id, (SELECT VALUE MAX(k.grade) FROM k IN c.children) AS best FROM c WHERE c.rank < 3",
        [{"id": "costa", "best": 8}, {"id": "duval"}],
    ),
    # ORDER BY, OFFSET LIMIT, TOP
    Sample("SELECT VALUE c.id FROM c ORDER BY c.name", ["berg", "costa", "endo", "duval"], ordered=True),
    Sample("SELECT VALUE c.id FROM c ORDER BY c.rank DESC", ["endo", "berg", "duval", "costa"], ordered=True),
    Sample("SELECT VALUE c.id FROM c WHERE c.active ORDER BY c.address.street", ["duval", "berg"], ordered=True),
    Sample("SELECT VALUE c.id FROM c ORDER BY c.joined", ["costa", "berg", "duval"], ordered=True),
    Sample("SELECT VALUE c.id FROM c ORDER BY c.rank OFFSET 1 LIMIT 2", ["duval", "berg"], ordered=True),
    Sample("SELECT VALUE c.id FROM c ORDER BY c.rank OFFSET 9 LIMIT 2", [], ordered=True),
    Sample("SELECT TOP 2 VALUE c.id FROM c ORDER BY c.rank DESC", ["endo", "berg"], ordered=True),
    Sample("SELECT TOP 0 * FROM c", []),
    # DISTINCT, GROUP BY, aggregates
    Sample("SELECT DISTINCT VALUE c.city FROM c", ["Oslo", "Porto", "Lyon"]),
    Sample("SELECT DISTINCT c.active FROM c", [{"active": True}, {"active": False}]),
    Sample("SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags", ["boat", "ski"]),
    Sample("SELECT DISTINCT VALUE c.city FROM c ORDER BY c.city", ["Lyon", "Oslo", "Porto"], ordered=True),
    Sample("SELECT VALUE COUNT(1) FROM c", [4]),
    Sample("SELECT VALUE COUNT(c.joined) FROM c", [3]),
    Sample("SELECT VALUE SUM(c.rank) FROM c", [10]),
    Sample("SELECT VALUE AVG(c.rank) FROM c", [2.5]),
    Sample("SELECT VALUE MIN(c.name) FROM c", ["Berg"]),
    Sample("SELECT VALUE MAX(c.rank) FROM c", [4]),
    Sample(
        "SELECT COUNT(1) AS n, SUM(c.rank) AS s, AVG(c.score) AS a FROM c", [{"n": 1, "s": 3, "a": 7.5}], partition="a"
    ),
    Sample("SELECT VALUE SUM(c.score) FROM c", [], partition="d"),
    Sample("SELECT c.city, COUNT(1) AS n FROM c GROUP BY c.city", [{"city": "Oslo", "n": 1}], partition="a"),
    Sample(
        "SELECT k.grade > 4 AS high, COUNT(1) AS n FROM c JOIN k IN c.children GROUP BY k.grade > 4",
        [{"high": True, "n": 1}, {"high": False, "n": 1}],
        partition="a",
    ),
    # Type functions
    _where("IS_DEFINED(c.joined)", "berg", "costa", "duval"),
    _where("IS_NULL(c.nothing)", "berg"),
    _where("IS_NUMBER(c.score)", "berg", "costa", "duval"),
    _where("IS_INTEGER(c.score)", "costa", "duval"),
    _where("IS_FINITE_NUMBER(c.score)", "berg", "costa", "duval"),
    _where("IS_STRING(c.score)", "endo"),
    _where("IS_BOOL(c.active)", *_IDS),
    _where("IS_ARRAY(c.tags)", "berg", "costa", "duval"),
    _where("IS_OBJECT(c.address)", "berg", "costa", "duval"),
    _where("IS_PRIMITIVE(c.nothing)", "berg"),
    # String functions
    _where("CONTAINS(c.name, 'VAL', true)", "duval"),
    _where("STARTSWITH(c.name, 'B')", "berg"),
    _where("ENDSWITH(c.name, 'o')", "endo"),
    _where("StringEquals(c.name, 'DUVAL', true)", "duval"),
    _where("RegexMatch(c.name, '^[A-C]')", "berg", "costa"),
    _value("CONCAT(c.name, ' of ', c.city)", "Berg of Oslo"),
    _value("INDEX_OF(c.name, 'r')", 2),
    _value("INDEX_OF(c.name, 'x')", -1),
    _value("LEFT(c.name, 2)", "Be"),
    _value("RIGHT(c.name, 2)", "rg"),
    _value("LENGTH(c.name)", 4),
    _value("LOWER(c.name)", "berg"),
    _value("UPPER(c.name)", "BERG"),
    _value("TRIM('  x ')", "x"),
    _value("LTRIM('  x ')", "x "),
    _value("RTRIM('  x ')", "  x"),
    _value("REPLACE(c.name, 'B', 'V')", "Verg"),
    _value("REPLICATE('ab', 3)", "ababab"),
    _value("REVERSE(c.name)", "greB"),
    _value("SUBSTRING(c.name, 1, 2)", "er"),
    _value("ToString(c.score)", "7.5"),
    _value("ToString(c.tags)", '["boat","ski"]'),
    _value("StringToNumber('1.5e3')", 1500),
    _value("StringToNumber('x')", ...),
    _value("StringToBoolean(' true ')", True),
    _value("StringToNull('null')", None),
    _value("StringToArray('[1, \"2\"]')", [1, "2"]),
    _value("StringToObject('{\"a\": 1}')", {"a": 1}),
    _value("StringJoin(c.tags, '-')", "boat-ski"),
    _value("StringSplit('a-b', '-')", ["a", "b"]),
    _value("LENGTH(c.rank)", ...),
    # Array functions
    _where("ARRAY_CONTAINS(c.tags, 'ski')", "berg", "costa"),
    _where("ARRAY_CONTAINS(c.children, {'name': 'Cid'}, true)", "costa"),
    _where("ARRAY_CONTAINS(c.children, {'name': 'Cid'})"),
    _where("ARRAY_CONTAINS_ANY(c.tags, 'boat', 'car')", "berg"),
    _where("ARRAY_CONTAINS_ALL(c.tags, 'boat', 'ski')", "berg"),
    _where("ARRAY_LENGTH(c.tags) = 0", "duval"),
    _value("ARRAY_CONCAT(c.tags, ['x'])", ["boat", "ski", "x"]),
    _value("ARRAY_SLICE(c.tags, 1)", ["ski"]),
    _value("ARRAY_SLICE(c.tags, -2, 1)", ["boat"]),
    _value("SetIntersect(c.tags, ['ski', 'x'])", ["ski"]),
    _value("SetUnion(c.tags, ['ski', 'x'])", ["boat", "ski", "x"]),
    _value("SetDifference(c.tags, ['ski'])", ["boat"]),
    _value("CHOOSE(2, 'x', 'y')", "y"),
    _value("ObjectToArray(c.address)", [{"k": "street", "v": "Storgata 1"}, {"k": "zip", "v": "0155"}]),
    # Number functions
    _value("ABS(-3)", 3),
    _value("CEILING(1.2)", 2),
    _value("FLOOR(-1.2)", -2),
    _value("ROUND(2.5)", 3),
    _value("ROUND(-2.5)", -3),
    _value("TRUNC(-1.7)", -1),
    _value("SIGN(-4)", -1),
    _value("SQRT(9)", 3),
    _value("SQUARE(3)", 9),
    _value("POWER(2, 10)", 1024),
    _value("EXP(0)", 1),
    _value("LOG(1)", 0),
    _value("LOG(8, 2)", 3),
    _value("LOG10(100)", 2),
    _value("SQRT(-1)", ...),
    _value("1 / 0", ...),
    _value("FLOOR(PI())", 3),
    _value("SIN(0)", 0),
    _value("COS(0)", 1),
    _value("DEGREES(0)", 0),
    _value("NumberBin(37, 5)", 35),
    _value("IntAdd(1, 2)", 3),
    _value("RAND() < 1", True),
    # Dates
    _value("DateTimeToTimestamp('2024-01-01T00:00:00.0000000Z')", 1_704_067_200_000),
    _value("TimestampToDateTime(1704067200000)", "2024-01-01T00:00:00.0000000Z"),
    _value("LENGTH(GetCurrentDateTime())", 28),
    _value("GetCurrentTimestamp() > 1700000000000", True),
    _value("DateTimeAdd('dd', 1, '2024-01-01T00:00:00.0000000Z')", "2024-01-02T00:00:00.0000000Z"),
    _value("DateTimeDiff('hh', '2024-01-01T00:00:00Z', '2024-01-02T00:00:00Z')", 24),
    _value("DateTimePart('yyyy', c.joined)", 2024),
    _value("DateTimeFromParts(2024, 1, 1)", "2024-01-01T00:00:00.0000000Z"),
    _value("DateTimeBin('2024-01-01T10:11:12.0000000Z', 'hh')", "2024-01-01T10:00:00.0000000Z"),
    # Others
    _value("IIF(c.active, 'yes', 'no')", "yes"),
    _value("ST_DISTANCE({'type': 'Point', 'coordinates': [0, 0]}, {'type': 'Point', 'coordinates': [0, 0]})", 0),
    _where("udf.f(c.rank)"),
    _where("FullTextContains(c.name, 'Berg')", "berg"),
    Sample("SELECT VALUE c.id FROM c ORDER BY RANK FullTextScore(c.name, 'Berg')", []),
]
