"""Items through azure-cosmos over TLS: what the SDK sends is understood, and what it is told it understands."""

from typing import Any

import pytest
from azure.core import MatchConditions
from azure.cosmos import exceptions


def system(item: dict[str, Any]) -> set[str]:
    return {name for name in item if name.startswith("_")}


async def test_an_item_is_created_read_replaced_and_deleted(single: Any) -> None:
    made = await single.create_item({"id": "1", "pk": "a", "text": "ünïcödé 🐟"})
    assert system(made) == {"_rid", "_self", "_etag", "_attachments", "_ts"}
    assert await single.read_item("1", "a") == made
    replaced = await single.replace_item("1", {**made, "text": "other"})
    assert replaced["text"] == "other"
    assert replaced["_etag"] != made["_etag"]
    assert replaced["_rid"] == made["_rid"]
    await single.delete_item("1", "a")
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        await single.read_item("1", "a")
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        await single.delete_item("1", "a")


async def test_the_same_id_is_another_item_in_another_partition(single: Any) -> None:
    for key in ("a", "b", 1, True, None):
        await single.create_item({"id": "1", "pk": key})
    assert [(await single.read_item("1", key))["pk"] for key in ("a", "b", 1, True, None)] == ["a", "b", 1, True, None]
    with pytest.raises(exceptions.CosmosResourceExistsError):
        await single.create_item({"id": "1", "pk": "a"})


async def test_upsert_creates_and_replaces(single: Any) -> None:
    await single.upsert_item({"id": "1", "pk": "a", "n": 1})
    await single.upsert_item({"id": "1", "pk": "a", "m": 2})
    item = await single.read_item("1", "a")
    assert "n" not in item
    assert item["m"] == 2


async def test_a_write_under_a_stale_etag_is_refused(single: Any) -> None:
    made = await single.create_item({"id": "1", "pk": "a"})
    under = {"etag": made["_etag"], "match_condition": MatchConditions.IfNotModified}
    await single.replace_item("1", {"id": "1", "pk": "a", "n": 1}, **under)
    for write in (
        single.replace_item("1", {"id": "1", "pk": "a", "n": 2}, **under),
        single.upsert_item({"id": "1", "pk": "a", "n": 2}, **under),
        single.delete_item("1", "a", **under),
        single.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 2}], **under),
    ):
        with pytest.raises(exceptions.CosmosAccessConditionFailedError):
            await write
    assert (await single.read_item("1", "a"))["n"] == 1


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp advises against what the SDK does
async def test_too_large_an_item_is_refused(single: Any) -> None:
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.create_item({"id": "1", "pk": "a", "text": "x" * (2 * 1024 * 1024)})
    assert error.value.status_code == 413


@pytest.mark.parametrize("identifier", ["", "x" * 1024, 5, None])
async def test_a_bad_id_is_refused(single: Any, identifier: Any) -> None:
    with pytest.raises((exceptions.CosmosHttpResponseError, TypeError, ValueError)):
        await single.create_item({"id": identifier, "pk": "a"})


async def test_a_patch_checks_its_condition(single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a", "state": "found", "n": 1})
    operations = [{"op": "incr", "path": "/n", "value": 2}, {"op": "set", "path": "/state", "value": "moved"}]
    patched = await single.patch_item("1", "a", operations, filter_predicate='from c where c.state = "found"')
    assert (patched["n"], patched["state"]) == (3, "moved")
    with pytest.raises(exceptions.CosmosAccessConditionFailedError):
        await single.patch_item("1", "a", operations, filter_predicate='from c where c.state = "found"')
    assert (await single.read_item("1", "a"))["n"] == 3


async def test_a_batch_is_done_whole(single: Any) -> None:
    await single.create_item({"id": "old", "pk": "a", "n": 1})
    results = await single.execute_item_batch(
        [
            ("create", ({"id": "1", "pk": "a"},)),
            ("upsert", ({"id": "2", "pk": "a"},)),
            (
                "patch",
                ("old", [{"op": "incr", "path": "/n", "value": 1}]),
                {"filter_predicate": "from c where c.n = 1"},
            ),
            ("read", ("old",)),
            ("replace", ("1", {"id": "1", "pk": "a", "n": 5})),
            ("delete", ("2",)),
        ],
        "a",
    )
    assert [result["statusCode"] for result in results] == [201, 201, 200, 200, 200, 204]
    assert results[3]["resourceBody"]["n"] == 2
    assert (await single.read_item("1", "a"))["n"] == 5


async def test_a_batch_that_fails_leaves_nothing(single: Any) -> None:
    made = await single.create_item({"id": "old", "pk": "a"})
    await single.replace_item("old", {"id": "old", "pk": "a", "n": 1})
    with pytest.raises(exceptions.CosmosBatchOperationError) as error:
        await single.execute_item_batch(
            [
                ("create", ({"id": "1", "pk": "a"},)),
                ("replace", ("old", {"id": "old", "pk": "a", "n": 9}), {"if_match_etag": made["_etag"]}),
                ("create", ({"id": "2", "pk": "a"},)),
            ],
            "a",
        )
    assert error.value.error_index == 1
    assert [result["statusCode"] for result in error.value.operation_responses] == [424, 412, 424]
    assert [item["id"] async for item in single.query_items("SELECT c.id FROM c", partition_key="a")] == ["old"]
    assert (await single.read_item("old", "a"))["n"] == 1


async def test_a_batch_takes_a_hundred_operations(single: Any) -> None:
    operations: list[Any] = [("create", ({"id": str(number), "pk": "a"},)) for number in range(101)]
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.execute_item_batch(operations, "a")
    assert error.value.status_code == 400
    await single.execute_item_batch(operations[:100], "a")
    assert [n async for n in single.query_items("SELECT VALUE COUNT(1) FROM c", partition_key="a")] == [100]


async def test_items_expire_by_their_ttl(world: Any, single: Any) -> None:
    await single.create_item({"id": "short", "pk": "a", "ttl": 10})
    await single.create_item({"id": "long", "pk": "a"})
    world.clock.now += 9
    assert (await single.read_item("short", "a"))["ttl"] == 10
    world.clock.now += 1
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        await single.read_item("short", "a")
    assert [item["id"] async for item in single.query_items("SELECT c.id FROM c", partition_key="a")] == ["long"]
    await single.create_item({"id": "short", "pk": "a"})


async def test_the_change_feed_tells_the_latest_of_each(single: Any) -> None:
    for name in ("1", "2", "3"):
        await single.create_item({"id": name, "pk": name})
    await single.replace_item("1", {"id": "1", "pk": "1", "n": 1})
    await single.delete_item("2", "2")
    told = [item async for item in single.query_items_change_feed(start_time="Beginning")]
    assert [(item["id"], item.get("n")) for item in told] == [("3", None), ("1", 1)]
    token = single.client_connection.last_response_headers["etag"]
    await single.create_item({"id": "4", "pk": "a"})
    later = [item["id"] async for item in single.query_items_change_feed(continuation=token)]
    assert later == ["4"]


async def test_many_items_are_read_at_once(single: Any) -> None:
    for name in ("1", "2", "3"):
        await single.create_item({"id": name, "pk": f"p{name}"})
    told = await single.read_items([("1", "p1"), ("3", "p3"), ("9", "p9")])
    assert sorted(item["id"] for item in told) == ["1", "3"]


async def test_levels_of_a_partition_key(world: Any) -> None:
    levels = world.container("levels")
    for tenant, user in (("t1", "a"), ("t1", "b"), ("t2", "a")):
        await levels.create_item({"id": "1", "tenant": tenant, "user": user})
    assert (await levels.read_item("1", ["t1", "b"]))["user"] == "b"
    found = levels.query_items("SELECT VALUE c.user FROM c", partition_key=["t1"])
    assert sorted([user async for user in found]) == ["a", "b"]
    one = levels.query_items("SELECT VALUE c.tenant FROM c", partition_key=["t2", "a"])
    assert [tenant async for tenant in one] == ["t2"]


async def test_the_definition_is_told(single: Any) -> None:
    told = await single.read()
    assert told["partitionKey"] == {"paths": ["/pk"], "kind": "Hash", "version": 2}
    assert told["defaultTtl"] == -1
