"""Which ORDER BY an indexing policy serves."""

from typing import Any

import pytest

from local.emulators.cosmosdb.errors import CosmosError, SqlError
from local.emulators.cosmosdb.indexing import IndexingPolicy

ROOT = {"path": "/*"}
NONE_BUT_A = {"includedPaths": [{"path": "/a/?"}], "excludedPaths": [ROOT]}
COMPOSITE = {
    "includedPaths": [ROOT],
    "compositeIndexes": [[{"path": "/a"}, {"path": "/b", "order": "descending"}]],
}


@pytest.mark.parametrize(
    ("policy", "order", "served"),
    [
        (None, [(("a",), False)], True),
        (None, [(("_etag",), False)], False),
        (NONE_BUT_A, [(("a",), True)], True),
        (NONE_BUT_A, [(("a", "b"), False)], False),
        (NONE_BUT_A, [(("b",), False)], False),
        (NONE_BUT_A, [(("_ts",), False)], True),
        ({"includedPaths": [ROOT], "excludedPaths": [{"path": "/a/*"}]}, [(("a", "b"), False)], False),
        (
            {"includedPaths": [ROOT, {"path": "/a/b/?"}], "excludedPaths": [{"path": "/a/*"}]},
            [(("a", "b"), False)],
            True,
        ),
        ({"indexingMode": "none"}, [(("id",), False)], False),
        (COMPOSITE, [(("a",), False), (("b",), True)], True),
        (COMPOSITE, [(("a",), True), (("b",), False)], True),  # backwards
        (COMPOSITE, [(("a",), False), (("b",), False)], False),
        (COMPOSITE, [(("b",), True), (("a",), False)], False),
    ],
)
def test_order_by_needs_its_index(policy: Any, order: list[tuple[tuple[str, ...], bool]], *, served: bool) -> None:
    parsed = IndexingPolicy.parse(policy)
    if served:
        parsed.check_order(order)
    else:
        with pytest.raises(SqlError):
            parsed.check_order(order)


@pytest.mark.parametrize(
    "policy",
    [
        5,
        [],
        {"indexingMode": "lazy"},
        {"includedPaths": None},
        {"includedPaths": ["/*"]},
        {"includedPaths": [{"path": "a/?"}], "excludedPaths": [ROOT]},
        {"includedPaths": [{"path": "/a"}], "excludedPaths": [ROOT]},
        {"includedPaths": [{"path": "/a/?"}], "excludedPaths": []},
        {"compositeIndexes": None},
        {"compositeIndexes": [5]},
        {"compositeIndexes": [[5]]},
        {"compositeIndexes": [[{"path": "a"}]]},
    ],
)
def test_a_bad_policy_is_400(policy: Any) -> None:
    with pytest.raises(CosmosError) as error:
        IndexingPolicy.parse(policy)
    assert error.value.status == 400
