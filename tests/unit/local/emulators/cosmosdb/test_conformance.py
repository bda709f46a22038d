"""The conformance suite fails for a refusal or difference that is not listed, and for a listed one that is gone."""

import json
from pathlib import Path

from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.conformance.cosmosdb import run

EXPECTED = {"refused": {"b": "no need"}, "different": {"c": "a reason"}}
ERROR = CosmosHttpResponseError(400, "The local Cosmos DB does not support x.")  # type: ignore[no-untyped-call]
AS_EXPECTED = [run.outcome("a", None), run.outcome("b", ERROR), run.outcome("c", AssertionError("1 is not 2"))]


def test_what_is_listed_is_counted_with_its_reason() -> None:
    counts, surprises = run.judge(AS_EXPECTED, EXPECTED)
    assert counts == {
        "passed": 1,
        "refused": [{"name": "b", "reason": "no need"}],
        "different": [{"name": "c", "reason": "a reason"}],
    }
    assert surprises == []


def test_what_is_not_listed_and_what_is_gone_fails() -> None:
    for outcomes in (
        [*AS_EXPECTED, run.outcome("d", ERROR)],
        [*AS_EXPECTED, run.outcome("d", AssertionError())],
        [run.outcome("b", None), *AS_EXPECTED[::2]],
        [run.outcome("b", AssertionError()), *AS_EXPECTED[::2]],
        AS_EXPECTED[:2],
    ):
        assert len(run.judge(outcomes, EXPECTED)[1]) == 1


def test_every_expected_refusal_and_difference_has_its_reason() -> None:
    expected = json.loads(Path(run.__file__).with_name("expected.json").read_text())
    assert all(len(reason) > 20 for kind in ("refused", "different") for reason in expected[kind].values())
