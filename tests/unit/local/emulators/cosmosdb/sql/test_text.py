"""A query that was written back from its tree means the same."""

import pytest

from local.emulators.cosmosdb.sql import text
from local.emulators.cosmosdb.sql.parser import parse


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM c",
        "SELECT DISTINCT TOP 5 c.a, c['b c'].d AS e FROM c WHERE NOT (c.a = 1) ORDER BY c.a DESC, c.b",
        "SELECT VALUE {'a': 1, 'b': [c.x, @p, null, true, undefined]} FROM c OFFSET 1 LIMIT @n",
        "SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a, c.b",
        "SELECT t.n FROM c JOIN t IN c.tags JOIN u IN (SELECT VALUE x FROM x IN c.y WHERE x > 1)",
        "SELECT f FROM f IN c.families.children",
        "SELECT z FROM c.address AS z",
        "SELECT * FROM c WHERE c.a BETWEEN 1 AND 2 AND c.b NOT IN (1, 'x') AND c.c LIKE 'a!%%' ESCAPE '!'",
        "SELECT * FROM c WHERE EXISTS (SELECT VALUE t FROM t IN c.a) AND ARRAY(SELECT VALUE t FROM t IN c.tags) = []",
        "SELECT * FROM c WHERE (c.a ?? 1) = 1 AND (c.b ? 1 : 2) = 2 OR c.a - (c.b - 1) * 2 < -c.d",
        'SELECT * FROM c WHERE c.s = "quote \\" and \\\\ and \\u0001 and 🐟"',
        "SELECT VALUE c[0].a[c.k] FROM c WHERE c.n = 1e300 AND c.m = 0.5 AND ~c.b & 3 = 1",
    ],
)
def test_a_query_is_written_back(query: str) -> None:
    tree = parse(query)
    assert parse(text.select(tree)) == tree


def test_a_long_chain_does_not_become_deep() -> None:
    chain = " OR ".join(f"c.a = {number}" for number in range(500))
    tree = parse(f"SELECT * FROM c WHERE {chain}")  # noqa: S608 - a test's own text
    assert text.select(parse(text.select(tree))) == text.select(tree)
