import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.graph.gateway import IMMUTABLE, GraphGateway, Request
from shared.errors import DeniedError, UnavailableError
from shared.ports.answers import Refusal, RefusalKind
from tests.unit.shared.adapters.graph.stub import Answers, Credential, Part, Stub, drop, error, ok, refuse, served


def asked(count: int, *mailboxes: str) -> dict[str, Request]:
    """Requests of these mailboxes in turn, by path."""
    names = mailboxes or tuple(f"m{i}" for i in range(count))
    paths = {f"/users/{names[i % len(names)]}/x{i}": names[i % len(names)] for i in range(count)}
    return {path: Request(path, mailbox=mailbox) for path, mailbox in paths.items()}


def kinds(answers: Mapping[Any, Any]) -> list[RefusalKind | None]:
    return [answer.kind if isinstance(answer, Refusal) else None for answer in answers.values()]


async def test_answers_come_by_the_keys_of_the_requests_in_batches_of_twenty() -> None:
    stub = Stub()
    async with served(stub) as gateway:
        requests = asked(95)
        answers = await gateway.send(requests)

    assert answers == {path: {"url": path} for path in requests}
    assert sorted(len(batch) for batch in stub.batches) == [15, 20, 20, 20, 20]
    assert all(len({part["id"] for part in batch}) == len(batch) for batch in stub.batches)


@pytest.mark.parametrize(
    ("requests", "seconds", "size"),
    [(99, 0.1, 4), (200, 0.1, 7), (700, 0.1, 20), (99, 0.01, 20)],
)
async def test_few_requests_to_a_slow_graph_are_spread_over_small_batches(
    requests: int, seconds: float, size: int
) -> None:
    stub = Stub()
    async with served(stub) as gateway:
        gateway._rounds.append(seconds)
        answers = await gateway.send(asked(requests))

    assert kinds(answers) == [None] * requests
    # Those of the first moment; the later ones know how fast this Graph is.
    assert max(len(batch) for batch in stub.batches[:32]) == size


async def test_a_batch_has_the_form_that_graph_documents() -> None:
    stub, credential = Stub(), Credential()
    async with served(stub, credential) as gateway:
        await gateway.send({1: Request("/users/m/y", "POST", "m", {"a": 1}, IMMUTABLE), 2: Request("/groups/g")})

    assert stub.parts == [
        {
            "id": "0",
            "method": "POST",
            "url": "/users/m/y",
            "headers": {"Prefer": 'IdType="ImmutableId"', "Content-Type": "application/json"},
            "body": {"a": 1},
        },
        {"id": "1", "method": "GET", "url": "/groups/g", "headers": {}},
    ]
    assert stub.headers[0]["Authorization"] == "Bearer a token"
    assert set(credential.scopes) == {("https://graph.microsoft.com/.default",)}


async def test_several_batches_are_in_flight_and_never_more_than_four_requests_of_a_mailbox() -> None:
    stub = Stub(delay=0.01)
    async with served(stub) as gateway:
        many = await asyncio.gather(
            *(gateway.send(asked(60, "a", "b", "c")) for _ in range(4)), gateway.send(asked(700))
        )

    assert all(kinds(answers) == [None] * len(answers) for answers in many)
    assert stub.most_of_mailbox == 4
    assert stub.most_at_once == 32


async def test_a_mailbox_with_many_requests_does_not_delay_the_others() -> None:
    stub = Stub(delay=0.005)
    async with served(stub) as gateway:
        long = asyncio.create_task(gateway.send(asked(200, "busy")))
        await asyncio.sleep(0)
        await gateway.send(asked(20))

        assert not long.done()
        assert kinds(await long) == [None] * 200


async def test_callers_at_the_same_time_share_a_batch() -> None:
    stub = Stub()
    async with served(stub) as gateway:
        await asyncio.gather(gateway.send(asked(5)), gateway.send(asked(6)), gateway.send(asked(7)))

    assert [len(batch) for batch in stub.batches] == [18]


async def test_a_request_without_an_answer_may_have_been_done() -> None:
    stub = Stub(answer=lambda part: None if part["id"] == "1" else ok(part))
    async with served(stub) as gateway:
        answers = await gateway.send(asked(3))

    assert kinds(answers) == [None, RefusalKind.TRANSIENT, None]
    assert len(stub.batches) == 1


async def test_an_answer_with_an_unknown_id_is_ignored() -> None:
    def answer(part: Part) -> Part:
        return {**ok(part), "id": {"0": "17", "1": None, "2": "02"}.get(part["id"], part["id"])}

    async with served(Stub(answer=answer)) as gateway:
        assert kinds(await gateway.send(asked(4))) == [RefusalKind.TRANSIENT] * 3 + [None]


async def test_each_request_is_refused_by_itself() -> None:
    codes = {"0": (404, "ErrorItemNotFound"), "1": (403, "ErrorAccessDenied"), "2": (429, "ApplicationThrottled")}

    def answer(part: Part) -> Part:
        if part["id"] not in codes:
            return ok(part)
        status, code = codes[part["id"]]
        return error(part, status, code, **{"Retry-After": "7"})

    async with served(Stub(answer=answer)) as gateway:
        answers = await gateway.send(asked(4))

    assert kinds(answers) == [RefusalKind.NOT_FOUND, RefusalKind.DENIED, RefusalKind.THROTTLED, None]
    assert [answer.retry_after for answer in answers.values() if isinstance(answer, Refusal)] == [7.0, 7.0, 7.0]


async def test_what_still_waits_for_a_throttled_mailbox_is_not_sent() -> None:
    stub = Stub(answer=lambda part: error(part, 429, "ApplicationThrottled") if "/a/" in part["url"] else ok(part))
    async with served(stub) as gateway:
        answers = await gateway.send({**asked(50, "a"), **asked(50, "b")})

    assert kinds(answers) == [RefusalKind.THROTTLED] * 50 + [None] * 50
    assert sum("/a/" in part["url"] for part in stub.parts) == 4


async def test_after_a_lost_connection_a_request_may_have_been_done_and_is_not_repeated() -> None:
    stub = Stub(whole=lambda parts: drop(parts) if any("x0" in part["url"] for part in parts) else None)
    async with served(stub) as gateway:
        answers = await gateway.send(asked(25))
        again = await gateway.send({"g": Request("/groups/g")})

    assert kinds(answers) == [RefusalKind.TRANSIENT] * 20 + [None] * 5
    assert kinds(again) == [None]
    assert len(stub.batches) == 3, "nothing is sent twice"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_batch_that_failed_within_graph_may_have_been_done_and_is_not_repeated(status: int) -> None:
    stub = Stub(whole=lambda _: refuse(status, "UnknownError"))
    async with served(stub) as gateway:
        answers = await gateway.send(asked(3))

    assert kinds(answers) == [RefusalKind.TRANSIENT] * 3
    assert len(stub.batches) == 1


async def test_a_throttled_batch_says_how_long_to_wait() -> None:
    stub = Stub(whole=lambda _: refuse(429, "TooManyRequests", **{"Retry-After": "13"}))
    async with served(stub) as gateway:
        answers = await gateway.send(asked(2))

    assert [(a.kind, a.retry_after) for a in answers.values() if isinstance(a, Refusal)] == [
        (RefusalKind.THROTTLED, 13.0)
    ] * 2
    assert len(stub.batches) == 1


async def test_one_malformed_request_is_found_and_the_others_are_answered() -> None:
    def whole(parts: list[Part]) -> web.Response | None:
        return refuse(400, "BadRequest") if any("x7" in part["url"] for part in parts) else None

    stub = Stub(whole=whole)
    async with served(stub) as gateway:
        answers = await gateway.send(asked(10))

    assert kinds(answers) == [None] * 7 + [RefusalKind.PERMANENT] + [None] * 2


@pytest.mark.parametrize(("status", "code"), [(401, "InvalidAuthenticationToken"), (403, "Forbidden"), (404, "x")])
async def test_a_batch_that_is_refused_as_a_whole_is_an_error_of_rights(status: int, code: str) -> None:
    async with served(Stub(whole=lambda _: refuse(status, code))) as gateway:
        with pytest.raises(DeniedError, match=code):
            await gateway.send(asked(30))


async def test_redirects_are_not_followed() -> None:
    stub = Stub(whole=lambda _: web.Response(status=307, headers={"Location": "https://evil.example/"}))
    async with served(stub) as gateway:
        with pytest.raises(DeniedError):
            await gateway.send(asked(1))


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"responses": 1}', '{"responses": [1, {}, {"id": "0"}]}', "<html>"])
async def test_requests_of_a_batch_with_an_unreadable_answer_may_have_been_done(body: str) -> None:
    async with served(Stub(whole=lambda _: web.Response(text=body, content_type="application/json"))) as gateway:
        assert kinds(await gateway.send(asked(2))) == [RefusalKind.TRANSIENT] * 2


async def test_without_a_connection_nothing_was_sent_and_an_error_says_so() -> None:
    gateway = GraphGateway("http://127.0.0.1:1/v1.0", Credential())  # type: ignore[arg-type]  # all of a credential that is used
    with pytest.raises(UnavailableError, match="no connection"):
        await gateway.send(asked(30))
    await gateway.close()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (CredentialUnavailableError("away"), UnavailableError),
        (ServiceRequestError("away"), UnavailableError),
        (ClientAuthenticationError("no"), DeniedError),
    ],
)
async def test_no_token(raised: Exception, expected: type[Exception]) -> None:
    stub, credential = Stub(), Credential()
    credential.error = raised
    async with served(stub, credential) as gateway:
        with pytest.raises(expected):
            await gateway.send(asked(3))

    assert stub.batches == []


async def test_requests_that_were_not_sent_have_a_code_of_their_own() -> None:
    class Once(Credential):
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            if self.scopes:
                raise CredentialUnavailableError("away")
            return await super().get_token(*scopes, **options)

    stub = Stub()
    async with served(stub, Once()) as gateway:
        answers = await gateway.send(asked(40))

    assert sorted(map(str, kinds(answers))) == ["None"] * 20 + ["transient"] * 20
    assert {answer.code for answer in answers.values() if isinstance(answer, Refusal)} == {"NotSent"}


async def test_an_unexpected_error_reaches_every_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(Stub()) as gateway:
        monkeypatch.setattr(gateway._pipeline, "post", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await gateway.send(asked(3))


async def test_cancelled_requests_are_not_sent() -> None:
    stub = Stub(delay=0.02)
    async with served(stub) as gateway:
        task = asyncio.create_task(gateway.send(asked(40, "a")))
        await stub.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answers = await gateway.send({"after": Request("/users/a/after", mailbox="a")})

    assert kinds(answers) == [None]
    assert [part["url"] for part in stub.parts] == [*(f"/users/a/x{i}" for i in range(4)), "/users/a/after"]


async def test_pages_are_followed_to_the_end_each_by_itself() -> None:
    stub = Stub()

    def answer(part: Part) -> Part:
        path, _, page = part["url"].partition("?page=")
        body: dict[str, Any] = {"value": [{"n": f"{path}{page}"}]}
        if path == "/users/a/list" and page != "2":
            body["@odata.nextLink"] = f"{stub.url}{path}?page={int(page or 0) + 1}"
        return {"id": part["id"], "status": 200, "body": body}

    stub.answer = answer
    async with served(stub) as gateway:
        requests = {m: Request(f"/users/{m}/list", mailbox=m, headers=IMMUTABLE) for m in "ab"}
        answers = await gateway.collect(requests)

    assert answers == {
        "a": [{"n": "/users/a/list"}, {"n": "/users/a/list1"}, {"n": "/users/a/list2"}],
        "b": [{"n": "/users/b/list"}],
    }
    assert all(part["headers"] == IMMUTABLE for part in stub.parts), "ids on later pages are immutable too"


@pytest.mark.parametrize("link", ["https://evil.example/v1.0/users", "/users", 7, "http://127.0.0.1.evil.example/", ""])
async def test_a_next_link_that_leads_elsewhere_is_not_followed(link: Any) -> None:
    stub = Stub(
        answer=lambda part: {
            "id": part["id"],
            "status": 200,
            "body": {"value": [], **({"@odata.nextLink": link} if part["id"] == "0" else {})},
        }
    )
    async with served(stub) as gateway:
        answers = await gateway.collect(asked(2))

    assert kinds(answers) == [RefusalKind.PERMANENT, None]
    assert len(stub.batches) == 1


async def test_next_links_in_a_circle_are_refused() -> None:
    stub = Stub()

    def answer(part: Part) -> Part:
        other = {"/a": "/b", "/b": "/a"}[part["url"]]
        return {"id": part["id"], "status": 200, "body": {"value": [{}], "@odata.nextLink": f"{stub.url}{other}"}}

    stub.answer = answer
    async with served(stub) as gateway:
        answer_ = (await gateway.collect({"a": Request("/a")}))["a"]

    assert isinstance(answer_, Refusal)
    assert (answer_.kind, answer_.code) == (RefusalKind.PERMANENT, "ForeignNextLink")


async def test_a_refusal_on_a_later_page_refuses_the_list() -> None:
    stub = Stub()

    def answer(part: Part) -> Part:
        if "page" in part["url"]:
            return error(part, 503, "ErrorServerBusy")
        return {
            "id": part["id"],
            "status": 200,
            "body": {"value": [{}], "@odata.nextLink": f"{stub.url}/groups?page=2"},
        }

    stub.answer = answer
    async with served(stub) as gateway:
        answer_ = (await gateway.collect({"groups": Request("/groups")}))["groups"]

    assert isinstance(answer_, Refusal)
    assert answer_.kind.retryable


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["ok", "lost", "busy"])), max_size=70),
    st.integers(0, 3),
)
async def test_every_request_gets_exactly_its_own_answer(work: list[tuple[str, str]], callers: int) -> None:
    outcomes: dict[str, Answers] = {"ok": ok, "lost": lambda _: None, "busy": lambda p: error(p, 503, "UnknownError")}

    def answer(part: Part) -> Part | None:
        return outcomes[part["url"].rpartition("/")[2]](part)

    stub = Stub(answer=answer)
    requests = {(i, outcome): Request(f"/users/{m}/{i}/{outcome}", mailbox=m) for i, (m, outcome) in enumerate(work)}
    async with served(stub) as gateway:
        all_answers = await asyncio.gather(*(gateway.send(requests) for _ in range(callers)))

    for answers in all_answers:
        assert answers.keys() == requests.keys()
        for (number, outcome), answer_ in answers.items():
            if outcome == "ok":
                assert answer_ == {"url": requests[number, outcome].path}
            else:
                assert isinstance(answer_, Refusal)
                assert answer_.kind is RefusalKind.TRANSIENT
    assert len(stub.parts) == callers * len(work), "each is sent once"
    assert stub.most_of_mailbox <= 4
    assert json.dumps(stub.batches)
