"""Folders and inbox rules."""

from urllib.parse import quote

import pytest

from tests.unit.local.emulators.graph.world import ABSENT, ANNA, BEN, Client

HIDDEN = "includeHiddenFolders=true"


async def names(graph: Client, url: str) -> list[str]:
    return [folder["displayName"] for folder in (await graph.get(f"/users/{ANNA}/{url}")).values]


async def test_hidden_folders_and_recoverable_items_are_not_listed(graph: Client) -> None:
    visible = await names(graph, "mailFolders?$top=100")
    assert "Inbox" in visible
    assert not {"Quarantine", "Recoverable Items"} & set(visible)
    assert set(await names(graph, f"mailFolders?$top=100&{HIDDEN}")) - set(visible) == {"Quarantine"}
    by_name = quote("displayName eq 'Quarantine'")
    assert await names(graph, f"mailFolders?{HIDDEN}&$filter={by_name}") == ["Quarantine"]
    assert await names(graph, f"mailFolders?$filter={by_name}") == []
    assert await names(graph, "mailFolders/inbox/childFolders") == ["Invoices"]
    assert "Purges" in await names(graph, "mailFolders/recoverableitemsroot/childFolders")


async def test_a_folder_and_its_counts(graph: Client) -> None:
    inbox = (await graph.get(f"/users/{ANNA}/mailFolders/Inbox")).body
    assert (inbox["totalItemCount"], inbox["unreadItemCount"], inbox["childFolderCount"]) == (2, 2, 1)
    root = (await graph.get(f"/users/{ANNA}/mailFolders/msgfolderroot")).body
    assert inbox["parentFolderId"] == root["id"]
    again = (await graph.get(f"/users/{ANNA}/mailFolders('{inbox['id']}')?$select=displayName")).body
    assert again["displayName"] == "Inbox"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("nowhere", 400, "ErrorInvalidIdMalformed"),
        ("Sent%20Items", 400, "ErrorInvalidIdMalformed"),
        ("clutter", 404, "ErrorItemNotFound"),
        (ABSENT, 404, "ErrorItemNotFound"),
    ],
)
async def test_a_folder_that_the_mailbox_does_not_have(graph: Client, key: str, status: int, code: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/mailFolders/{key}")
    assert (answer.status, answer.code) == (status, code)


async def test_a_second_folder_of_the_same_name_is_refused(graph: Client) -> None:
    body = {"displayName": "Held", "isHidden": True}
    made = await graph.post(f"/users/{BEN}/mailFolders", body)
    assert (made.status, made.body["isHidden"]) == (201, True)
    again = await graph.post(f"/users/{BEN}/mailFolders", {**body, "displayName": "HELD"})
    assert (again.status, again.code) == (409, "ErrorFolderExists")
    below = await graph.post(f"/users/{BEN}/mailFolders/{made.body['id']}/childFolders", {"displayName": "Inner"})
    assert below.body["parentFolderId"] == made.body["id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"displayName": " "}, 400),
        ({"displayName": "x", "isHidden": "yes"}, 400),
        ({"displayName": "x", "nonsense": 1}, 400),
        ({"displayName": "x", "totalItemCount": 1}, 501),
        ({"displayName": "a/b"}, 501),
        ([], 400),
    ],
)
async def test_folders_that_are_refused(graph: Client, body: object, status: int) -> None:
    assert (await graph.post(f"/users/{BEN}/mailFolders", body)).status == status


async def test_rules(graph: Client) -> None:
    forward, off = (await graph.get(f"/users/{ANNA}/mailFolders/inbox/messageRules")).values
    assert forward["actions"]["redirectTo"][0]["emailAddress"]["address"] == "x@outside.example"
    invoices = await graph.get(f"/users/{ANNA}/mailFolders/{forward['actions']['copyToFolder']}")
    assert invoices.body["displayName"] == "Invoices"
    assert (forward["isEnabled"], off["isEnabled"], off["actions"]) == (True, False, {"delete": True})
    assert (await graph.get(f"/users/{ANNA}/mailFolders/drafts/messageRules")).status == 400
