from collections.abc import Iterator
from typing import Any

import pytest

from cli.access import Access
from cli.api import Api
from cli.case_json import Case, ask, newest
from tests.unit.cli.stub_api import Answer, StubApi

DOCUMENT: dict[str, Any] = {
    "incident": {"id": "i", "state": "contained", "alerts": 2, "plans": {"finished": 1}},
    "counts": {"read": 1},
    "targets": [{}],
    "tree": [],
    "next": "?after=a",
}


@pytest.fixture
def api(stub: StubApi) -> Iterator[Api]:
    stub.answers["/api/incidents/i?top=1"] = Answer.json(DOCUMENT)
    with Api(Access(stub.url, "k")) as made:
        yield made


def test_the_header_is_the_incident(api: Api) -> None:
    assert Case(api, "i").header == DOCUMENT["incident"]


def test_lists_are_read_one_by_one_page_after_page(stub: StubApi, api: Api) -> None:
    first = {"alerts": [{"id": "a"}], "next": "?top=500&continuation=x"}
    stub.answers["/api/incidents/i/lists/alerts?top=500"] = Answer.json(first)
    stub.answers["/api/incidents/i/lists/alerts?top=500&continuation=x"] = Answer.json({"alerts": [{"id": "b"}]})
    plans = {"plans": [{"id": "p", "state": "finished"}, {"id": "q", "state": "awaiting_approval"}]}
    stub.answers["/api/incidents/i/lists/plans?top=500"] = Answer.json(plans)
    case = Case(api, "i")
    assert list(case.alerts()) == [{"id": "a"}, {"id": "b"}]
    assert list(case.plans()) == plans["plans"]
    assert [plan["id"] for plan in case.waiting_plans()] == ["q"]


def test_counts_lie_beside_the_incident_or_in_it(stub: StubApi, api: Api) -> None:
    assert Case(api, "i").counts == {"read": 1}
    stub.answers["/api/incidents/i?top=1"] = Answer.json({"incident": {"counts": {"read": 2}}})
    assert Case(api, "i").counts == {"read": 2}


def test_all_pages_of_the_targets_are_read(stub: StubApi, api: Api) -> None:
    stub.answers["/api/incidents/i?top=1000"] = Answer.json({"targets": [{"id": "a"}], "next": "?after=a&top=1000"})
    stub.answers["/api/incidents/i?after=a&top=1000"] = Answer.json({"targets": [{"id": "b"}]})
    assert [one["id"] for one in Case(api, "i").targets()] == ["a", "b"]


def test_targets_are_not_requested_before_they_are_needed(stub: StubApi, api: Api) -> None:
    Case(api, "i").parts()
    assert [one.path for one in stub.asked] == ["/api/incidents/i?top=1"]


def test_all_pages_of_the_activity_have_one_header(stub: StubApi, api: Api) -> None:
    first = Answer(b'"recipient"\r\n"a"\r\n', headers={"Link": '<?after=a&top=1>; rel="next"'})
    stub.answers["/api/incidents/i/activity.csv"] = first
    stub.answers["/api/incidents/i/activity.csv?after=a&top=1"] = Answer('"recipient"\r\n"é"\r\n'.encode())
    assert "".join(Case(api, "i").activity_csv()) == '"recipient"\r\n"a"\r\n"é"\r\n'


def test_a_command_does_not_read_the_incident(stub: StubApi, api: Api) -> None:
    stub.answers["/api/incidents/i/close"] = Answer.json({"commandId": "cmd"}, 202)
    assert ask(api, "i", "close", {"by": "Sam"}) == {"commandId": "cmd"}
    assert [one.method for one in stub.asked] == ["POST"]


def test_the_newest_incidents(stub: StubApi, api: Api) -> None:
    found = [{"id": "i", "targets": 7}, {"id": "j"}]
    stub.answers["/api/incidents?top=2"] = Answer.json({"incidents": found})
    assert newest(api, 2) == found


def test_a_chain_is_checked_part_after_part(stub: StubApi, api: Api) -> None:
    anchors = [{"name": name, "holds": True} for name in "ab"]
    first = {"intact": True, "chain": {"entries": 2}, "anchors": anchors[:1], "next": "?after=2&max=2"}
    second = {"intact": True, "chain": {"entries": 1, "head": "h"}, "anchors": anchors[1:], "checkedTo": 3}
    stub.answers["/api/incidents/i/verify-chain"] = Answer.json(first)
    stub.answers["/api/incidents/i/verify-chain?after=2&max=2"] = Answer.json(second)
    found = Case(api, "i").verification()
    assert found == {**second, "chain": {"entries": 3, "head": "h"}, "anchors": anchors}


@pytest.mark.parametrize(
    "answer", [{}, {"intact": False}, {"intact": True, "anchors": [{"name": "a", "holds": False}]}]
)
def test_a_chain_or_anchor_that_does_not_hold_is_not_intact(stub: StubApi, api: Api, answer: dict[str, Any]) -> None:
    stub.answers["/api/incidents/i/verify-chain"] = Answer.json(answer)
    assert Case(api, "i").verification()["intact"] is False
