"""What Microsoft's own tests of azure-cosmos check, as far as it applies: our own cases, through the same client."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.cosmos import CosmosClient, exceptions
from azure.cosmos.partition_key import NonePartitionKeyValue, NullPartitionKeyValue, PartitionKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

    from azure.cosmos.aio import ContainerProxy

    from tests.conformance.cosmosdb.service import Service

CASES: Final[list[Callable[[Service], Awaitable[None]]]] = []

# Four keys, each in a partition key range of its own.
_SPREAD: Final = "abcd"


def case(run: Callable[[Service], Awaitable[None]]) -> Callable[[Service], Awaitable[None]]:
    """Adds a case; its name is its sentence."""
    CASES.append(run)
    return run


async def _all(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


async def _fails(awaitable: Awaitable[Any], status: int, substatus: int | None = None) -> None:
    told = await _error(awaitable)
    assert told.status_code == status, f"{told.status_code} is not {status}: {told}"
    assert substatus in (None, told.sub_status), f"substatus {told.sub_status} is not {substatus}"


async def _error(awaitable: Awaitable[Any]) -> Any:
    try:
        await awaitable
    except (exceptions.CosmosHttpResponseError, exceptions.CosmosBatchOperationError) as error:
        return error
    raise AssertionError("it did not fail")


async def _filled(service: Service, count: int = 40) -> ContainerProxy:
    """Items 0 … with a number, a text and a key that goes round."""
    container = service.container()
    for place, key in enumerate(_SPREAD):
        items = [
            {"id": str(number), "pk": key, "n": number, "s": f"{number * 7 % count:03}", "g": number % 3}
            for number in range(place, count, len(_SPREAD))
        ]
        await container.execute_item_batch([("create", (item,)) for item in items], key)
    return container


# Items


@case
async def an_item_is_created_read_replaced_and_deleted(service: Service) -> None:
    container = service.container()
    made = await container.create_item({"id": "1", "pk": "a", "n": 1})
    assert {"_rid", "_self", "_etag", "_ts", "_attachments"} <= set(made)
    assert (await container.read_item("1", "a"))["n"] == 1
    changed = await container.replace_item("1", {"id": "1", "pk": "a", "n": 2})
    assert changed["_etag"] != made["_etag"]
    assert changed["_rid"] == made["_rid"]
    await container.delete_item("1", "a")
    await _fails(container.read_item("1", "a"), 404, 0)


@case
async def an_item_that_is_there_is_409_and_one_that_is_not_is_404(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a"})
    await _fails(container.create_item({"id": "1", "pk": "a"}), 409)
    await _fails(container.replace_item("2", {"id": "2", "pk": "a"}), 404)
    await _fails(container.delete_item("2", "a"), 404)
    await _fails(container.patch_item("2", "a", [{"op": "set", "path": "/n", "value": 1}]), 404)


@case
async def an_etag_guards_replace_and_delete(service: Service) -> None:
    container = service.container()
    old = (await container.create_item({"id": "1", "pk": "a"}))["_etag"]
    await container.upsert_item({"id": "1", "pk": "a", "n": 1})
    guard = {"etag": old, "match_condition": MatchConditions.IfNotModified}
    await _fails(container.replace_item("1", {"id": "1", "pk": "a"}, **guard), 412)
    await _fails(container.delete_item("1", "a", **guard), 412)
    await _fails(container.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 1}], **guard), 412)


@case
async def an_id_may_hold_anything_but_slashes_and_question_marks(service: Service) -> None:
    container = service.container()
    for identifier in (
        "with space",
        "ünï🎣",
        "a%20b",
        "a+b&c=d",
        "(a)[b]{c}",
        "'quoted'",
        '"quoted"',
        "<>;:,",
        "x" * 255,
    ):
        await container.create_item({"id": identifier, "pk": "a"})
        assert (await container.read_item(identifier, "a"))["id"] == identifier
        await container.delete_item(identifier, "a")
    for identifier in ("a/b", "a\\b", "a?b", "a#b"):
        try:
            await container.create_item({"id": identifier, "pk": "a"})
        except (exceptions.CosmosHttpResponseError, ValueError):
            continue
        raise AssertionError(f"{identifier} was taken")


@case
async def a_key_may_be_null_missing_or_of_any_scalar_type(service: Service) -> None:
    container = service.container()
    keys: list[Any] = ["", "x", 0, -1.5, True, False, 2**40]
    for number, key in enumerate(keys):
        await container.create_item({"id": str(number), "pk": key})
        assert (await container.read_item(str(number), key))["pk"] == key
    await container.create_item({"id": "none"})
    assert (await container.read_item("none", NonePartitionKeyValue))["id"] == "none"
    await container.create_item({"id": "null", "pk": None})
    assert (await container.read_item("null", NullPartitionKeyValue))["id"] == "null"


@case
async def a_key_that_is_not_the_items_is_400_1001(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a"})
    operation = ("upsert", ({"id": "1", "pk": "b"},))
    error = await _error(container.execute_item_batch([operation], "a"))
    assert error.operation_responses[0]["statusCode"] == 400
    assert error.operation_responses[0]["subStatusCode"] == 1001


@case
async def a_write_can_be_answered_without_a_body(service: Service) -> None:
    container = service.container()
    assert not await container.create_item({"id": "1", "pk": "a"}, no_response=True)
    assert not await container.replace_item("1", {"id": "1", "pk": "a"}, no_response=True)
    assert not await container.upsert_item({"id": "1", "pk": "a"}, no_response=True)
    operations = [{"op": "set", "path": "/n", "value": 1}]
    assert not await container.patch_item("1", "a", operations, no_response=True)
    assert (await container.read_item("1", "a"))["n"] == 1


@case
async def two_megabytes_as_sent_are_the_limit(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a", "text": "x" * 2_000_000})
    for text in ("x" * 2_200_000, "é" * 400_000, "🎣" * 200_000):
        await _fails(container.create_item({"id": "2", "pk": "a", "text": text}), 413)


# Time to live


@case
async def an_item_ends_with_its_time_to_live(service: Service) -> None:
    container = service.container("expiring")
    await container.create_item({"id": "default", "pk": "a"})
    await container.create_item({"id": "longer", "pk": "a", "ttl": 20})
    await container.create_item({"id": "ever", "pk": "a", "ttl": -1})
    service.ahead += 10
    await _fails(container.read_item("default", "a"), 404)
    ids = await _all(container.query_items("SELECT VALUE c.id FROM c", partition_key="a"))
    assert sorted(ids) == ["ever", "longer"]
    await container.patch_item("ever", "a", [{"op": "set", "path": "/ttl", "value": 1}])
    service.ahead += 15
    assert await _all(container.query_items("SELECT VALUE c.id FROM c", partition_key="a")) == []
    # The id is free again.
    await container.create_item({"id": "default", "pk": "a"})


@case
async def a_ttl_that_is_none_is_400(service: Service) -> None:
    container = service.container()
    for ttl in (None, 0, -2, 1.5, "10", True, 2**31):
        await _fails(container.create_item({"id": "1", "pk": "a", "ttl": ttl}), 400)


@case
async def an_items_ttl_counts_for_nothing_where_the_container_has_none(service: Service) -> None:
    container = service.container("lasting")
    await container.create_item({"id": "1", "pk": "a", "ttl": 1})
    service.ahead += 10
    assert (await container.read_item("1", "a"))["ttl"] == 1


# Patch


@case
async def a_patch_does_each_operation_in_turn(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a", "n": 1, "o": {"k": 1}, "list": [1, 2]})
    told = await container.patch_item(
        "1", "a",
        [
            {"op": "add", "path": "/color", "value": "red"},
            {"op": "remove", "path": "/o/k"},
            {"op": "replace", "path": "/n", "value": 5},
            {"op": "incr", "path": "/n", "value": -2},
            {"op": "set", "path": "/list/0", "value": 9},
            {"op": "add", "path": "/list/-", "value": 3},
            {"op": "move", "from": "/color", "path": "/paint"},
        ],
    )  # fmt: skip
    assert (told["n"], told["o"], told["list"], told["paint"], "color" in told) == (3, {}, [9, 2, 3], "red", False)


@case
async def a_patch_with_a_predicate_that_does_not_hold_is_412(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a", "n": 1})
    operations = [{"op": "set", "path": "/n", "value": 2}]
    await container.patch_item("1", "a", operations, filter_predicate="from root where root.n = 1")
    await _fails(container.patch_item("1", "a", operations, filter_predicate="from root where root.n = 1"), 412)


@case
async def a_patch_that_cannot_be_done_is_400(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a", "n": 1})
    for operation in (
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "add", "path": "/none/deep", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "set", "path": "/id", "value": "2"},
        {"op": "set", "path": "/pk", "value": "b"},
        {"op": "nonsense", "path": "/n", "value": 1},
    ):
        await _fails(container.patch_item("1", "a", [operation]), 400)


# Batches


@case
async def a_batch_is_done_whole(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "old", "pk": "a", "n": 1})
    told = await container.execute_item_batch(
        [
            ("create", ({"id": "new", "pk": "a"},)),
            ("read", ("old",)),
            ("replace", ("old", {"id": "old", "pk": "a", "n": 2})),
            ("patch", ("old", [{"op": "incr", "path": "/n", "value": 1}])),
            ("upsert", ({"id": "up", "pk": "a"},)),
            ("delete", ("new",)),
        ],
        "a",
    )
    assert [one["statusCode"] for one in told] == [201, 200, 200, 200, 201, 204]
    assert told[3]["resourceBody"]["n"] == 3
    assert told[0]["eTag"]


@case
async def a_batch_that_fails_leaves_nothing(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a"})
    operations = [("create", ({"id": "2", "pk": "a"},)), ("create", ({"id": "1", "pk": "a"},)), ("read", ("1",))]
    error = await _error(container.execute_item_batch(operations, "a"))
    assert error.error_index == 1
    assert [one["statusCode"] for one in error.operation_responses] == [424, 409, 424]
    await _fails(container.read_item("2", "a"), 404)


@case
async def a_batch_of_more_than_a_hundred_is_400(service: Service) -> None:
    container = service.container()
    operations = [("create", ({"id": str(number), "pk": "a"},)) for number in range(101)]
    await _fails(container.execute_item_batch(operations, "a"), 400)


@case
async def a_batch_of_more_than_two_megabytes_is_413(service: Service) -> None:
    container = service.container()
    operations = [("create", ({"id": str(number), "pk": "a", "t": "x" * 800_000},)) for number in range(3)]
    await _fails(container.execute_item_batch(operations, "a"), 413)


# Queries


@case
async def a_page_holds_no_more_than_was_asked_for(service: Service) -> None:
    container = await _filled(service)
    pages = container.query_items("SELECT * FROM c", partition_key="a", max_item_count=4).by_page()
    sizes = [len(await _all(page)) async for page in pages]
    assert sizes == [4, 4, 2]


@case
async def a_token_goes_on_in_another_iterator(service: Service) -> None:
    container = await _filled(service)
    queries: tuple[tuple[str, dict[str, Any]], ...] = (
        ("SELECT VALUE c.n FROM c", {"partition_key": "b"}),
        ("SELECT VALUE c.n FROM c ORDER BY c.s", {"partition_key": "b"}),
        ("SELECT VALUE c.n FROM c ORDER BY c.s DESC", {"partition_key": "b"}),
        ("SELECT VALUE c.n FROM c WHERE c.g = 1", {}),
        ("SELECT VALUE c.n FROM c", {}),
    )
    for query, options in queries:
        whole = await _all(container.query_items(query, **options))
        told: list[Any] = []
        token = None
        while True:
            pages: Any = container.query_items(query, max_item_count=3, **options).by_page(token)
            told += await _all(await anext(pages))
            token = pages.continuation_token
            if token is None:
                break
        assert told == whole, f"{query}: {told} is not {whole}"


@case
async def an_order_over_all_partitions_holds_for_every_page_size(service: Service) -> None:
    container = await _filled(service)
    for size, (path, backwards) in itertools.product(
        (1, 7, 100), (("n", False), ("n", True), ("s", False), ("s", True))
    ):
        query = f"SELECT * FROM c ORDER BY c.{path} {'DESC' if backwards else 'ASC'}"  # noqa: S608 - ours
        told = [item[path] async for item in container.query_items(query, max_item_count=size)]
        assert told == sorted(told, reverse=backwards)
        assert len(told) == 40


@case
async def a_token_of_an_order_over_all_partitions_is_400(service: Service) -> None:
    container = await _filled(service)
    query = "SELECT * FROM c ORDER BY c.n"
    pages: Any = container.query_items(query, max_item_count=3).by_page()
    await _all(await anext(pages))
    await _fails(anext(container.query_items(query, max_item_count=3).by_page(pages.continuation_token)), 400)


@case
async def top_offset_and_limit_hold_over_all_partitions(service: Service) -> None:
    container = await _filled(service)
    for size in (1, 5, 100):
        for query, expected in (
            ("SELECT TOP 5 VALUE c.n FROM c ORDER BY c.n", list(range(5))),
            ("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 38 LIMIT 5", [38, 39]),
            ("SELECT VALUE c.n FROM c ORDER BY c.n DESC OFFSET 2 LIMIT 3", [37, 36, 35]),
        ):
            assert await _all(container.query_items(query, max_item_count=size)) == expected
        assert len(await _all(container.query_items("SELECT TOP 9 * FROM c", max_item_count=size))) == 9
        assert len(await _all(container.query_items("SELECT * FROM c OFFSET 3 LIMIT 9", max_item_count=size))) == 9


@case
async def aggregates_hold_over_all_partitions(service: Service) -> None:
    container = await _filled(service)
    for expression, expected in (
        ("COUNT(1)", 40), ("SUM(c.n)", 780), ("AVG(c.n)", 19.5), ("MIN(c.n)", 0), ("MAX(c.n)", 39), ("MIN(c.s)", "000"),
    ):  # fmt: skip
        told = await _all(container.query_items(f"SELECT VALUE {expression} FROM c"))  # noqa: S608 - ours
        assert told == [expected], f"{expression}: {told}"
        told = await _all(container.query_items(f"SELECT VALUE {expression} FROM c WHERE c.pk = 'none'"))  # noqa: S608 - ours
        assert told in ([0], [], [None]), f"{expression} of nothing: {told}"


@case
async def distinct_holds_over_all_partitions(service: Service) -> None:
    container = await _filled(service)
    for size in (1, 100):
        for query in ("SELECT DISTINCT VALUE c.g FROM c", "SELECT DISTINCT VALUE c.g FROM c ORDER BY c.g"):
            assert sorted(await _all(container.query_items(query, max_item_count=size))) == [0, 1, 2]
        told = await _all(container.query_items("SELECT DISTINCT c.g, c.pk FROM c", max_item_count=size))
        assert len(told) == 12


@case
async def groups_over_all_partitions_are_refused_to_this_client(service: Service) -> None:
    container = await _filled(service)
    await _fails(_all(container.query_items("SELECT c.g, COUNT(1) AS k FROM c GROUP BY c.g")), 400)
    told = await _all(container.query_items("SELECT c.g, COUNT(1) AS k FROM c GROUP BY c.g", partition_key="a"))
    assert sorted(one["k"] for one in told) == [3, 3, 4]


@case
async def the_order_of_types(service: Service) -> None:
    container = service.container()
    ordered: list[Any] = [None, False, True, -3, 0.5, 10, "", "A", "a", "é"]
    for number, value in enumerate(reversed(ordered)):
        await container.create_item({"id": str(number), "pk": "a", "v": value})
    await container.create_item({"id": "none", "pk": "a"})
    told = await _all(container.query_items("SELECT VALUE c.v FROM c ORDER BY c.v", partition_key="a"))
    assert told == ordered
    told = await _all(container.query_items("SELECT VALUE c.v FROM c ORDER BY c.v DESC", partition_key="a"))
    assert told == ordered[::-1]


@case
async def a_path_that_the_policy_names_is_ordered_with_what_lacks_it(service: Service) -> None:
    """The reference: with the path named in the indexing policy, items without it come too, first."""
    container = service.container("named")
    await container.create_item({"id": "1", "pk": "a", "n": 1})
    await container.create_item({"id": "none", "pk": "a"})
    told = await _all(container.query_items("SELECT VALUE c.id FROM c ORDER BY c.n", partition_key="a"))
    assert told == ["none", "1"], f"the answer is {told}"


@case
async def a_query_over_all_partitions_has_to_be_allowed(service: Service) -> None:
    container = await _filled(service, 4)

    def ask(**options: Any) -> list[Any]:
        # Never closed: a thread of its own would fail and say so.
        client = CosmosClient(service.url, service.credential, connection_verify=service.ca)
        other = client.get_database_client("db").get_container_client(container.id)
        return list(other.query_items("SELECT * FROM c", **options))

    await _fails(asyncio.to_thread(ask), 400)
    assert len(await asyncio.to_thread(ask, enable_cross_partition_query=True)) == 4
    assert len(await asyncio.to_thread(ask, partition_key="a")) == 1


@case
async def many_items_are_read_at_once(service: Service) -> None:
    container = await _filled(service)
    wanted = [(str(number), _SPREAD[number % 4]) for number in range(0, 40, 3)]
    told = await container.read_items([*wanted, ("none", "a")])
    assert sorted(item["id"] for item in told) == sorted(name for name, _ in wanted)


@case
async def all_items_are_read(service: Service) -> None:
    container = await _filled(service)
    assert len(await _all(container.read_all_items(max_item_count=7))) == 40


@case
async def a_feed_range_is_asked_alone(service: Service) -> None:
    container = await _filled(service)
    ranges = [one async for one in container.read_feed_ranges()]
    assert len(ranges) == 4
    told = [await _all(container.query_items("SELECT VALUE c.n FROM c", feed_range=one)) for one in ranges]
    assert sorted(itertools.chain(*told)) == list(range(40))
    assert [len(part) for part in told] == [10, 10, 10, 10]


@case
async def a_prefix_of_a_hierarchical_key_is_asked(service: Service) -> None:
    container = service.container("levels")
    for tenant, user in itertools.product(("x1", "x2"), "abc"):
        await container.create_item({"id": "1", "tenant": tenant, "user": user})
    told = await _all(container.query_items("SELECT VALUE c.user FROM c ORDER BY c.user", partition_key=["x1"]))
    assert told == ["a", "b", "c"]
    assert (await container.read_item("1", ["x2", "c"]))["user"] == "c"
    await _fails(container.read_item("1", ["x2"]), 400)


# Change feed


@case
async def the_change_feed_tells_the_newest_of_each_item(service: Service) -> None:
    container = await _filled(service, 10)
    await container.upsert_item({"id": "3", "pk": "d", "n": 100})
    await container.delete_item("0", "a")
    told = [item["n"] async for item in container.query_items_change_feed(start_time="Beginning")]
    assert sorted(told) == [1, 2, 4, 5, 6, 7, 8, 9, 100]
    token = container.client_connection.last_response_headers["etag"]
    await container.create_item({"id": "later", "pk": "a"})
    assert [item["id"] async for item in container.query_items_change_feed(continuation=token)] == ["later"]


@case
async def the_change_feed_of_a_partition(service: Service) -> None:
    container = await _filled(service, 12)
    feed = container.query_items_change_feed(start_time="Beginning", partition_key="b")
    assert [item["n"] async for item in feed] == [1, 5, 9]


# What else is answered


@case
async def every_answer_has_its_headers(service: Service) -> None:
    container = service.container()
    await container.create_item({"id": "1", "pk": "a"})
    headers = container.client_connection.last_response_headers
    for name in ("x-ms-request-charge", "x-ms-activity-id", "x-ms-session-token", "etag"):
        assert headers[name], name
    assert float(headers["x-ms-request-charge"]) > 0


@case
async def what_is_not_there_is_404(service: Service) -> None:
    await _fails(service.container("none").read_item("1", "a"), 404, 1003)
    await _fails(service.client.get_database_client("none").read(), 404)


@case
async def the_control_plane_is_closed(service: Service) -> None:
    await _fails(service.client.create_database("new"), 403)
    database = service.client.get_database_client("db")
    await _fails(database.create_container("new", PartitionKey("/pk")), 403)


@case
async def a_query_that_is_none_is_400(service: Service) -> None:
    container = service.container()
    for query in ("SELEKT * FROM c", "SELECT * FROM", "SELECT * FROM c WHERE", "SELECT * FROM c WHERE d.x = 1"):
        await _fails(_all(container.query_items(query, partition_key="a")), 400)
