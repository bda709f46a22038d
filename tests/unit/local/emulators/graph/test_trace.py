"""Message trace."""

from urllib.parse import quote

import pytest

from tests.unit.local.emulators.graph.world import PHISH, Client

TRACES = "/admin/exchange/tracing/messageTraces"
PERIOD = "receivedDateTime ge 2026-11-18T00:00:00Z and receivedDateTime le 2026-11-24T09:00:00Z"


async def test_a_row_for_each_recipient(graph: Client) -> None:
    quoted = PHISH.replace("'", "''")
    text = quote(f"messageId eq '{quoted}' and {PERIOD}", safe="")
    rows = (await graph.get(f"{TRACES}?$filter={text}&$top=5000")).values
    assert {(row["recipientAddress"], row["status"]) for row in rows} == {
        ("anna@contoso.example", "delivered"),
        ("all@contoso.example", "expanded"),
    }
    assert {row["messageId"] for row in rows} == {PHISH}


async def test_the_default_period_is_two_days(graph: Client) -> None:
    text = quote("senderAddress eq 'mallory@evil.example'")
    assert len((await graph.get(f"{TRACES}?$filter={text}")).values) == 2
    assert len((await graph.get(TRACES)).values) == 2
    longer = quote(f"{PERIOD} and contains(subject,'INVOICE') and senderAddress eq 'mallory@evil.example'")
    assert len((await graph.get(f"{TRACES}?$filter={longer}")).values) == 3


async def test_pages(graph: Client) -> None:
    first = await graph.get(f"{TRACES}?$top=1")
    second = await graph.get(first.body["@odata.nextLink"].partition("/v1.0")[2])
    assert len(first.values + second.values) == 2
    assert (await graph.get(f"{TRACES}?$top=5001")).status == 400


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("receivedDateTime ge 2026-11-13T00:00:00Z and receivedDateTime le 2026-11-24T00:00:00Z", 400),
        ("receivedDateTime ge 2026-11-24T00:00:00Z and receivedDateTime le 2026-11-24T09:00:01Z", 400),
        ("receivedDateTime ge 2026-08-20T00:00:00Z and receivedDateTime le 2026-08-21T00:00:00Z", 400),
        ("receivedDateTime ge 2026-11-24T00:00:00Z and receivedDateTime le 2026-11-23T00:00:00Z", 400),
        ("receivedDateTime ge soon", 400),
        ("receivedDateTime le 0001-01-01T00:00:00Z", 400),
        ("messageId eq 'a' or messageId eq 'b'", 501),
        ("messageId eq 'a' and messageId eq 'b'", 501),
        ("messageId ne 'a'", 501),
        ("receivedDateTime gt 2026-11-24T00:00:00Z", 501),
    ],
)
async def test_filters_that_are_refused(graph: Client, text: str, status: int) -> None:
    assert (await graph.get(f"{TRACES}?$filter={quote(text)}")).status == status


async def test_a_hundred_requests_in_five_minutes(graph: Client) -> None:
    for _ in range(100):
        assert (await graph.get(TRACES)).status == 200
    for app in ("app", "another app of the tenant"):
        answer = await graph.get(TRACES, token=app)
        assert (answer.status, answer.code) == (429, "TooManyRequests")
        assert 1 <= int(answer.headers["retry-after"]) <= 300


async def test_the_permission(graph: Client) -> None:
    answer = await graph.get(TRACES, token="app:Mail.ReadWrite")
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
