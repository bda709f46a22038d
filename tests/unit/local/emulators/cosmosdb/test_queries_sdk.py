"""Queries through azure-cosmos over TLS: across partitions, in order, page by page."""

from typing import Any

import pytest
from azure.cosmos import exceptions


async def fill(container: Any, count: int = 10) -> None:
    """Items 0 … in three partitions, each in its own range, `n` counting down."""
    for number in range(count):
        partition = ("p0", "p7", "p2")[number % 3]
        await container.create_item({"id": str(number), "pk": partition, "n": count - number, "even": number % 2 == 0})


async def texts(container: Any, query: str, **options: Any) -> list[Any]:
    return [item async for item in container.query_items(query, **options)]


@pytest.mark.parametrize("page", [1, 3, 100])
async def test_order_by_holds_across_partitions_and_pages(single: Any, page: int) -> None:
    await fill(single)
    told = await texts(single, "SELECT VALUE c.n FROM c ORDER BY c.n DESC", max_item_count=page)
    assert told == list(range(10, 0, -1))
    told = await texts(single, "SELECT * FROM c WHERE c.even = true ORDER BY c.n", max_item_count=page)
    assert [item["n"] for item in told] == [2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT VALUE COUNT(1) FROM c", [10]),
        ("SELECT VALUE SUM(c.n) FROM c WHERE c.even", [30]),
        ("SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n", [1, 2]),
        ("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 3 LIMIT 2", [4, 5]),
        ("SELECT DISTINCT VALUE c.even FROM c ORDER BY c.even", [False, True]),
        ("SELECT VALUE AVG(c.n) FROM c", [5.5]),
        ("SELECT VALUE MIN(c.n) FROM c WHERE c.n > 3", [4]),
        ("SELECT VALUE MAX(c.n) FROM c", [10]),
        ("SELECT DISTINCT VALUE c.pk FROM c", ["p0", "p7", "p2"]),
        ("SELECT TOP 4 VALUE c.id FROM c", ["0", "3", "6", "9"]),
        ("SELECT VALUE c.id FROM c OFFSET 3 LIMIT 3", ["9", "1", "4"]),
        ("SELECT VALUE c.missing FROM c ORDER BY c.n", []),
        ("SELECT c.id FROM c WHERE c.n < 3 ORDER BY c.n", [{"id": "9"}, {"id": "8"}]),
    ],
)
@pytest.mark.parametrize("page", [1, 100])
async def test_the_client_merges_what_the_ranges_answer(
    single: Any, query: str, expected: list[Any], page: int
) -> None:
    await fill(single)
    assert await texts(single, query, max_item_count=page) == expected


async def test_parameters_are_values_whatever_they_hold(single: Any) -> None:
    hostile = "' OR 1=1 -- \" \\ \u2028 🐟"
    await single.create_item({"id": "1", "pk": "a", "text": hostile})
    await single.create_item({"id": "2", "pk": "b", "text": "plain"})
    parameters = [{"name": "@text", "value": hostile}]
    found = await texts(single, "SELECT VALUE c.id FROM c WHERE c.text = @text", parameters=parameters)
    assert found == ["1"]


async def test_a_partition_is_asked_alone(single: Any) -> None:
    await fill(single)
    assert sorted(await texts(single, "SELECT VALUE c.id FROM c", partition_key="p0")) == ["0", "3", "6", "9"]


async def test_a_continuation_goes_on_where_the_page_ended(single: Any) -> None:
    await fill(single)
    query = "SELECT VALUE c.id FROM c WHERE c.n > 0"
    pages = single.query_items(query, max_item_count=4).by_page()
    first = [item async for item in await anext(pages)]
    token = pages.continuation_token
    assert first == ["0", "3", "6", "9"]
    # What is deleted before the position, or added after it, shifts nothing.
    await single.delete_item("3", "p0")
    await single.create_item({"id": "10", "pk": "p7", "n": 1})
    rest: list[Any] = []
    async for page in single.query_items(query, max_item_count=4).by_page(token):
        rest += [item async for item in page]
    assert rest == ["1", "4", "7", "10", "2", "5", "8"]


async def test_an_ordered_continuation_survives_deletions(single: Any) -> None:
    for number in range(8):
        await single.create_item({"id": str(number), "pk": "a", "n": number // 2})
    query = "SELECT VALUE c.id FROM c ORDER BY c.n DESC"
    pages = single.query_items(query, partition_key="a", max_item_count=3).by_page()
    assert [item async for item in await anext(pages)] == ["7", "6", "5"]
    token = pages.continuation_token
    await single.delete_item("5", "a")
    await single.delete_item("7", "a")
    rest: list[Any] = []
    async for page in single.query_items(query, partition_key="a", max_item_count=3).by_page(token):
        rest += [item async for item in page]
    assert rest == ["4", "3", "2", "1", "0"]


async def test_all_items_are_read_page_by_page(single: Any) -> None:
    await fill(single, 7)
    assert [item["id"] async for item in single.read_all_items(max_item_count=3)] == list("0361425")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT * FROM c WHERE udf.f(c)", "user-defined functions"),
        ("SELECT * FROM c WHERE c.x IS NULL", "IS"),
        ("SELECT * FROM c WHERE NOSUCH(c.x)", "NOSUCH"),
        ("SELECT * FROM c LEFT JOIN d IN c.d", "LEFT JOIN"),
        ("SELECT * FROM c WHERE c.x IN (SELECT VALUE 1)", "IN with a subquery"),
        ("SELECT * FROM c WHERE d.x = 1", "'d'"),
        ("SELECT * FROM c WHERE c.x = @none", "@none"),
        ("SELECT * FROM c ORDER BY c.x + 1", "ORDER BY"),
        ("SELEKT * FROM c", "SELEKT"),
        ("SELECT 1", "FROM"),
    ],
)
async def test_what_is_not_supported_is_named(single: Any, query: str, named: str) -> None:
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await texts(single, query, partition_key="a")
    assert error.value.status_code == 400
    assert named in str(error.value)


async def test_an_order_over_all_partitions_holds_while_items_are_added(single: Any) -> None:
    await fill(single)
    told: list[Any] = []
    query = "SELECT VALUE c.n FROM c ORDER BY c.n"
    async for page in single.query_items(query, max_item_count=2).by_page():
        told += [item async for item in page]
        for place, partition in enumerate(("p0", "p7", "p2")):
            n = -len(told) - place / 4
            await single.create_item({"id": f"later{n}", "pk": partition, "n": n})
    assert [n for n in told if n > 0] == list(range(1, 11))
    assert len(set(told)) == len(told)


async def test_an_ordered_continuation_of_a_feed_range(single: Any) -> None:
    """The way to page an ordered list over all partitions with tokens: one token for each feed range."""
    await fill(single)
    query = "SELECT VALUE c.n FROM c ORDER BY c.n DESC"
    told: list[list[int]] = []
    async for feed_range in single.read_feed_ranges():
        told.append([])
        token = None
        while True:
            pages = single.query_items(query, feed_range=feed_range, max_item_count=2).by_page(token)
            try:
                told[-1] += [item async for item in await anext(pages)]
            except StopAsyncIteration:
                break
            token = pages.continuation_token
            if token is None:
                break
            await single.create_item({"id": f"later{len(told)}{told[-1][-1]}", "pk": "p0", "n": 100})
    assert told == [[10, 7, 4, 1], [9, 6, 3], [], [8, 5, 2]]


async def test_an_ordered_continuation_over_all_ranges_is_refused(single: Any) -> None:
    """As in Azure (azure-sdk-for-python issue 41434): the token is that of the range that was asked last."""
    await fill(single)
    query = "SELECT VALUE c.n FROM c ORDER BY c.n"
    pages = single.query_items(query, max_item_count=2).by_page()
    assert [item async for item in await anext(pages)] == [1, 2]
    with pytest.raises(exceptions.CosmosHttpResponseError, match="Invalid Continuation Token"):
        await anext(single.query_items(query, max_item_count=2).by_page(pages.continuation_token))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT c.pk, COUNT(1) AS k FROM c GROUP BY c.pk", "GroupBy"),
        ("SELECT COUNT(1) AS k FROM c", "NonValueAggregate"),
        ("SELECT VALUE COUNT(1) + 1 FROM c", "Compositions of aggregates"),
    ],
)
async def test_what_this_client_cannot_merge_is_refused(single: Any, query: str, named: str) -> None:
    await fill(single)
    with pytest.raises(exceptions.CosmosHttpResponseError, match=named):
        await texts(single, query)


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_groups_of_one_partition(single: Any, page: int) -> None:
    await fill(single)
    query = "SELECT c.even, COUNT(1) AS k FROM c GROUP BY c.even"
    told = await texts(single, query, partition_key="p0", max_item_count=page)
    assert told == [{"even": True, "k": 2}, {"even": False, "k": 2}]


async def test_a_where_clause_can_name_the_partition(single: Any) -> None:
    await fill(single)
    query = "SELECT VALUE c.n FROM c WHERE c.pk = 'p0' ORDER BY c.n"
    pages = single.query_items(query, max_item_count=3).by_page()
    assert [item async for item in await anext(pages)] == [1, 4, 7]
    rest = single.query_items(query, max_item_count=3).by_page(pages.continuation_token)
    assert [item async for item in await anext(rest)] == [10]


async def test_order_by_needs_an_index(world: Any) -> None:
    levels = world.container("levels")
    assert await texts(levels, "SELECT * FROM c ORDER BY c.n") == []
    with pytest.raises(exceptions.CosmosHttpResponseError, match="index path"):
        await texts(levels, "SELECT * FROM c ORDER BY c.m")
