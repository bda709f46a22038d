from collections.abc import Awaitable, Callable

import pytest

from functions.report.api import reads
from functions.report.api.models import ReadDeps
from functions.report.api.parameters import only
from shared.web.problems import Problem
from tests.unit.functions.report.case import INCIDENT, Case


def test_known_parameters_are_taken() -> None:
    only({}, "top")
    only({"top": "1"}, "top", "continuation")


def test_an_unknown_parameter_is_named_with_those_that_are_allowed() -> None:
    with pytest.raises(Problem) as raised:
        only({"top": "1", "tpo": "2"}, "top", "continuation")
    assert raised.value.body["status"] == 400
    assert raised.value.body["detail"] == "Unknown: `tpo`. Allowed: `top`, `continuation`."


def test_a_hostile_query_comes_back_only_in_part() -> None:
    with pytest.raises(Problem) as raised:
        only({f"{n:02}" + "x" * 5000: "" for n in range(50)}, "top")
    assert len(raised.value.body["detail"]) < 500


@pytest.mark.parametrize("read", [reads.incident, reads.activity_csv, reads.verification])
async def test_every_read_of_a_case_refuses_an_unknown_parameter(
    read: Callable[[str, dict[str, str], ReadDeps], Awaitable[object]],
) -> None:
    case = await Case().keep()
    with pytest.raises(Problem, match="parameter"):
        await read(INCIDENT, {"tpo": "1"}, case.provide(ReadDeps))
