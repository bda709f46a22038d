import socket
from collections.abc import Iterator

import pytest

from cli.access import Access
from cli.api import Api, segment
from cli.errors import REFUSED, UNREACHABLE, USAGE, CommandError
from tests.unit.cli.stub_api import Answer, StubApi


@pytest.fixture
def api(stub: StubApi) -> Iterator[Api]:
    with Api(Access(stub.url, "the key", "the token")) as made:
        yield made


def test_key_and_token_go_with_every_request(stub: StubApi, api: Api) -> None:
    stub.answers["/api/incidents"] = Answer.json({"incidents": []})
    assert api.get("incidents") == {"incidents": []}
    assert api.post("incidents", b"{}") == {"incidents": []}
    assert [one.headers["x-functions-key"] for one in stub.asked] == ["the key"] * 2
    assert [one.headers["authorization"] for one in stub.asked] == ["Bearer the token"] * 2


def test_a_redirect_is_refused_and_not_given_the_key(stub: StubApi, api: Api) -> None:
    stub.answers["/api/incidents"] = Answer(status=302, headers={"Location": f"{stub.url}/api/elsewhere"})
    with pytest.raises(CommandError, match="302"):
        api.get("incidents")
    assert [one.path for one in stub.asked] == ["/api/incidents"]


def test_requests_to_this_machine_do_not_go_to_a_proxy(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    stub.answers["/api/incidents"] = Answer.json({})
    with Api(Access(stub.url, "the key")) as api:
        assert api.get("incidents") == {}


def test_an_id_stays_one_part_of_the_path(stub: StubApi, api: Api) -> None:
    with pytest.raises(CommandError):
        api.get(f"incidents/{segment('../../admin?x#y')}?top=1")
    assert stub.asked[0].path == "/api/incidents/..%2F..%2Fadmin%3Fx%23y?top=1"


@pytest.mark.parametrize("text", ["", ".", "..", "\udcff"])
def test_what_no_part_of_a_path_can_be_is_wrong_usage(text: str) -> None:
    with pytest.raises(CommandError, match="not an id") as failed:
        segment(text)
    assert failed.value.status == USAGE


def test_a_problem_is_printed_with_its_errors_and_its_instance(stub: StubApi, api: Api) -> None:
    problem = {
        "title": "The body is wrong",
        "detail": "See errors.",
        "errors": [{"path": "by", "kind": "missing"}, "odd"],
        "instance": "urn:clawback:1",
    }
    stub.answers["/api/incidents/i/close"] = Answer.json(problem, 422)
    with pytest.raises(CommandError) as failed:
        api.post("incidents/i/close", b"{}")
    assert str(failed.value) == "The body is wrong: See errors.\n  by: missing (urn:clawback:1)"
    assert failed.value.status == REFUSED


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"no"', b"{}", b"\xff", b"[" * 100_000])
def test_a_refusal_without_problem_details_is_printed_with_its_status(stub: StubApi, api: Api, body: bytes) -> None:
    stub.answers["/api/incidents"] = Answer(body, 401)
    with pytest.raises(CommandError, match="401 Unauthorized: is the key right"):
        api.get("incidents")


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"", b"\xff\xfe{", b"[]", b"1", b"[" * 100_000])
def test_an_answer_of_another_server_is_unreachable(stub: StubApi, api: Api, body: bytes) -> None:
    stub.answers["/api/incidents"] = Answer(body)
    with pytest.raises(CommandError, match="is this the address of a Clawback") as failed:
        api.get("incidents")
    assert failed.value.status == UNREACHABLE


def test_a_server_that_does_not_answer_is_unreachable() -> None:
    with socket.socket() as taken:
        # Bound and not listening: connections are refused.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Api(Access(url, "k")) as api, pytest.raises(CommandError, match="cannot be reached") as failed:
            api.get("incidents")
    assert failed.value.status == UNREACHABLE


def test_pages_follow_next(stub: StubApi, api: Api) -> None:
    stub.answers["/api/incidents/i?top=1"] = Answer.json({"targets": ["a"], "next": "?after=a&top=1"})
    stub.answers["/api/incidents/i?after=a&top=1"] = Answer.json({"targets": ["b"]})
    assert [page["targets"] for page in api.pages("incidents/i", "?top=1")] == [["a"], ["b"]]


def test_text_pages_follow_the_link_header(stub: StubApi, api: Api) -> None:
    stub.answers["/api/csv"] = Answer(b"a\r\n", headers={"Link": '<?after=a&top=1>; rel="next"'})
    stub.answers["/api/csv?after=a&top=1"] = Answer("é\r\n".encode())
    assert list(api.text_pages("csv")) == ["a\r\n", "é\r\n"]
