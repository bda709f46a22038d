"""What a request may hold: its size as sent, its keys, its preferences; nothing odd is answered 500."""

import json
from typing import Any

import pytest
from azure.cosmos import exceptions

from local.emulators.cosmosdb.call import MAX_BODY_BYTES

DOCS = "dbs/db/colls/single/docs"
KEY = {"x-ms-documentdb-partitionkey": '["a"]'}
BATCH = {**KEY, "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True"}
QUERY = {"x-ms-documentdb-isquery": "True", "Content-Type": "application/query+json"}
LARGE_BODY = "ignore:Sending a large body"  # aiohttp advises against what the SDK does


def sized(size: int) -> bytes:
    """A document of exactly this many bytes as sent, but small once it is read: its white space counts too."""
    document = b'{"id":"1","pk":"a"}'
    return document[:-1] + b" " * (size - len(document)) + b"}"


@pytest.mark.filterwarnings(LARGE_BODY)
async def test_a_document_is_as_large_as_it_is_sent(single: Any) -> None:
    """300 titles of 380 emoji: 0.46 MB as stored, 1.37 MB escaped; the same with 680 is 2.45 MB escaped."""
    fits = {"id": "1", "pk": "a", "titles": ["🎣" * 380] * 300}
    assert await single.create_item(fits)
    beyond = {"id": "2", "pk": "a", "titles": ["🎣" * 680] * 300}
    assert len(json.dumps(beyond, ensure_ascii=False).encode()) < MAX_BODY_BYTES < len(json.dumps(beyond))
    for refused in (
        single.create_item(beyond),
        single.upsert_item(beyond),
        single.replace_item("1", {**beyond, "id": "1"}),
        single.patch_item("1", "a", [{"op": "set", "path": "/titles", "value": beyond["titles"]}]),
        single.execute_item_batch([("create", (beyond,))], "a"),
    ):
        with pytest.raises(exceptions.CosmosHttpResponseError) as error:
            await refused
        assert error.value.status_code == 413
    assert [item["id"] async for item in single.query_items("SELECT c.id FROM c", partition_key="a")] == ["1"]


@pytest.mark.filterwarnings(LARGE_BODY)
@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 201), (MAX_BODY_BYTES + 1, 413), (20_000_000, 413)])
async def test_every_byte_of_a_body_counts(world: Any, size: int, status: int) -> None:
    told, body, _ = await world.raw("POST", DOCS, sized(size), **KEY)
    assert told == status
    assert status == 201 or (body or {})["code"] == "RequestEntityTooLarge"


@pytest.mark.filterwarnings(LARGE_BODY)
async def test_every_byte_of_a_batch_counts(world: Any) -> None:
    operations = [{"operationType": "Create", "resourceBody": {"id": name, "pk": "a"}} for name in "12"]
    body = json.dumps(operations).encode()
    assert (await world.raw("POST", DOCS, body.ljust(MAX_BODY_BYTES + 1), **BATCH))[0] == 413
    assert (await world.raw("POST", DOCS, body.ljust(MAX_BODY_BYTES), **BATCH))[0] == 200


@pytest.mark.filterwarnings(LARGE_BODY)
async def test_a_patch_does_not_make_an_item_too_large(single: Any) -> None:
    await single.create_item({"id": "1", "pk": "a", "text": "x" * 1_500_000})
    with pytest.raises(exceptions.CosmosHttpResponseError) as error:
        await single.patch_item("1", "a", [{"op": "set", "path": "/more", "value": "y" * 700_000}])
    assert error.value.status_code == 413


@pytest.mark.parametrize("preference", ["return=minimal", "Return=Minimal", "respond-async, return=minimal"])
async def test_a_write_can_be_answered_without_a_body(world: Any, preference: str) -> None:
    prefer = {**KEY, "Prefer": preference}
    document = {"id": "1", "pk": "a"}
    for method, path, body, status, extra in (
        ("POST", DOCS, document, 201, {}),
        ("POST", DOCS, document, 200, {"x-ms-documentdb-is-upsert": "True"}),
        ("PUT", f"{DOCS}/1", document, 200, {}),
        ("PATCH", f"{DOCS}/1", {"operations": [{"op": "set", "path": "/n", "value": 1}]}, 200, {}),
    ):
        told, answer, headers = await world.raw(method, path, body, **prefer, **extra)
        assert (told, answer) == (status, None)
        assert headers["etag"]
    status, answer, _ = await world.raw("GET", f"{DOCS}/1", **prefer)
    assert (status, (answer or {})["n"]) == (200, 1)
    operations = [
        {"operationType": "Upsert", "resourceBody": document},
        {"operationType": "Read", "id": "1"},
    ]
    _, results, _ = await world.raw("POST", DOCS, operations, **{**BATCH, **prefer})
    assert ["resourceBody" in result for result in results] == [False, True]


async def test_a_write_is_answered_with_the_item_otherwise(world: Any) -> None:
    for preference in ("return=representation", "return=minimalist"):
        status, answer, _ = await world.raw(
            "POST", DOCS, {"id": preference, "pk": "a"}, **KEY, Prefer=preference
        )  # fmt: skip
        assert (status, (answer or {})["id"]) == (201, preference)


async def test_a_query_over_all_partitions_has_to_be_allowed(world: Any) -> None:
    query = {"query": "SELECT * FROM c"}
    status, body, headers = await world.raw("POST", DOCS, query, **QUERY)
    assert (status, headers["x-ms-substatus"]) == (400, "0")
    assert "x-ms-documentdb-query-enablecrosspartition" in (body or {})["message"]
    for allowed in (KEY, {"x-ms-documentdb-query-enablecrosspartition": "True"}):
        assert (await world.raw("POST", DOCS, query, **QUERY, **allowed))[0] == 200
    named = {"query": "SELECT * FROM c WHERE c.pk = @pk", "parameters": [{"name": "@pk", "value": "a"}]}
    assert (await world.raw("POST", DOCS, named, **QUERY))[0] == 200


async def test_what_the_client_has_to_merge_comes_with_its_plan(world: Any) -> None:
    query = {"query": "SELECT VALUE COUNT(1) FROM c"}
    crossing = {**QUERY, "x-ms-documentdb-query-enablecrosspartition": "True"}
    status, body, headers = await world.raw("POST", DOCS, query, **crossing)
    assert (status, headers["x-ms-substatus"]) == (400, "1004")
    assert json.loads((body or {})["additionalErrorInfo"])["queryInfo"]["aggregates"] == ["Count"]


async def test_a_range_is_asked_alone(world: Any, single: Any) -> None:
    for name in "abcd":
        await single.create_item({"id": name, "pk": name})
    _, ranges, _ = await world.raw("GET", "dbs/db/colls/single/pkranges")
    names = [one["id"] for one in (ranges or {})["PartitionKeyRanges"]]
    assert names == ["0", "1", "2", "3"]
    told = []
    for name in names:
        headers = {**QUERY, "x-ms-documentdb-partitionkeyrangeid": name}
        _, page, answer = await world.raw("POST", DOCS, {"query": "SELECT VALUE c.id FROM c"}, **headers)
        assert answer["x-ms-documentdb-partitionkeyrangeid"] == name
        told.append((page or {})["Documents"])
    assert sorted(told) == [["a"], ["b"], ["c"], ["d"]]
    headers = {**QUERY, "x-ms-documentdb-partitionkeyrangeid": "7"}
    status, _, answer = await world.raw("POST", DOCS, {"query": "SELECT * FROM c"}, **headers)
    assert (status, answer["x-ms-substatus"]) == (410, "1002")


@pytest.mark.parametrize(
    "key",
    ["[1e999]", '["\\ud800"]', "[" * 5000, '[{"a":1}]', "[[1]]", "{}", "null", "NaN", "", '["' + "x" * 3000 + '"]'],
)
async def test_an_odd_key_is_400(world: Any, key: str) -> None:
    for method, path, body in (
        ("GET", f"{DOCS}/1", None),
        ("POST", DOCS, {"id": "1", "pk": "a"}),
        ("DELETE", f"{DOCS}/1", None),
        ("GET", DOCS, None),
    ):
        status, _, _ = await world.raw(method, path, body, **{"x-ms-documentdb-partitionkey": key})
        assert status == 400 or (key == "" and method == "GET")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"id":"1","pk":1e999}',
        b'{"id":"1","pk":"a","n":-1e999}',
        b'{"id":"1","pk":"a","n":NaN}',
        b'{"id":"1","pk":"a","t":"\\ud800"}',
        b'{"id":"1","pk":"a","\\udfff":1}',
        b'{"id":"\\ud800","pk":"a"}',
        b'{"id":"1","pk":"a","d":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"id":"1","pk":"a","d":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"id":"1","pk":"a","n":' + b"9" * 5000 + b"}",
        b'{"id":"1","pk":{"a":1}}',
        b'{"id":"1","pk":[1]}',
        b'{"id":"1"}',
    ],
)
async def test_an_odd_document_is_400(world: Any, body: bytes) -> None:
    assert (await world.raw("POST", DOCS, body, **KEY))[0] == 400
    operations = b'[{"operationType":"Create","resourceBody":' + (body or b"null") + b"}]"
    assert (await world.raw("POST", DOCS, operations, **BATCH))[0] in (207, 400)


@pytest.mark.parametrize("name", ["%FF", "%ED%A0%80", "%00", "x" * 2000])
async def test_an_odd_id_in_an_address_is_not_there(world: Any, name: str) -> None:
    assert (await world.raw("GET", f"{DOCS}/{name}", **KEY))[0] == 404
    assert (await world.raw("GET", f"dbs/{name}"))[0] == 404
    assert (await world.raw("GET", f"dbs/db/colls/{name}/docs"))[0] == 404


async def test_every_refusal_is_json_with_a_substatus(world: Any) -> None:
    for method, path, headers, status, substatus in (
        ("GET", f"{DOCS}/none", KEY, 404, "0"),
        ("GET", f"{DOCS}/none", {}, 400, "0"),
        ("GET", "dbs/db/colls/none/docs/1", KEY, 404, "1003"),
        ("GET", "dbs/none", {}, 404, "1003"),
        ("POST", "dbs", {}, 403, "5300"),
        ("GET", "dbs/db/colls/single/sprocs", {}, 400, "0"),
        ("GET", DOCS, {"x-ms-documentdb-partitionkeyrangeid": "9"}, 410, "1002"),
    ):
        told, body, answer = await world.raw(method, path, **headers)
        assert (told, answer["x-ms-substatus"]) == (status, substatus)
        assert set(body or {}) == {"code", "message"}
