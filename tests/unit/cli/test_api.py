import json
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from azure.identity import CredentialUnavailableError

from cli.api import LOCAL, REFUSED, UNREACHABLE, USAGE, Api, CommandError
from local.stack import API_FILE
from tests.unit.cli.stub_api import Answer, StubApi


def _api(stub: StubApi) -> Api:
    return Api.find(None, None)


def test_the_option_counts_before_the_environment(stub: StubApi) -> None:
    assert Api.find("https://clawback.example.com/", "k") == Api("https://clawback.example.com", "k")
    assert Api.find("https://clawback.example.com/api/", "k") == Api("https://clawback.example.com", "k")
    assert Api.find(None, None) == Api(stub.url, "the key")


def test_without_either_it_is_the_local_one_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLAWBACK_API_URL", raising=False)
    with pytest.raises(CommandError, match="local up") as failed:
        Api.find(None, None)
    assert failed.value.status == USAGE
    LOCAL.mkdir(parents=True)
    (LOCAL / API_FILE).write_text(json.dumps({"url": "http://127.0.0.1:1", "key": "k"}))
    assert Api.find(None, None) == Api("http://127.0.0.1:1", "k")


@pytest.mark.parametrize(
    "url",
    [
        "http://clawback.example.com",
        "http://203.0.113.7:80",
        "http://localhost.example.com",
        "file:///etc/passwd",
        "ftp://127.0.0.1",
        "https://",
        "clawback.example.com",
    ],
)
def test_the_key_never_leaves_this_machine_in_clear_text(url: str) -> None:
    with pytest.raises(CommandError, match="https://") as failed:
        Api.find(url, "k")
    assert failed.value.status == USAGE


@pytest.mark.parametrize("url", ["http://localhost:7071", "http://127.0.0.1:7071", "http://[::1]:7071"])
def test_to_this_machine_it_may(url: str) -> None:
    assert Api.find(url, "k").url == url


def test_the_key_goes_with_every_request(stub: StubApi) -> None:
    stub.answers["/api/incidents"] = Answer.json({"incidents": []})
    assert _api(stub).get("incidents") == {"incidents": []}
    assert [one.headers["x-functions-key"] for one in stub.asked] == ["the key"]


def test_a_redirect_does_not_get_it(stub: StubApi) -> None:
    stub.answers["/api/incidents"] = Answer(status=302, headers={"Location": f"{stub.url}/api/elsewhere"})
    with pytest.raises(CommandError, match="302"):
        _api(stub).get("incidents")
    assert [one.path for one in stub.asked] == ["/api/incidents"]


def test_an_id_stays_one_part_of_the_path(stub: StubApi) -> None:
    with pytest.raises(CommandError):
        _api(stub).incident("../../admin?x#y")
    assert stub.asked[0].path == "/api/incidents/..%2F..%2Fadmin%3Fx%23y?top=1"


def test_a_problem_is_told_with_its_flaws_and_its_instance(stub: StubApi) -> None:
    problem = {
        "title": "The body is wrong",
        "detail": "See errors.",
        "errors": [{"path": "by", "kind": "missing"}],
        "instance": "urn:clawback:1",
    }
    stub.answers["/api/incidents/i/close"] = Answer.json(problem, 422)
    with pytest.raises(CommandError) as failed:
        _api(stub).command("i", "close", {})
    assert str(failed.value) == "The body is wrong: See errors.\n  by: missing (urn:clawback:1)"
    assert failed.value.status == REFUSED


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"no"', b"{}", b"\xff"])
def test_a_refusal_that_is_no_problem_document_is_told_by_its_status(stub: StubApi, body: bytes) -> None:
    stub.answers["/api/incidents"] = Answer(body, 401)
    with pytest.raises(CommandError, match="401 Unauthorized: is the key right"):
        _api(stub).get("incidents")


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"", b"\xff\xfe{"])
def test_an_answer_that_is_not_json_is_no_clawback(stub: StubApi, body: bytes) -> None:
    stub.answers["/api/incidents"] = Answer(body)
    with pytest.raises(CommandError, match="not JSON") as failed:
        _api(stub).get("incidents")
    assert failed.value.status == UNREACHABLE


def test_nobody_there_has_its_own_status() -> None:
    with socket.socket() as taken:
        # Bound and not listening: whoever connects is refused.
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CommandError, match="cannot be reached") as failed:
            Api(f"http://127.0.0.1:{taken.getsockname()[1]}", "k").get("incidents")
    assert failed.value.status == UNREACHABLE


def test_all_pages_of_the_targets_are_read(stub: StubApi) -> None:
    stub.answers["/api/incidents/i?top=1000"] = Answer.json({"targets": [{"id": "a"}], "next": "?after=a&top=1000"})
    stub.answers["/api/incidents/i?after=a&top=1000"] = Answer.json({"targets": [{"id": "b"}]})
    assert [one["id"] for one in _api(stub).targets("i")] == ["a", "b"]


def test_all_pages_of_the_activity_are_read_under_one_header(stub: StubApi) -> None:
    first = Answer(b'"recipient"\r\n"a"\r\n', headers={"Link": '<?after=a&top=1>; rel="next"'})
    stub.answers["/api/incidents/i/activity.csv"] = first
    stub.answers["/api/incidents/i/activity.csv?after=a&top=1"] = Answer('"recipient"\r\n"é"\r\n'.encode())
    assert _api(stub).activity_csv("i") == '"recipient"\r\n"a"\r\n"é"\r\n'


def test_a_chain_is_checked_part_after_part(stub: StubApi) -> None:
    chain = {"intact": True, "entries": 2}
    anchors = [{"name": name, "holds": True} for name in "ab"]
    first = {"intact": True, "chain": chain, "anchors": anchors[:1], "checkedTo": 2, "next": "?after=2&max=2"}
    second = {"intact": False, "chain": {**chain, "entries": 1}, "anchors": anchors[1:], "checkedTo": 3}
    stub.answers["/api/incidents/i/verify-chain"] = Answer.json(first)
    stub.answers["/api/incidents/i/verify-chain?after=2&max=2"] = Answer.json(second)
    assert _api(stub).verification("i") == {**second, "chain": {**chain, "entries": 3}, "anchors": anchors}


def test_an_incident_is_shown_without_the_part_of_its_targets_that_came_along(stub: StubApi) -> None:
    whole = {"incident": {"id": "i"}, "counts": {}, "targets": [{}], "tree": [], "next": "?after=a"}
    stub.answers["/api/incidents/i?top=1"] = Answer.json(whole)
    assert _api(stub).incident("i") == {"incident": {"id": "i"}, "counts": {}}


def test_where_people_sign_in_the_token_goes_with_every_request(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Cli:
        def get_token(self, scope: str) -> SimpleNamespace:
            asked.append(scope)
            return SimpleNamespace(token="the token")

    monkeypatch.setattr("azure.identity.AzureCliCredential", Cli)
    stub.answers["/api/incidents"] = Answer.json({"incidents": []})

    Api.find(None, None, "client-id").get("incidents")

    assert asked == ["client-id/.default"]
    assert stub.asked[-1].headers["authorization"] == "Bearer the token"


def test_whoever_is_not_signed_in_is_told(stub: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cli:
        def get_token(self, scope: str) -> SimpleNamespace:
            raise CredentialUnavailableError(f"Please run 'az login' for {scope}")

    monkeypatch.setattr("azure.identity.AzureCliCredential", Cli)
    with pytest.raises(CommandError, match="az login"):
        Api.find(stub.url, "k", "client-id")
