"""Query plans: what is to be merged, and the queries that the ranges are sent."""

from typing import Any

import pytest

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.plan import make_plan, needs_merging
from local.emulators.cosmosdb.sql.parser import parse

# Clients put a condition in its place.
FILTER = "{documentdb-formattableorderbyquery-filter}"


def info(query: str, **parameters: Any) -> dict[str, Any]:
    told: dict[str, Any] = make_plan(parse(query), {f"@{name}": value for name, value in parameters.items()})[
        "queryInfo"
    ]
    return told


@pytest.mark.parametrize(
    ("query", "merges"),
    [
        ("SELECT * FROM c WHERE c.a = 1", False),
        ("SELECT VALUE (SELECT VALUE COUNT(1) FROM t IN c.tags) FROM c", False),
        ("SELECT TOP 1 * FROM c", True),
        ("SELECT DISTINCT c.a FROM c", True),
        ("SELECT VALUE COUNT(1) FROM c", True),
        ("SELECT * FROM c ORDER BY c.a", True),
        ("SELECT c.a FROM c GROUP BY c.a", True),
        ("SELECT * FROM c OFFSET 0 LIMIT 1", True),
    ],
)
def test_what_needs_merging(query: str, merges: bool) -> None:
    assert needs_merging(parse(query)) is merges


REWRITTEN = {
    "SELECT * FROM c": "",
    "SELECT TOP 3 * FROM c": "",
    "SELECT * FROM c OFFSET 2 LIMIT 3": "SELECT * FROM c OFFSET 0 LIMIT 5",
    "SELECT TOP 3 * FROM c WHERE c.b ORDER BY c.a DESC": (
        'SELECT TOP 3 c["_rid"] AS "_rid", [{"item": c["a"]}] AS "orderByItems", c AS "payload" FROM c '
        'WHERE c["b"] AND true ORDER BY c["a"] DESC'
    ),
    "SELECT DISTINCT VALUE c.a FROM c ORDER BY c.a": (
        'SELECT c["_rid"] AS "_rid", [{"item": c["a"]}] AS "orderByItems", c["a"] AS "payload" FROM c '
        'WHERE IS_DEFINED(c["a"]) AND true ORDER BY c["a"] ASC'
    ),
    "SELECT VALUE COUNT(1) FROM c": 'SELECT VALUE [{"item": COUNT(1)}] FROM c',
    "SELECT VALUE AVG(c.a) FROM c": ('SELECT VALUE [{"item": {"sum": SUM(c["a"]), "count": COUNT(c["a"])}}] FROM c'),
    "SELECT VALUE MIN(c.a) FROM c": (
        'SELECT VALUE [{"item": MIN(c["a"]), "item2": {"min": MIN(c["a"]), "count": COUNT(c["a"])}}] FROM c'
    ),
    "SELECT c.a, SUM(c.n) AS n FROM c GROUP BY c.a": (
        'SELECT [{"item": c["a"]}] AS "groupByItems", {"a": c["a"], "n": {"item": SUM(c["n"])}} AS "payload" '
        'FROM c GROUP BY c["a"]'
    ),
}


@pytest.mark.parametrize(("query", "rewritten"), REWRITTEN.items())
def test_the_query_for_the_ranges(query: str, rewritten: str) -> None:
    told = info(query)["rewrittenQuery"].replace(FILTER, "true")
    assert told == rewritten
    if told:
        parse(told)


def test_what_the_client_has_to_do() -> None:
    told = info("SELECT DISTINCT c.a FROM c ORDER BY c.a, c.b DESC OFFSET @o LIMIT @l", o=2, l=3)
    assert (told["distinctType"], told["offset"], told["limit"], told["top"]) == ("Ordered", 2, 3, None)
    assert (told["orderBy"], told["hasSelectValue"]) == (["Ascending", "Descending"], False)
    assert info("SELECT DISTINCT c.x FROM c ORDER BY c.a")["distinctType"] == "Unordered"
    told = info("SELECT TOP @t c.a, MAX(c.b) AS m FROM c GROUP BY c.a", t=5)
    assert (told["top"], told["groupByAliases"]) == (5, ["a", "m"])
    assert told["groupByAliasToAggregateType"] == {"a": None, "m": "Max"}
    told = info("SELECT VALUE SUM(c.n) FROM c")
    assert (told["aggregates"], told["hasSelectValue"]) == (["Sum"], True)


def test_features_that_the_client_lacks_are_named() -> None:
    with pytest.raises(CosmosError, match="GroupBy") as error:
        make_plan(parse("SELECT c.a FROM c GROUP BY c.a"), {}, frozenset({"OrderBy"}))
    assert error.value.status == 400
