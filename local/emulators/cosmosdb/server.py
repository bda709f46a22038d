"""The REST API that azure-cosmos speaks, as an aiohttp application."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from local.emulators.cosmosdb import batch, items, query, rights
from local.emulators.cosmosdb.call import (
    Call,
    answer_documents,
    answer_error,
    answer_item,
    answer_json,
    answer_page,
    is_text,
    result_json,
)
from local.emulators.cosmosdb.errors import CosmosError, bad_request, not_found, not_supported, too_large
from local.emulators.cosmosdb.faults import RequestLog
from local.emulators.cosmosdb.partition import RANGES
from local.emulators.cosmosdb.values import parse_json

if TYPE_CHECKING:
    from local.emulators.cosmosdb.rights import Authorize
    from local.emulators.cosmosdb.store import Store

# Beyond this a body is not even read; the limits of the service are lower (`call.MAX_BODY_BYTES`).
_MAX_BODY: Final = 16 * 1024 * 1024

# A write counter as SQLite can hold it: below 2^63.
_LSN: Final = re.compile(r"[0-9]{1,18}")

_CROSSES: Final = "x-ms-documentdb-query-enablecrosspartition"

_ETAG_OF_RANGES: Final = '"ranges"'

# Request units for a point operation on a small item, about what the service charges (each KB more costs the same
# again); a query starts from the last. Under Strong consistency a read asks two replicas, and costs twice.
_READ_UNITS: Final = 2.0
_WRITE_UNITS: Final = 5.7
_QUERY_UNITS: Final = 4.6


Handler = Callable[[Call], web.Response]


class CosmosServer:
    """The account: its store, who may call, and the log of requests.

    Args:
        store: databases and items.
        authorize: from a token to its caller; raises TokenError.
        admin_key: opens `/_local/…` (header `x-local-admin`).
    """

    def __init__(self, store: Store, *, authorize: Authorize, admin_key: str) -> None:
        self.store = store
        self.log = RequestLog()
        self._authorize = authorize
        self._admin_key = admin_key

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=_MAX_BODY)
        # Names hold anything but a slash; aiohttp's own pattern leaves out braces.
        database, container, item = "/dbs/{database:[^/]+}", "/colls/{container:[^/]+}", "/{item:[^/]+}"
        docs = f"{database}{container}/docs"
        for method, path, operation, handler in (
            ("GET", "/", "account", self._account),
            ("GET", database, "database", self._database),
            ("GET", f"{database}{container}", "container", self._container),
            ("GET", f"{database}{container}/pkranges", "ranges", self._ranges),
            ("POST", docs, "", self._post),
            ("GET", docs, "feed", self._feed),
            ("GET", docs + item, "read", self._read),
            ("PUT", docs + item, "replace", self._replace),
            ("PATCH", docs + item, "patch", self._patch),
            ("DELETE", docs + item, "delete", self._delete),
        ):
            # The SDK ends some addresses with a slash, and some not.
            app.router.add_route(method, path, self._served(operation, handler))
            if path != "/":
                app.router.add_route(method, path + "/", self._served(operation, handler))
        app.router.add_post("/_local/containers", self._admin(self._provision))
        app.router.add_post("/_local/faults", self._admin(self._add_fault))
        app.router.add_delete("/_local/faults", self._admin(self._clear_faults))
        app.router.add_get("/_local/stats", self._admin(self._stats))
        app.router.add_post("/_local/stats/reset", self._admin(self._reset))
        app.router.add_route("*", "/{rest:.*}", self._served("unknown", _refuse))
        return app

    # What is the same for every operation

    def _served(self, operation: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            activity = str(uuid.uuid4())
            name = operation or _operation_of(request)
            where = request.match_info.get("container")
            self.log.by_operation[name] += 1
            charge = 0.0
            try:
                fault = self.log.take(name, where)
                if fault is not None and fault.delay:
                    await asyncio.sleep(fault.delay)
                if fault is not None and fault.status and not fault.done:
                    raise fault.error()
                call = Call(request, rights.caller_of(request.headers.get("Authorization", ""), self._authorize), b"")
                call.body = await _body_of(request)
                if where is not None:
                    call.container = self.store.container(request.match_info["database"], where)
                response = handler(call)
                charge = call.charge
                if fault is not None and fault.status:
                    raise fault.error()
                if call.container is not None:
                    response.headers["x-ms-session-token"] = call.container.session_token(call.range_number)
                    # Without it the SDK takes every answer for one after a split, and forgets its routing map.
                    response.headers["x-ms-documentdb-partitionkeyrangeid"] = str(call.range_number)
                    response.headers["x-ms-alt-content-path"] = call.container.path
                    response.headers["x-ms-content-path"] = call.container.rid
            except CosmosError as error:
                response = answer_error(error, activity)
            response.headers["x-ms-activity-id"] = activity
            response.headers["x-ms-request-charge"] = f"{charge:.2f}"
            response.headers["x-ms-version"] = "2020-07-15"
            self.log.charge += charge
            self.log.by_status[str(response.status)] += 1
            return response

        return serve

    # Account, database, container

    def _account(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ_METADATA)
        url = f"{call.request.scheme}://{call.request.host}/"
        region = [{"name": "Local", "databaseAccountEndpoint": url}]
        return answer_json(
            {
                "_self": "",
                "id": "local",
                "_rid": "local",
                "media": "//media/",
                "addresses": "//addresses/",
                "_dbs": "//dbs/",
                "writableLocations": region,
                "readableLocations": region,
                "enableMultipleWriteLocations": False,
                "continuousBackupEnabled": True,
                "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 4},
                "userConsistencyPolicy": {"defaultConsistencyLevel": "Strong"},
                "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 4},
                "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
                "queryEngineConfiguration": '{"allowNewKeywords":true,"maxSqlQueryInputLength":524288}',
            }
        )

    def _database(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ_METADATA)
        name = call.request.match_info["database"]
        if not is_text(name):
            raise not_found()
        return answer_json(self.store.database(name))

    def _container(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ_METADATA)
        return answer_json(call.target.resource())

    def _ranges(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ_METADATA)
        if call.header("If-None-Match") == _ETAG_OF_RANGES:
            return web.Response(status=304, headers={"etag": _ETAG_OF_RANGES})
        ranges = [
            {
                "id": str(one.number),
                "_rid": call.target.rid,
                "minInclusive": one.low,
                "maxExclusive": one.high,
                "ridPrefix": one.number,
                "throughputFraction": 1 / len(RANGES),
                "status": "online",
                "parents": [],
                "_ts": call.target.created,
            }
            for one in RANGES
        ]
        body = {"_rid": call.target.rid, "PartitionKeyRanges": ranges, "_count": len(ranges)}
        return answer_json(body, headers={"etag": _ETAG_OF_RANGES})

    # Items

    def _post(self, call: Call) -> web.Response:
        if call.flag("x-ms-cosmos-is-query-plan-request"):
            return self._plan(call)
        if call.flag("x-ms-cosmos-is-batch-request"):
            return self._batch(call)
        if call.flag("x-ms-documentdb-isquery") or "query+json" in (call.header("Content-Type") or ""):
            return self._query(call)
        return self._create(call)

    def _create(self, call: Call) -> web.Response:
        upsert = call.flag("x-ms-documentdb-is-upsert")
        rights.require(call.caller, rights.UPSERT if upsert else rights.CREATE, call.target.id)
        document = call.document()
        with self.store.transaction(call.target):
            if upsert:
                item, created = items.upsert(self.store, call.target, call.key(), document, call.conditions)
            else:
                item = items.create(self.store, call.target, call.key(), document, call.conditions)
                created = True
        return answer_item(call, item, 201 if created else 200, _WRITE_UNITS)

    def _read(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ, call.target.id)
        item = items.read(self.store, call.target, call.key(), call.item, call.conditions)
        return answer_item(call, item, 200, _READ_UNITS)

    def _replace(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.REPLACE, call.target.id)
        document = call.document()
        with self.store.transaction(call.target):
            item = items.replace(self.store, call.target, call.key(), call.item, document, call.conditions)
        return answer_item(call, item, 200, _WRITE_UNITS)

    def _patch(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.REPLACE, call.target.id)
        specification = call.document()
        with self.store.transaction(call.target):
            item = items.apply_patch(self.store, call.target, call.key(), call.item, specification, call.conditions)
        return answer_item(call, item, 200, _WRITE_UNITS)

    def _delete(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.DELETE, call.target.id)
        with self.store.transaction(call.target):
            items.delete(self.store, call.target, call.key(), call.item, call.conditions)
        call.charge = _WRITE_UNITS
        return web.Response(status=204)

    def _batch(self, call: Call) -> web.Response:
        operations = batch.check(call.document())
        for operation in operations:
            rights.require(call.caller, _ACTIONS[operation["operationType"]], call.target.id)
        call.charge = _WRITE_UNITS * max(len(operations), len(call.body) / 1024)
        if call.flag("x-ms-cosmos-batch-atomic"):
            done, results = batch.run(self.store, call.target, call.key(), operations)
        else:
            feed_range, go_on = call.feed_range(), call.flag("x-ms-cosmos-batch-continue-on-error")
            if feed_range.range is None:
                raise bad_request("A batch that is not atomic goes to one partition key range.")
            results = batch.run_bulk(self.store, call.target, feed_range.range.number, operations, go_on=go_on)
            done = all(result.status < 400 for result in results)  # noqa: PLR2004 - where errors start
        return web.Response(
            body="[" + ",".join(result_json(result, minimal=call.minimal) for result in results) + "]",
            status=200 if done else 207,
            content_type="application/json",
        )

    def _plan(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.QUERY, call.target.id)
        features = (call.header("x-ms-cosmos-supported-query-features") or "").replace(" ", "").split(",")
        return answer_json(query.plan(call.target, parse_json(call.body), frozenset(features)))

    def _query(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.QUERY, call.target.id)
        request, feed_range, continuation = parse_json(call.body), call.feed_range(), call.header("x-ms-continuation")
        if feed_range == query.FeedRange():
            feed_range = query.route(call.target, request, crosses=call.flag(_CROSSES), continuation=continuation)
            call.range_number = feed_range.key.range_number if feed_range.key is not None else 0
        page = query.run(
            self.store, call.target, request, feed_range=feed_range, continuation=continuation, limit=call.limit
        )  # fmt: skip
        call.charge = _QUERY_UNITS + page.scanned * _READ_UNITS / 10
        return answer_page(call, page)

    def _feed(self, call: Call) -> web.Response:
        feed = (call.header("A-IM") or "").lower()
        if feed.startswith("incremental feed"):
            return self._changes(call)
        if feed:
            raise not_supported(f"the change feed '{feed}' (only the latest version of each item)")
        rights.require(call.caller, rights.READ, call.target.id)
        page = query.read_feed(
            self.store,
            call.target,
            feed_range=call.feed_range(),
            continuation=call.header("x-ms-continuation"),
            limit=call.limit,
        )
        call.charge = _QUERY_UNITS + page.scanned * _READ_UNITS / 10
        return answer_page(call, page)

    def _changes(self, call: Call) -> web.Response:
        rights.require(call.caller, rights.READ_FEED, call.target.id)
        if call.header("If-Modified-Since"):
            raise not_supported("a change feed from a point in time")
        given = (call.header("If-None-Match") or '"0"').strip('"')
        if given != "*" and not _LSN.fullmatch(given):
            raise bad_request("Invalid Continuation Token")
        since = call.target.lsn if given == "*" else int(given)
        bodies, reached = query.change_feed(
            self.store, call.target, feed_range=call.feed_range(), since=since, limit=call.limit
        )
        call.charge = _QUERY_UNITS
        headers = {"etag": f'"{reached}"'}
        if not bodies:
            return web.Response(status=304, headers=headers)
        return answer_documents(call, bodies, headers)

    # The local service's own paths

    def _admin(self, handler: Callable[[Any], web.Response]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            if request.headers.get("x-local-admin") != self._admin_key:
                return web.Response(status=403, text="x-local-admin is missing or wrong")
            body = await request.read()
            try:
                return handler(json.loads(body) if body else None)
            except (CosmosError, KeyError, TypeError, ValueError) as error:
                return web.Response(status=400, text=str(error))

        return serve

    def _provision(self, body: Any) -> web.Response:
        """`{"database", "containers": […]}` with containers as in shared/names.json."""
        for told in body["containers"]:
            paths = told["partitionKey"]
            definition = {
                "id": told["name"],
                "partitionKey": {"paths": paths, "kind": "MultiHash" if len(paths) > 1 else "Hash", "version": 2},
                "indexingPolicy": {
                    "indexingMode": "consistent",
                    "automatic": True,
                    "includedPaths": [{"path": path} for path in told["indexed"]],
                    "excludedPaths": [{"path": "/*"}],
                },
                **({"defaultTtl": told["defaultTtl"]} if "defaultTtl" in told else {}),
            }
            self.store.ensure_container(body["database"], definition)
        return web.json_response({}, status=201)

    def _add_fault(self, body: Any) -> web.Response:
        self.log.add(body)
        return web.json_response({}, status=201)

    def _clear_faults(self, _: Any) -> web.Response:
        self.log.faults.clear()
        return web.Response(status=204)

    def _stats(self, _: Any) -> web.Response:
        return web.json_response(self.log.report())

    def _reset(self, _: Any) -> web.Response:
        self.log.reset()
        return web.Response(status=204)


_ACTIONS: Final = {
    "Create": rights.CREATE,
    "Upsert": rights.UPSERT,
    "Read": rights.READ,
    "Delete": rights.DELETE,
    "Replace": rights.REPLACE,
    "Patch": rights.REPLACE,
}


def create_app(store: Store, *, authorize: Authorize, admin_key: str) -> web.Application:
    """The application over this store."""
    return CosmosServer(store, authorize=authorize, admin_key=admin_key).app()


def _operation_of(request: web.Request) -> str:
    for header, name in (
        ("x-ms-cosmos-is-query-plan-request", "plan"),
        ("x-ms-cosmos-is-batch-request", "batch"),
        ("x-ms-documentdb-isquery", "query"),
        ("x-ms-documentdb-is-upsert", "upsert"),
    ):
        if request.headers.get(header, "").lower() == "true":
            return name
    return "query" if "query+json" in request.headers.get("Content-Type", "") else "create"


async def _body_of(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None


def _refuse(call: Call) -> web.Response:
    path, method = call.request.path, call.request.method
    if path.rstrip("/").count("/") <= 4 and method in {"POST", "PUT", "DELETE"}:  # noqa: PLR2004 - above the items
        # Resources are made by the control plane; a data-plane identity cannot (service rule).
        raise CosmosError(403, f"Request for {method} {path} is blocked: it needs the control plane.", substatus=5300)
    raise not_supported(f"{method} {path}")
