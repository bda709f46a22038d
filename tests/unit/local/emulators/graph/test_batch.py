"""`$batch`: the envelope, and that each request in it has an answer of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.local.emulators.graph.world import ADMIN, ANNA, BEN, HYBRID, PHISH, Client, by_id

JSON = {"Content-Type": "application/json"}


def get(key: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "method": "GET", "url": url, **more}


def find(key: str, user: str) -> dict[str, Any]:
    return get(key, f"/users/{user}/messages?%24filter={by_id(PHISH)}", headers={"Prefer": 'IdType="ImmutableId"'})


async def test_each_request_has_its_own_answer(graph: Client) -> None:
    answers = await graph.batch(find("a", ANNA), find("b", HYBRID), get("c", "users/nobody"), get("d", "/teams"))
    assert {key: one["status"] for key, one in answers.items()} == {"a": 200, "b": 404, "c": 404, "d": 501}
    assert len(answers["a"]["body"]["value"]) == 3
    assert answers["a"]["headers"]["Content-Type"] == "application/json"
    assert answers["b"]["body"]["error"]["code"] == "MailboxNotEnabledForRESTAPI"
    assert answers["c"]["body"]["error"]["code"] == "Request_ResourceNotFound"


async def test_the_preference_of_an_item_is_its_own(graph: Client) -> None:
    answers = await graph.batch(find("stable", BEN), get("changing", f"/users/{BEN}/messages?$filter={by_id(PHISH)}"))
    ids = {key: one["body"]["value"][0]["id"] for key, one in answers.items()}
    assert ids["stable"] != ids["changing"]
    assert len(await graph.find(BEN)) == 1


async def test_move_and_no_content(graph: Client) -> None:
    (item,) = await graph.find(BEN, Prefer='IdType="ImmutableId"')
    url = f"/users/{BEN}/messages/{item['id']}"
    move = {"id": "1", "method": "POST", "url": f"{url}/move", "headers": JSON, "body": {"destinationId": "archive"}}
    assert (await graph.batch(move))["1"]["status"] == 201
    gone = (await graph.batch({"id": "1", "method": "DELETE", "url": url}))["1"]
    assert gone["status"] == 204
    assert "body" not in gone


async def test_a_failed_dependency(graph: Client) -> None:
    answers = await graph.batch(
        get("1", "/users/nobody"), get("2", f"/users/{ANNA}", dependsOn=["1"]), get("3", f"/users/{BEN}")
    )
    assert {key: one["status"] for key, one in answers.items()} == {"1": 404, "2": 424, "3": 200}


@pytest.mark.parametrize(
    "requests",
    [
        None,
        [],
        "text",
        [get(str(number), "/users") for number in range(21)],
        [get("a", "/users"), get("A", "/users")],
        [get("1", "/users", dependsOn=["2"]), get("2", "/users")],
        [get("1", "/users", dependsOn=["1"])],
        [get("", "/users")],
        [get("1", "https://graph.microsoft.com/v1.0/users")],
        [get("1", "//evil.example/users")],
        [get("1", "/$batch")],
        [{"id": "1", "method": "TRACE", "url": "/users"}],
        [{"id": "1", "method": "POST", "url": "/users/x/messages/y/move", "body": {"destinationId": "inbox"}}],
        [get("1", "/users", headers={"Prefer": 1})],
        [1],
    ],
)
async def test_a_malformed_envelope_fails_as_a_whole(graph: Client, requests: Any) -> None:
    answer = await graph.post("/$batch", {"requests": requests})
    assert (answer.status, answer.code) == (400, "BadRequest")


async def test_the_misspelt_member_of_msgraph_core_is_refused(graph: Client) -> None:
    answer = await graph.post("/$batch", {"requests": [get("1", "/users", depends_on=[])]})
    assert answer.status == 501
    assert "depends_on" in answer.body["error"]["message"]


async def test_count_in_a_batch_is_refused(graph: Client) -> None:
    answers = await graph.batch(get("1", "/users/$count", headers={"ConsistencyLevel": "eventual"}))
    assert answers["1"]["status"] == 501


async def test_outlook_gets_four_requests_of_a_batch_at_a_time(connect: Callable[..., Any]) -> None:
    graph = await connect(latency=0.001)
    answers = await graph.batch(*(find(str(number), ANNA) for number in range(20)))
    assert {one["status"] for one in answers.values()} == {200}
    stats = (await graph.get("/_local/stats")).body
    assert stats["maxConcurrencyByMailbox"] == {ANNA: 4}
    assert (stats["batches"], stats["subrequests"], stats["throttled"]) == (1, 20, 0)


async def test_two_batches_for_one_mailbox_are_throttled(connect: Callable[..., Any]) -> None:
    graph = await connect(latency=0.02)
    batches = await asyncio.gather(*(graph.batch(*(find(str(n), ANNA) for n in range(8))) for _ in range(2)))
    answers = [one for batch in batches for one in batch.values()]
    refused = [one for one in answers if one["status"] == 429]
    assert refused
    assert {one["status"] for one in answers} == {200, 429}
    assert all(one["headers"]["Retry-After"] == "1" for one in refused)
    assert {one["body"]["error"]["code"] for one in refused} == {"ApplicationThrottled"}
    assert (await graph.get("/_local/stats")).body["throttled"] == len(refused)


async def test_another_app_has_its_own_limit(connect: Callable[..., Any]) -> None:
    graph = await connect(latency=0.02)
    batches = await asyncio.gather(
        *(graph.batch(*(find(str(n), ANNA) for n in range(4)), token=app) for app in ("one", "two"))
    )
    assert {one["status"] for batch in batches for one in batch.values()} == {200}


async def test_dependent_requests_run_one_at_a_time(connect: Callable[..., Any]) -> None:
    graph = await connect(latency=0.001)
    chain = [{**find(str(n), ANNA), "dependsOn": [str(n - 1)] if n else []} for n in range(5)]
    assert {one["status"] for one in (await graph.batch(*chain)).values()} == {200}
    assert (await graph.get("/_local/stats")).body["maxConcurrency"] == 1


async def test_a_batch_has_to_be_posted(graph: Client) -> None:
    assert (await graph.get("/$batch")).status == 405
    broken = await graph.http.post("/v1.0/$batch", data=b"{", headers={"Authorization": "Bearer app", **ADMIN})
    assert broken.status == 400
