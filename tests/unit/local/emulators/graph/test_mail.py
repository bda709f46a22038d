"""Finding, reading, moving and marking messages."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from local.emulators.graph.model import Mailbox
from tests.unit.local.emulators.graph.world import (
    ABSENT,
    ANNA,
    BEN,
    GONE,
    GUEST,
    HYBRID,
    MOVING,
    NOW,
    OUT_OF_SCOPE,
    PHISH,
    SALES,
    Client,
    by_id,
    phish,
    tenant,
)

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
QUARANTINE = "$filter=displayName%20eq%20'Quarantine'&includeHiddenFolders=true"


async def folder_of(graph: Client, item: dict[str, Any]) -> str:
    answer = await graph.get(f"/users/{ANNA}/mailFolders/{quote(item['parentFolderId'])}")
    name: str = answer.body["displayName"]
    return name


async def test_a_search_finds_every_visible_copy_and_nothing_else(graph: Client) -> None:
    found = await graph.find(ANNA)
    assert [await folder_of(graph, item) for item in found] == ["Invoices", "Inbox", "Deleted Items"]
    assert {item["internetMessageId"] for item in found} == {PHISH}


async def test_hidden_folders_are_searched_if_so_configured(connect: Callable[..., Any]) -> None:
    graph = await connect(hidden_in_messages=True)
    found = await graph.find(ANNA)
    assert "Quarantine" in [await folder_of(graph, item) for item in found]
    assert "Deletions" not in [await folder_of(graph, item) for item in found]


@pytest.mark.parametrize(
    ("folder", "number"), [("recoverableitemsdeletions", 1), ("RecoverableItemsPurges", 0), ("inbox", 1)]
)
async def test_well_known_folders(graph: Client, folder: str, number: int) -> None:
    answer = await graph.get(f"/users/{ANNA}/mailFolders/{folder}/messages?%24filter={by_id(PHISH)}")
    assert len(answer.values) == number


async def test_a_plus_sign_that_is_not_encoded_is_a_space(graph: Client) -> None:
    text = "internetMessageId eq '" + PHISH.replace("'", "''") + "'"
    raw = quote(text, safe="+")
    assert (await graph.get(f"/users/{ANNA}/messages?$filter={raw}")).values == []


async def test_a_quote_that_is_not_doubled_lets_the_sender_change_the_filter(graph: Client) -> None:
    hostile = "<x' or internetMessageId ne 'y>"
    unsafe = await graph.get(
        f"/users/{ANNA}/messages?$filter={quote(f'internetMessageId eq {chr(39)}{hostile}{chr(39)}')}"
    )
    assert len(unsafe.values) > 1
    assert await graph.find(ANNA, hostile) == []


async def test_a_lone_surrogate_in_a_subject_is_kept(connect: Callable[..., Any]) -> None:
    mailbox = Mailbox(ANNA, messages=(replace(phish(), subject="\ud800 Invoice"),))
    graph = await connect(replace(tenant(), mailboxes=(mailbox,)))
    assert (await graph.find(ANNA))[0]["subject"] == "\ud800 Invoice"


async def test_several_ids_in_one_filter(graph: Client) -> None:
    text = "internetMessageId eq '<fwd@contoso.example>' or internetMessageId in ('<innocent@contoso.example>','x')"
    found = (await graph.get(f"/users/{ANNA}/messages?$filter={quote(text)}")).values
    assert {item["subject"] for item in found} == {"FW: Invoice", "Lunch"}


async def test_message_ids_are_compared_without_regard_to_case(graph: Client) -> None:
    assert len(await graph.find(ANNA, PHISH.upper())) == 3


async def test_select_count_and_double_slashes(graph: Client) -> None:
    answer = await graph.get(f"//users/{ANNA}/messages?$filter={by_id(PHISH)}&$select=subject&$count=true&$top=1")
    assert answer.body["@odata.count"] == 3
    assert [set(item) for item in answer.values] == [{"@odata.etag", "id", "subject"}]


async def test_pages_end_without_a_next_link(connect: Callable[..., Any]) -> None:
    many = tuple(replace(phish(), internet_message_id=f"<{n}@evil.example>") for n in range(25))
    graph = await connect(replace(tenant(), mailboxes=(Mailbox(ANNA, messages=many),)))
    url, seen = f"/users/{ANNA}/messages?$select=internetMessageId", []
    while url:
        answer = await graph.get(url)
        seen.append([item["internetMessageId"] for item in answer.values])
        url = answer.body.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert [len(page) for page in seen] == [10, 10, 5]
    assert {one for page in seen for one in page} == {message.internet_message_id for message in many}


async def test_properties_of_orderby_have_to_come_first_in_the_filter(graph: Client) -> None:
    wrong = await graph.get(f"/users/{ANNA}/messages?$filter={by_id(PHISH)}&$orderby=receivedDateTime%20desc")
    assert (wrong.status, wrong.code) == (400, "InefficientFilter")
    since = quote("receivedDateTime ge 2026-11-24T06:30:00Z and internetMessageId ne 'x'")
    right = await graph.get(f"/users/{ANNA}/messages?$filter={since}&$orderby=receivedDateTime%20asc")
    assert len(right.values) == 1


async def test_sent_items_by_in_reply_to_and_references(graph: Client) -> None:
    quoted = PHISH.replace("'", "''")
    for condition in (f"ep/id eq 'String 0x1042' and ep/value eq '{quoted.upper()}'",
                      f"ep/id eq 'string 0x1039' and contains(ep/value,'{quoted}')",
                      "ep/id eq 'Integer 0x1081' and cast(ep/value, Edm.Int32) eq 104"):  # fmt: skip
        text = quote(f"singleValueExtendedProperties/Any(ep: {condition})")
        expand = quote("singleValueExtendedProperties($filter=id eq 'String 0x1042' or id eq 'Integer 0x1081')")
        url = f"/users/{ANNA}/mailFolders/sentitems/messages?$filter={text}&$expand={expand}&$select=subject"
        (found,) = (await graph.get(url)).values
        assert found["subject"] == "FW: Invoice"
        assert found["singleValueExtendedProperties"] == [
            {"id": "String 0x1042", "value": PHISH},
            {"id": "Integer 0x1081", "value": "104"},
        ]
    text = quote("singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1042' and ep/value eq 'other')")
    assert (await graph.get(f"/users/{ANNA}/mailFolders/sentitems/messages?$filter={text}")).values == []


async def test_move_changes_the_id_and_keeps_the_immutable_one(graph: Client) -> None:
    (before,) = await graph.find(BEN)
    (stable,) = await graph.find(BEN, **IMMUTABLE)
    made = await graph.post(f"/users/{BEN}/mailFolders", {"displayName": "Quarantine", "isHidden": True})
    assert made.status == 201
    moved = await graph.post(
        f"/users/{BEN}/messages/{quote(stable['id'])}/move", {"DestinationId": made.body["id"]}, **IMMUTABLE
    )
    assert moved.status == 201
    assert moved.body["id"] == stable["id"]
    assert moved.body["parentFolderId"] == made.body["id"]
    assert moved.body["changeKey"] != before["changeKey"]
    for name in ("internetMessageId", "isRead", "receivedDateTime", "subject", "flag"):
        assert moved.body[name] == before[name]
    assert (await graph.get(f"/users/{BEN}/messages/{quote(before['id'])}")).code == "ErrorItemNotFound"
    after = await graph.get(f"/users/{BEN}/messages/{quote(stable['id'])}?$select=parentFolderId")
    assert after.body["parentFolderId"] == made.body["id"]
    assert await graph.find(BEN) == []


async def test_a_move_to_a_folder_that_is_gone(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    url = f"/users/{BEN}/messages/{quote(item['id'])}/move"
    answer = await graph.post(url, {"destinationId": ABSENT})
    assert (answer.status, answer.code) == (404, "ErrorItemNotFound")
    malformed = await graph.post(url, {"destinationId": "gone"})
    assert (malformed.status, malformed.code) == (400, "ErrorInvalidIdMalformed")
    assert len(await graph.find(BEN)) == 1


async def test_an_update_changes_everything_or_nothing(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    url = f"/users/{BEN}/messages/{quote(item['id'])}"
    marks = {"isRead": True, "flag": {"flagStatus": "complete"}, "categories": ["Blue"]}
    answer = await graph.ask("PATCH", url, marks)
    assert {name: answer.body[name] for name in marks} == marks
    refused = await graph.ask("PATCH", url, {"isRead": False, "subject": "Harmless"})
    assert refused.status == 501
    assert "subject" in refused.body["error"]["message"]
    assert (await graph.get(url)).body["isRead"] is True
    assert (await graph.ask("PATCH", url, {"isRead": "yes"})).status == 400
    stale = await graph.ask("PATCH", url, {"isRead": False}, If_Match=item["@odata.etag"])
    assert stale.status == 412


async def test_delete_goes_to_deleted_items_and_then_to_recoverable_items(graph: Client) -> None:
    for folder in ("deleteditems", "recoverableitemsdeletions"):
        (item,) = await graph.find(BEN)
        assert (await graph.ask("DELETE", f"/users/{BEN}/messages/{quote(item['id'])}")).status == 204
        assert len((await graph.get(f"/users/{BEN}/mailFolders/{folder}/messages")).values) == 1
    assert await graph.find(BEN) == []


async def test_permanent_delete_goes_to_purges(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    assert (await graph.post(f"/users/{BEN}/messages/{quote(item['id'])}/permanentDelete", None)).status == 204
    assert len((await graph.get(f"/users/{BEN}/mailFolders/recoverableitemspurges/messages")).values) == 1


async def test_message_in_a_folder_that_it_is_not_in(graph: Client) -> None:
    (item,) = await graph.find(BEN)
    key = quote(item["id"])
    assert (await graph.get(f"/users/{BEN}/mailFolders('inbox')/messages/{key}")).status == 200
    assert (await graph.get(f"/users/{BEN}/mailFolders/drafts/messages/{key}")).code == "ErrorItemNotFound"


@pytest.mark.parametrize(
    ("user", "status", "code"),
    [
        (HYBRID, 404, "MailboxNotEnabledForRESTAPI"),
        (GONE, 404, "MailboxNotEnabledForRESTAPI"),
        (GUEST, 404, "MailboxNotEnabledForRESTAPI"),
        (MOVING, 503, "ErrorMailboxMoveInProgress"),
        (OUT_OF_SCOPE, 403, "ErrorAccessDenied"),
        ("nobody@contoso.example", 404, "ErrorInvalidUser"),
    ],
)
async def test_mailboxes_that_cannot_be_reached(graph: Client, user: str, status: int, code: str) -> None:
    for url in ("messages", "mailFolders", "mailboxSettings", "mailFolders/inbox/messageRules"):
        answer = await graph.get(f"/users/{user}/{url}")
        assert (answer.status, answer.code) == (status, code)
    inner = answer.body["error"]["innerError"]
    assert inner["request-id"] == answer.headers["request-id"]


async def test_a_mailbox_is_found_by_its_users_name_too(graph: Client) -> None:
    assert len(await graph.find("BEN@contoso.example")) == 1


async def test_basic_permission_shows_no_bodies_and_no_extended_properties(graph: Client) -> None:
    token = "app:Mail.ReadBasic.All"
    (item,) = await graph.find(BEN, token=token)
    assert "body" not in item
    assert "bodyPreview" not in item
    expand = quote("singleValueExtendedProperties($filter=id eq 'String 0x1042')")
    denied = await graph.get(f"/users/{BEN}/messages?$expand={expand}", token=token)
    assert (denied.status, denied.code) == (403, "ErrorAccessDenied")
    for text in ("contains(body/content,'x')", "SingleValueExtendedProperties/any(e:e/id eq 'String 0x1042')"):
        peek = await graph.get(f"/users/{BEN}/messages?$filter={quote(text)}", token=token)
        assert (peek.status, peek.code) == (403, "ErrorAccessDenied")
    moved = await graph.post(f"/users/{BEN}/messages/{quote(item['id'])}/move", {"destinationId": "inbox"}, token=token)
    assert (moved.status, moved.code) == (403, "ErrorAccessDenied")


@pytest.mark.parametrize(
    "url",
    [
        "messages?$search=x",
        "mailboxSettings",
        "mailboxSettings?$select=timeZone",
        "messages?includeHiddenMessages=true",
        "messages?$expand=attachments",
        "messages?$select=uniqueBody",
        "messages/x/$value",
        "messages/x/attachments",
        "calendar/events",
        "messages?$filter=singleValueExtendedProperties/any(e:e/id%20eq%20'String%200x007D')",
        "messages?$filter=uniqueBody/content%20eq%20'x'",
        "messages?$filter=length(subject)%20gt%201",
        "messages?$filter=cast(subject,Edm.Int32)%20eq%201",
        "messages?$filter=subject%20eq%20internetMessageId",
        "messages?$filter=conversationIndex%20eq%20'AQ=='",
        "messages?$filter=categories/any(c:subject%20eq%20'x')",
        "messages?$filter=categories/any()",
        "messages?$filter=categories/$count%20eq%200",
    ],
)
async def test_what_is_not_supported_is_refused(graph: Client, url: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/{url}")
    assert (answer.status, answer.code) == (501, "LocalGraphNotSupported")


@pytest.mark.parametrize(
    "url",
    [
        "messages/delta",
        "messages/Delta",
        "messages/delta(changeType='created')",
        "messages/microsoft.graph.delta()",
        "messages/$count",
        "mailFolders/delta",
        "mailFolders/inbox/messages/delta",
        "mailFolders/inbox/messages/$count",
        "mailFolders('inbox')/childFolders/delta",
    ],
)
async def test_an_operation_on_a_collection_is_not_taken_for_an_id(graph: Client, url: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/{url}")
    assert (answer.status, answer.code) == (501, "LocalGraphNotSupported")
    segment = url.rpartition("/")[2]
    assert segment in answer.body["error"]["message"]


@pytest.mark.parametrize("key", ["x", "a b", "AAMkAAAA", "A" * 41, "AAMk" + "!" * 44, "<1@evil.example>"])
async def test_a_malformed_id(graph: Client, key: str) -> None:
    for url in (f"messages/{quote(key)}", f"mailFolders/inbox/messages/{quote(key)}", f"messages('{quote(key)}')"):
        answer = await graph.get(f"/users/{ANNA}/{url}")
        assert (answer.status, answer.code) == (400, "ErrorInvalidIdMalformed")


async def test_a_sound_id_that_no_item_has(graph: Client) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages/{ABSENT}")
    assert (answer.status, answer.code) == (404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    "text",
    [
        "flag/nope eq null",
        "from/address eq 'x'",
        "from/emailAddress/address/local eq 'x'",
        "from eq 'mallory@evil.example'",
        "subject/length eq 1",
        "isRead eq 1",
        "isRead gt false",
        "subject eq 1",
        "subject in ('x',1)",
        "subject in (null,true)",
        "importance eq 'urgent'",
        "importance gt 'low'",
        "receivedDateTime ge '2026-11-24'",
        "receivedDateTime ge soon",
        "receivedDateTime ge 9999999999999",
        "isRead eq " + "9" * 5000,
        "categories eq 'Red'",
        "categories/any(c:c/x eq 'y')",
        "categories/any(c:c eq 1)",
        "categories/any(c:d eq 'Red')",
        "categories/all(c:c eq 'Red')",
        "subject/any(s:s eq 'x')",
        "toRecipients/emailAddress/address eq 'x'",
        "toRecipients/any(r:r/address eq 'x')",
        "contains(isRead,'x')",
        "contains(from,'x')",
        "contains(categories,'Red')",
        "contains(subject,1)",
        "subject/$count eq 1",
    ],
)
async def test_paths_and_types_are_those_of_the_entity_model(graph: Client, text: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?$filter={quote(text)}")
    assert (answer.status, answer.code) == (400, "BadRequest")


@pytest.mark.parametrize(
    "text",
    [
        "endswith(subject,'ice')",
        "not endsWith(from/emailAddress/address,'evil.example')",
        "toRecipients/any(r:r/emailAddress/address eq 'anna@contoso.example')",
        "isRead eq false and CcRecipients/any(r:r/emailAddress/address eq 'x')",
        "singleValueExtendedProperties/any(ep:ep/value eq 'x')",
        "singleValueExtendedProperties/any(ep:cast(ep/id,Edm.Int32) eq 'Integer 0x1081')",
        "singleValueExtendedProperties/any(ep:ep/id eq 'String 0x1042' or ep/value eq 'x')",
        "singleValueExtendedProperties/any(ep:ep/id ne 'String 0x1042' and ep/value eq 'x')",
        "singleValueExtendedProperties/any(ep:ep/id eq 'String 0x1042' and cast(ep/value, Edm.Int32) eq 1)",
        "singleValueExtendedProperties/any(ep:ep/id eq 'Integer 0x1081' and ep/value gt '1')",
    ],
)
async def test_filters_that_are_valid_and_that_exchange_refuses(graph: Client, text: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?$filter={quote(text)}")
    assert (answer.status, answer.code) == (400, "ErrorInvalidUrlQueryFilter")


async def test_an_item_is_not_filtered_by_its_id(graph: Client) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?$filter=id%20eq%20'{ABSENT}'")
    assert (answer.status, answer.code) == (400, "ErrorInvalidProperty")


async def test_names_and_keywords_do_not_differ_in_case(graph: Client) -> None:
    text = quote("Categories/Any(c:c EQ 'red') AND NOT(Flag/FlagStatus eq 'complete')")
    answer = await graph.get(f"/users/{ANNA}/messages?$filter={text}&$select=SUBJECT,From")
    assert [set(item) for item in answer.values] == [{"@odata.etag", "id", "subject", "from"}]


async def test_an_extended_property_that_is_there_or_not(graph: Client) -> None:
    for condition, subjects in (
        ("ep/id eq 'String 0x1042'", ["FW: Invoice"]),
        ("ep/value ne null and ep/id eq 'String 0x1042'", ["FW: Invoice"]),
        ("ep/id eq 'String 0x1042' and not (ep/value eq 'other' or startswith(ep/value,'x'))", ["FW: Invoice"]),
        ("ep/id eq 'String 0x1042' and ep/value eq null", []),
    ):
        text = quote(f"singleValueExtendedProperties/Any(ep: {condition})")
        found = (await graph.get(f"/users/{ANNA}/mailFolders/sentitems/messages?$filter={text}")).values
        assert [item["subject"] for item in found] == subjects


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("toRecipients", "BadRequest"),
        ("categories", "BadRequest"),
        ("from", "BadRequest"),
        ("flag/nope", "BadRequest"),
        ("toRecipients/emailAddress/address", "BadRequest"),
    ],
)
async def test_collections_and_complex_values_cannot_be_sorted_by(graph: Client, order: str, code: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?$orderby={order}")
    assert (answer.status, answer.code) == (400, code)


async def test_order_by_a_nested_value(graph: Client) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?$orderby=from/emailAddress/name%20desc,subject&$select=subject")
    subjects = [item["subject"] for item in answer.values]
    assert subjects == sorted(subjects)


async def test_select_shows_what_is_selected_with_id_and_etag(graph: Client) -> None:
    answer = await graph.get(f"/users/{BEN}/messages?$select=sender,%20subject")
    assert [set(item) for item in answer.values] == [{"@odata.etag", "id", "sender", "subject"}]
    assert answer.body["@odata.context"].endswith(f"$metadata#users('{BEN}')/messages(sender,subject)")
    key = quote(answer.values[0]["id"])
    one = await graph.get(f"/users/{BEN}/messages/{key}?$select=isRead")
    assert set(one.body) == {"@odata.context", "@odata.etag", "id", "isRead"}
    assert one.body["@odata.context"].endswith("/messages(isRead)/$entity")


async def test_headers_come_when_selected_only(connect: Callable[..., Any]) -> None:
    graph = await connect(
        replace(tenant(), mailboxes=(Mailbox(ANNA, messages=(phish(network_message_id="0a1b-2c"),)),))
    )
    (item,) = (await graph.get(f"/users/{ANNA}/messages")).values
    assert "internetMessageHeaders" not in item
    (item,) = (await graph.get(f"/users/{ANNA}/messages?$select=internetMessageHeaders")).values
    assert item["internetMessageHeaders"] == [
        {"name": "Message-ID", "value": PHISH},
        {"name": "X-MS-Exchange-Organization-Network-Message-Id", "value": "0a1b-2c"},
    ]
    token = "app:Mail.ReadBasic.All"
    answer = await graph.get(f"/users/{ANNA}/messages?$select=internetMessageHeaders", token=token)
    assert [set(one) for one in answer.values] == [{"@odata.etag", "id"}]


async def test_select_does_not_show_extended_properties(graph: Client) -> None:
    answer = await graph.get(f"/users/{BEN}/messages?$select=id,singleValueExtendedProperties")
    assert [set(item) for item in answer.values] == [{"@odata.etag", "id"}]


@pytest.mark.parametrize(
    ("query", "preferred", "sizes"),
    [("", "3", [3, 3, 1]), ("$top=2", "5", [2, 2, 2, 1]), ("", "5000", [7]), ("", "0", [7]), ("", "many", [7])],
)
async def test_the_preferred_page_size(
    connect: Callable[..., Any], query: str, preferred: str, sizes: list[int]
) -> None:
    many = tuple(replace(phish(), internet_message_id=f"<{n}@evil.example>") for n in range(7))
    graph = await connect(replace(tenant(), mailboxes=(Mailbox(ANNA, messages=many),)))
    url, seen, applied = f"/users/{ANNA}/messages?{query}", [], None
    while url:
        answer = await graph.get(url, Prefer=f'IdType="ImmutableId", odata.maxpagesize={preferred}')
        seen.append(len(answer.values))
        applied = answer.headers.get("preference-applied")
        url = answer.body.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert seen == sizes
    assert applied == (f"odata.maxpagesize={preferred}" if preferred.isdigit() and preferred != "0" else None)


async def test_preferences_may_come_in_several_headers(graph: Client) -> None:
    headers = [("Authorization", "Bearer app"), ("Prefer", "odata.maxpagesize=1"), ("Prefer", 'IdType="ImmutableId"')]
    response = await graph.http.get(f"/v1.0/users/{ANNA}/messages", headers=headers)
    (item,) = (await response.json())["value"]
    assert item["id"] in {one["id"] for one in await graph.items(ANNA)}


@pytest.mark.parametrize(
    ("stored", "preferred", "content"),
    [
        (("text", "1 < 2\nend"), "text", ("text", "1 < 2\nend")),
        (("text", "1 < 2\nend"), "html", ("html", "<html><body>1 &lt; 2<br>\nend</body></html>")),
        (("text", "1 < 2"), None, ("html", "<html><body>1 &lt; 2</body></html>")),
        (("html", "<p>a&amp;b<script>x</script><br>c</p>"), "text", ("text", "a&b\nc")),
        (("html", "<p>a</p>"), None, ("html", "<p>a</p>")),
    ],
)
async def test_bodies_are_html_unless_text_is_preferred(
    connect: Callable[..., Any], stored: tuple[str, str], preferred: str | None, content: tuple[str, str]
) -> None:
    kind, body = stored
    mailbox = Mailbox(ANNA, messages=(replace(phish(), body=body, body_type=kind),))
    graph = await connect(replace(tenant(), mailboxes=(mailbox,)))
    prefer = {} if preferred is None else {"Prefer": f'outlook.body-content-type="{preferred}"'}
    answer = await graph.get(f"/users/{ANNA}/messages", **prefer)
    (item,) = answer.values
    assert (item["body"]["contentType"], item["body"]["content"]) == content
    applied = answer.headers.get("preference-applied")
    assert applied == (None if preferred is None else f'outlook.body-content-type="{preferred}"')
    assert "<p>" not in item["bodyPreview"]
    bare = await graph.get(f"/users/{ANNA}/messages/{quote(item['id'])}?$select=subject", **prefer)
    assert "body" not in bare.body


async def test_a_preference_inside_a_batch(graph: Client) -> None:
    request = {
        "id": "1",
        "method": "GET",
        "url": f"/users/{ANNA}/messages",
        "headers": {"Prefer": "odata.maxpagesize=1"},
    }
    answer = (await graph.batch(request))["1"]
    assert len(answer["body"]["value"]) == 1
    assert answer["headers"]["Preference-Applied"] == "odata.maxpagesize=1"


@pytest.mark.parametrize(
    "query",
    [
        "$select=nonsense",
        "$top=0",
        "$top=1001",
        "$top=%C2%B2",
        "$top=" + "9" * 5000,
        "$skip=" + "9" * 5000,
        "$filter=%FF",
        "%FF=1",
        "$skip=-1",
        "$filter=subject",
        "$filter=nonsense%20eq%201",
        "$filter=isRead%20eq%20'true'",
        "$filter=receivedDateTime%20ge%20'2026-11-24T00:00:00Z'",
        "$filter=subject%20eq%20bare",
        "$filter=subject%20eq%20'open",
        "$orderby=subject%20sideways",
        "$count=perhaps",
        "$expand=singleValueExtendedProperties",
        "$top=1&%24top=2",
    ],
)
async def test_malformed_query_options(graph: Client, query: str) -> None:
    answer = await graph.get(f"/users/{ANNA}/messages?{query}")
    assert (answer.status, answer.code) == (400, "BadRequest")


async def test_times_with_a_zone_are_compared(graph: Client) -> None:
    since = quote((NOW - timedelta(hours=2)).isoformat())
    found = (await graph.get(f"/users/{ANNA}/messages?$filter=receivedDateTime%20ge%20{since}")).values
    assert [await folder_of(graph, item) for item in found] == ["Invoices"]


async def test_shared_mailbox_has_its_purpose(graph: Client) -> None:
    for user, purpose in ((ANNA, "user"), (SALES, "shared")):
        answer = await graph.get(f"/users/{user}/mailboxSettings?$select=userPurpose")
        assert answer.body["userPurpose"] == purpose
        assert (await graph.get(f"/users/{user}/mailboxSettings/userPurpose")).body["value"] == purpose
