"""Injected faults."""

import asyncio
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.unit.local.emulators.graph.world import ANNA, BEN, PHISH, Client, by_id


async def inject(graph: Client, **fault: Any) -> dict[str, Any]:
    answer = await graph.post("/_local/faults", fault)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    return made


def url(user: str) -> str:
    return f"/users/{user}/messages?$filter={by_id(PHISH)}"


async def test_a_fault_happens_as_often_as_it_says_for_its_mailbox(graph: Client) -> None:
    await inject(graph, mailbox=ANNA, path="/messages", skip=1, times=2, status=429, retryAfter=7)
    statuses = [(await graph.get(url(ANNA))).status for _ in range(4)]
    assert statuses == [200, 429, 429, 200]
    assert (await graph.get(url(BEN))).status == 200
    (rule,) = (await graph.get("/_local/faults")).body["faults"]
    assert rule["hits"] == 2


async def test_a_fault_of_one_request_in_a_batch(graph: Client) -> None:
    await inject(graph, mailbox=BEN, status=429, retryAfter=7)
    answers = await graph.batch(*({"id": user, "method": "GET", "url": url(user)} for user in (ANNA, BEN)))
    assert answers[ANNA]["status"] == 200
    assert answers[BEN]["status"] == 429
    assert answers[BEN]["headers"]["Retry-After"] == "7"
    assert answers[BEN]["body"]["error"]["code"] == "ApplicationThrottled"


async def test_a_move_that_is_done_and_answered_with_an_error(graph: Client) -> None:
    (item,) = await graph.find(BEN, Prefer='IdType="ImmutableId"')
    await inject(graph, method="POST", path="/move$", status=504, done=True)
    move = f"/users/{BEN}/messages/{quote(item['id'])}/move"
    assert (await graph.post(move, {"destinationId": "archive"})).status == 504
    assert [one["folder"] for one in await graph.items(BEN)] == ["Archive"]


async def test_a_move_that_is_not_done_and_answered_with_an_error(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    await inject(graph, method="POST", path="/move$", status=503, code="ErrorServerBusy")
    answer = await graph.post(f"/users/{BEN}/messages/{quote(item['id'])}/move", {"destinationId": "archive"})
    assert (answer.status, answer.code) == (503, "ErrorServerBusy")
    assert [one["folder"] for one in await graph.items(BEN)] == ["Inbox"]


@pytest.mark.parametrize("path", [r"/\$batch", "/messages"])
async def test_the_connection_drops(graph: Client, path: str) -> None:
    await inject(graph, path=path, drop=True)
    requests = [{"id": str(number), "method": "GET", "url": url(ANNA)} for number in range(3)]
    with pytest.raises(aiohttp.ClientError):
        await graph.post("/$batch", {"requests": requests})
    assert len(await graph.batch(*requests)) == 3


async def test_a_batch_that_was_done_and_answers_504(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    await inject(graph, path=r"/\$batch", status=504, done=True)
    move = {
        "id": "1", "method": "POST", "url": f"/users/{BEN}/messages/{item['id']}/move",
        "headers": {"Content-Type": "application/json"}, "body": {"destinationId": "archive"},
    }  # fmt: skip
    assert (await graph.post("/$batch", {"requests": [move]})).status == 504
    assert [one["folder"] for one in await graph.items(BEN)] == ["Archive"]


async def test_a_delay_ends_with_the_server(graph: Client) -> None:
    await inject(graph, path="/messages", delay=3600)
    waiting = asyncio.create_task(graph.get(url(ANNA)))
    graph.service.closing.set()
    assert (await waiting).status == 200


async def test_faults_are_removed(graph: Client) -> None:
    await inject(graph, status=500, times=None)
    assert (await graph.get("/users")).code == "UnknownError"
    await graph.ask("DELETE", "/_local/faults")
    assert (await graph.get("/users")).status == 200


@pytest.mark.parametrize("fault", [{}, {"status": 500, "path": "("}, {"status": 500, "often": True}, []])
async def test_malformed_faults(graph: Client, fault: Any) -> None:
    assert (await graph.post("/_local/faults", fault)).status == 400
