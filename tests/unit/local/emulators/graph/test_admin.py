"""The paths below `/_local/`: actions of users, mail that arrives, statistics."""

from typing import Any

import pytest

from local.emulators.graph.model import FORMAT, Tenant, to_json
from tests.unit.local.emulators.graph.world import ANNA, BEN, HYBRID, PHISH, Client, phish


async def act(graph: Client, action: str, **more: Any) -> list[dict[str, Any]]:
    answer = await graph.post(f"/_local/mailboxes/{BEN}/actions", {"action": action, **more})
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


@pytest.mark.parametrize("path", ["stats", "faults", f"mailboxes/{ANNA}/items"])
async def test_the_admin_key_is_needed(graph: Client, path: str) -> None:
    for headers in ({}, {"x-local-admin": "guess"}):
        assert (await graph.http.get(f"/_local/{path}", headers=headers)).status == 401


async def test_all_items_of_a_mailbox_are_listed(graph: Client) -> None:
    items = await graph.items(ANNA)
    assert sorted(item["folder"] for item in items) == [
        "Deleted Items", "Inbox", "Inbox", "Inbox/Invoices", "Quarantine", "Recoverable Items/Deletions", "Sent Items",
    ]  # fmt: skip
    (marked,) = [item for item in items if item["categories"]]
    assert (marked["flag"], marked["isRead"]) == ("flagged", False)
    assert await graph.items(HYBRID) == []
    assert (await graph.get("/_local/mailboxes/nobody/items")).status == 404


@pytest.mark.parametrize(
    ("action", "folder"),
    [("delete", "Deleted Items"), ("softDelete", "Recoverable Items/Deletions"), ("purge", "Recoverable Items/Purges")],
)
async def test_a_user_deletes(graph: Client, action: str, folder: str) -> None:
    assert [item["folder"] for item in await act(graph, action, internetMessageId=PHISH)] == [folder]
    assert [item["folder"] for item in await graph.items(BEN)] == [folder]


async def test_a_user_marks_moves_and_deletes(graph: Client) -> None:
    (item,) = await act(graph, "markRead", internetMessageId=PHISH)
    assert item["isRead"] is True
    await act(graph, "createFolder", folder="Inbox/Mine")
    assert (await act(graph, "move", id=item["id"], folder="Inbox/Mine"))[0]["folder"] == "Inbox/Mine"
    await act(graph, "deleteFolder", folder="Inbox/Mine")
    assert [one["folder"] for one in await graph.items(BEN)] == ["Recoverable Items/Deletions"]
    await act(graph, "vanish", internetMessageId=PHISH)
    assert await graph.items(BEN) == []


async def test_a_mailbox_moves_and_comes_back(graph: Client) -> None:
    await act(graph, "setKind", kind="moving")
    assert (await graph.get(f"/users/{BEN}/messages")).status == 503
    await act(graph, "setKind", kind="cloud")
    await act(graph, "setScope", inScope=False)
    assert (await graph.get(f"/users/{BEN}/messages")).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "move",
        {"action": "dance"},
        {"action": "setKind", "kind": "x"},
        {"action": "deleteFolder", "folder": "Inbox"},
    ],
)
async def test_unknown_and_malformed_actions(graph: Client, body: Any) -> None:
    assert (await graph.post(f"/_local/mailboxes/{BEN}/actions", body)).status == 400
    assert [item["folder"] for item in await graph.items(BEN)] == ["Inbox"]


async def test_mail_arrives(graph: Client) -> None:
    message = {**to_json(phish()), "subject": "Late"}
    answer = await graph.post("/_local/deliver", {"mailboxes": [BEN, "anna@contoso.example"], "message": message})
    assert (answer.status, len(answer.body["items"])) == (201, 2)
    assert {item["subject"] for item in await graph.find(BEN)} == {"Invoice", "Late"}
    lost = await graph.post("/_local/deliver", {"mailboxes": [BEN], "message": {**message, "folder": "Nowhere"}})
    assert lost.status == 404
    assert (await graph.post("/_local/deliver", {"mailboxes": [BEN], "message": {"nonsense": 1}})).status == 400


async def test_another_tenant(graph: Client) -> None:
    empty = {"format": FORMAT, "tenant": to_json(Tenant("id", "Empty", "empty.example"))}
    assert (await graph.ask("PUT", "/_local/tenant", empty)).status == 204
    assert (await graph.get("/users")).values == []
    assert (await graph.ask("PUT", "/_local/tenant", {"format": 0})).status == 400
    assert (await graph.ask("PUT", "/_local/tenant", [])).status == 400


async def test_statistics(graph: Client) -> None:
    await graph.find(BEN)
    await graph.batch({"id": "1", "method": "GET", "url": "/users/nobody"})
    stats = (await graph.get("/_local/stats")).body
    assert (stats["requests"], stats["batches"], stats["subrequests"]) == (2, 1, 1)
    assert stats["byOperation"] == {"GET /users/{id}/messages": 1, "GET /users/{id}": 1}
    assert stats["byStatus"] == {"200": 1, "404": 1}
    await graph.post("/_local/stats/reset", None)
    assert (await graph.get("/_local/stats")).body["requests"] == 0
