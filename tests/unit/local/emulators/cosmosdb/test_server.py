"""Who is let in, what is refused, faults on request, and what is counted."""

from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.cosmos import exceptions


async def test_another_key_than_the_issuers_is_401(world: Any) -> None:
    container = world.client(key="another key of thirty-two bytes or so").get_database_client("db")
    with pytest.raises(AzureError) as error:
        await container.get_container_client("single").read_item("1", "a")
    assert getattr(error.value, "status_code", None) == 401


@pytest.mark.parametrize("header", ["", "type=master&ver=1.0&sig=abc", "type=aad&ver=1.0&sig=", "nonsense", "%00&&=="])
async def test_no_token_is_401(world: Any, header: str) -> None:
    status, body, _ = await world.raw("GET", "dbs/db", Authorization=header)
    assert status == 401
    assert body["code"] == "Unauthorized"


async def test_an_action_that_was_not_granted_is_403(world: Any, single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a"})
    reader = world.container("single", "readMetadata", "items/read")
    assert (await reader.read_item("1", "a"))["id"] == "1"
    for refused in (
        reader.create_item({"id": "2", "pk": "a"}),
        reader.upsert_item({"id": "1", "pk": "a", "n": 1}),
        reader.replace_item("1", {"id": "1", "pk": "a", "n": 1}),
        reader.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 1}]),
        reader.delete_item("1", "a"),
        reader.execute_item_batch([("create", ({"id": "2", "pk": "a"},))], "a"),
    ):
        with pytest.raises(exceptions.CosmosHttpResponseError) as error:
            await refused
        assert error.value.status_code == 403
        assert "does not have required RBAC permissions" in str(error.value)
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        _ = [item async for item in reader.query_items("SELECT * FROM c", partition_key="a")]
    assert error.value.status_code == 403
    assert "n" not in await single.read_item("1", "a")


async def test_containers_and_databases_are_not_made_over_the_data_plane(world: Any) -> None:
    client = world.client()
    for refused in (
        client.create_database("other"),
        client.get_database_client("db").create_container("other", {"paths": ["/pk"], "kind": "Hash"}),
        client.get_database_client("db").delete_container("single"),
        client.delete_database("db"),
    ):
        with pytest.raises(exceptions.CosmosHttpResponseError) as error:
            await refused
        assert error.value.status_code == 403


async def test_a_container_that_is_not_there_is_404(world: Any) -> None:
    with pytest.raises(exceptions.CosmosResourceNotFoundError) as error:
        await world.container("none").read_item("1", "a")
    assert error.value.sub_status == 1003


async def test_the_all_versions_feed_is_refused(world: Any) -> None:
    status, body, _ = await world.raw("GET", "dbs/db/colls/single/docs", **{"A-IM": "Full-Fidelity Feed"})
    assert status == 400
    assert "full-fidelity" in body["message"]


@pytest.mark.parametrize("since", ["x", "-1", "²", "9" * 30, "9" * 5000])
async def test_a_change_feed_with_a_bad_continuation_is_400(world: Any, since: str) -> None:
    headers = {"A-IM": "Incremental Feed", "If-None-Match": f'"{since}"'}
    status, body, _ = await world.raw("GET", "dbs/db/colls/single/docs", **headers)
    assert status == 400
    assert "Continuation" in body["message"]


async def test_an_unavailable_service_is_an_error_to_the_caller(world: Any, single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a"})
    await world.admin("POST", "faults", {"status": 503, "operation": "create", "times": 50})
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.create_item({"id": "2", "pk": "a"})
    assert error.value.status_code == 503
    # Another operation does not meet the fault, and nothing was written.
    assert [item["id"] async for item in single.query_items("SELECT c.id FROM c", partition_key="a")] == ["1"]


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp advises against what the SDK does
async def test_a_batch_beyond_two_megabytes_is_413(single: Any) -> None:
    operations = [("create", ({"id": str(number), "pk": "a", "text": "x" * 1_100_000},)) for number in range(2)]
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.execute_item_batch(operations, "a")
    assert error.value.status_code == 413
    assert [item async for item in single.query_items("SELECT c.id FROM c", partition_key="a")] == []


@pytest.mark.parametrize(
    "headers", [{"x-ms-max-item-count": "many"}, {"x-ms-continuation": "!"}, {"x-ms-continuation": "W10="}]
)
async def test_hostile_headers_are_400(world: Any, headers: dict[str, str]) -> None:
    status, _, _ = await world.raw("GET", "dbs/db/colls/single/docs", **headers)
    assert status == 400


async def test_the_client_waits_when_it_is_throttled(world: Any, single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a"})
    fault = {"status": 429, "operation": "read", "container": "single", "times": 2, "retry_after_ms": 1}
    assert (await world.admin("POST", "faults", fault))[0] == 201
    assert (await single.read_item("1", "a"))["id"] == "1"
    _, stats = await world.admin("GET", "stats")
    assert stats["byStatus"]["429"] == 2


async def test_endless_throttling_is_an_error(world: Any, single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a"})
    await world.admin("POST", "faults", {"status": 429, "operation": "read", "times": 50, "retry_after_ms": 1})
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.read_item("1", "a")
    assert (error.value.status_code, error.value.sub_status) == (429, 3200)


async def test_faults_can_be_ended(world: Any, single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a"})
    await world.admin("POST", "faults", {"status": 503, "operation": "read", "times": 50})
    assert (await world.admin("DELETE", "faults"))[0] == 204
    assert (await single.read_item("1", "a"))["id"] == "1"


async def test_an_answer_can_get_lost_after_the_write(world: Any, single: Any) -> None:
    await single.read()
    await world.admin("POST", "faults", {"status": 408, "operation": "create", "done": True})
    with pytest.raises(exceptions.CosmosHttpResponseError):
        await single.create_item({"id": "1", "pk": "a"})
    assert (await single.read_item("1", "a"))["id"] == "1"


async def test_requests_are_counted(world: Any, single: Any) -> None:
    await single.read()
    assert (await world.admin("POST", "stats/reset"))[0] == 204
    await single.create_item({"id": "1", "pk": "a"})
    await single.read_item("1", "a")
    charge = float(single.client_connection.last_response_headers["x-ms-request-charge"])
    assert charge == 2.0
    _ = [item async for item in single.query_items("SELECT * FROM c", partition_key="a")]
    _, stats = await world.admin("GET", "stats")
    # The SDK reads the account whenever it likes.
    asked = {name: count for name, count in stats["byOperation"].items() if name != "account"}
    assert asked == {"create": 1, "read": 1, "query": 1}
    assert stats["requests"] == sum(stats["byStatus"].values())
    assert stats["requestCharge"] > 7


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", {"nonsense": 1}),
        ("POST", "faults", []),
        ("POST", "containers", {"database": "db"}),
        (
            "POST",
            "containers",
            {"database": "db", "containers": [{"name": "a/b", "partitionKey": ["/x"], "indexed": []}]},
        ),
        (
            "POST",
            "containers",
            {"database": "db", "containers": [{"name": "single", "partitionKey": ["/x"], "indexed": []}]},
        ),
    ],
)
async def test_the_local_paths_refuse_bad_bodies(world: Any, method: str, path: str, body: Any) -> None:
    assert (await world.admin(method, path, body))[0] == 400


async def test_the_local_paths_need_their_key(world: Any) -> None:
    assert (await world.admin("GET", "stats", key="guess"))[0] == 403
