"""One request that was understood, and the answers that it can get."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.emulators.cosmosdb import batch, query
from local.emulators.cosmosdb.errors import CosmosError, bad_request, not_found
from local.emulators.cosmosdb.items import Conditions
from local.emulators.cosmosdb.values import dumps

if TYPE_CHECKING:
    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey
    from local.emulators.cosmosdb.store import Item
    from local.emulators.identity.tokens import Caller


@dataclass(slots=True)
class Call:
    """One request that was understood: who asks for what in which container."""

    request: web.Request
    caller: Caller
    body: bytes
    container: Container | None = None
    charge: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Container:
        """The container; every operation below one has it."""
        if self.container is None:
            raise not_found()
        return self.container

    def header(self, name: str) -> str | None:
        """A request header."""
        value: str | None = self.request.headers.get(name)
        return value

    def flag(self, name: str) -> bool:
        """A request header that says True."""
        return (self.header(name) or "").lower() == "true"

    @property
    def conditions(self) -> Conditions:
        """If-Match and If-None-Match."""
        return Conditions(self.header("If-Match"), self.header("If-None-Match"))

    def key(self) -> PartitionKey:
        """The partition that the request names; CosmosError 400 if it names none."""
        text = self.header("x-ms-documentdb-partitionkey")
        if text is None:
            raise bad_request("PartitionKey value must be supplied for this operation.")
        return self.target.key.from_header(text)

    def reach(self) -> query.Reach:
        """The part of the container that a query or a feed names: a partition, a range of hashes, or all of it."""
        text = self.header("x-ms-documentdb-partitionkey")
        if text not in (None, "[]"):
            return query.Reach(key=self.target.key.from_header(text or ""))
        start, end = self.header("x-ms-start-epk"), self.header("x-ms-end-epk")
        return query.Reach() if start is None or end is None else query.Reach(hashes=(start, end))

    @property
    def limit(self) -> int:
        """How many results the client takes; -1 leaves it to the server."""
        text = self.header("x-ms-max-item-count") or "-1"
        try:
            return int(text)
        except ValueError:
            raise bad_request(f"x-ms-max-item-count is no number: {text!r}") from None


def answer_json(body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """A resource."""
    return web.Response(body=dumps(body).encode(), content_type="application/json", headers=headers)


def answer_error(error: CosmosError, activity: str) -> web.Response:
    """A refusal, as the SDK reads it."""
    headers = {"x-ms-substatus": str(error.substatus)} if error.substatus else {}
    if error.retry_after_ms is not None:
        headers["x-ms-retry-after-ms"] = str(error.retry_after_ms)
    body = b"" if error.status == 304 else error.body(activity)  # noqa: PLR2004 - not modified has no body
    return web.Response(body=body, status=error.status, content_type="application/json", headers=headers)


def answer_item(call: Call, item: Item, status: int, units: float) -> web.Response:
    """An item that was read or written; the charge grows with its size in KB."""
    call.charge = units * (1 + len(item.body) // 1024)
    headers = {"etag": item.etag}
    if call.header("Prefer") == "return=minimal" and status != 200:  # noqa: PLR2004 - what was written is known
        return web.Response(status=status, headers=headers)
    return web.Response(body=item.body.encode(), status=status, content_type="application/json", headers=headers)


def result_json(result: batch.Result) -> str:
    """One result of a batch."""
    parts = [f'"statusCode":{result.status}', '"requestCharge":1']
    if result.substatus:
        parts.append(f'"subStatusCode":{result.substatus}')
    if result.etag:
        parts.append(f'"eTag":{json.dumps(result.etag)}')
    if result.body:
        parts.append(f'"resourceBody":{result.body}')
    return "{" + ",".join(parts) + "}"


def answer_page(call: Call, page: query.Page) -> web.Response:
    """A page of a query or a feed."""
    headers = {} if page.continuation is None else {"x-ms-continuation": page.continuation}
    return answer_documents(call, page.documents, headers)


def answer_documents(call: Call, documents: list[str], headers: dict[str, str]) -> web.Response:
    """Documents that are JSON texts already."""
    body = f'{{"_rid":"{call.target.rid}","Documents":[{",".join(documents)}],"_count":{len(documents)}}}'
    headers["x-ms-item-count"] = str(len(documents))
    return web.Response(body=body.encode(), content_type="application/json", headers=headers)
