"""One request that was understood, and the answers that it can get."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from local.emulators.cosmosdb import batch, query
from local.emulators.cosmosdb.errors import CosmosError, bad_request, not_found, range_gone, too_large
from local.emulators.cosmosdb.items import Conditions
from local.emulators.cosmosdb.partition import RANGES, range_of
from local.emulators.cosmosdb.values import dumps, parse_json

if TYPE_CHECKING:
    from local.emulators.cosmosdb.container import Container
    from local.emulators.cosmosdb.partition import PartitionKey, PartitionKeyRange
    from local.emulators.cosmosdb.store import Item
    from local.emulators.identity.tokens import Caller


# "Maximum size of an item: 2 MB", "maximum request size 2 MB" of a batch (service quotas). What counts is the body as
# it was sent: azure-cosmos escapes what is not ASCII, and an emoji takes twelve bytes.
MAX_BODY_BYTES: Final = 2 * 1024 * 1024

_MINIMAL: Final = re.compile(r"(^|[,;\s])return=minimal($|[,;\s])", re.IGNORECASE)


@dataclass(slots=True)
class Call:
    """One request that was understood: who asks for what in which container.

    `range_number` is the partition key range that answered, as far as there is one.
    """

    request: web.Request
    caller: Caller
    body: bytes
    container: Container | None = None
    charge: float = 0.0
    range_number: int = 0

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
        """Whether a request header says true."""
        return (self.header(name) or "").lower() == "true"

    def document(self) -> Any:
        """The body of a write as JSON; CosmosError 413 beyond 2 MB as sent, 400 if it is no JSON."""
        if len(self.body) > MAX_BODY_BYTES:
            raise too_large()
        return parse_json(self.body)

    @property
    def item(self) -> str:
        """The id in the address; CosmosError 404 for one that no item can have."""
        name = self.request.match_info["item"]
        if not is_text(name):
            raise not_found()
        return name

    @property
    def minimal(self) -> bool:
        """Whether the client wants no body in answer to a write."""
        return _MINIMAL.search(self.header("Prefer") or "") is not None

    @property
    def conditions(self) -> Conditions:
        """If-Match and If-None-Match."""
        return Conditions(self.header("If-Match"), self.header("If-None-Match"))

    def key(self) -> PartitionKey:
        """The partition that the request names; CosmosError 400 if it names none."""
        text = self.header("x-ms-documentdb-partitionkey")
        if text is None:
            raise bad_request("PartitionKey value must be supplied for this operation.")
        key = self.target.key.from_header(text)
        self.range_number = key.range_number
        return key

    def feed_range(self) -> query.FeedRange:
        """The part of the container that a query or a feed names: a partition, a range, part of a range, or all of it.

        Raises:
            CosmosError: 410 for a range that is not there.
        """
        text = self.header("x-ms-documentdb-partitionkey")
        if text is not None and text != "[]":
            prefix = self.target.key.prefix_from_header(text)
            if prefix is None:
                return query.FeedRange(key=self.key())
            found = range_of(prefix)
            self.range_number = found.number
            return query.FeedRange(range=found, hashes=(prefix, prefix + "FF"))
        start, end = self.header("x-ms-start-epk"), self.header("x-ms-end-epk")
        return query.FeedRange(range=self._range(), hashes=None if start is None or end is None else (start, end))

    def _range(self) -> PartitionKeyRange | None:
        # Some clients put the container's _rid before it.
        name = (self.header("x-ms-documentdb-partitionkeyrangeid") or "").rpartition(",")[2]
        if not name:
            return None
        found = next((one for one in RANGES if str(one.number) == name), None)
        if found is None:
            raise range_gone(name)
        self.range_number = found.number
        return found

    @property
    def limit(self) -> int:
        """How many results the client takes; -1 leaves it to the server."""
        text = self.header("x-ms-max-item-count") or "-1"
        try:
            return int(text)
        except ValueError:
            raise bad_request(f"x-ms-max-item-count is no number: {text!r}") from None


def is_text(value: str) -> bool:
    """Whether it can be written in UTF-8: an address may hold bytes that are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def answer_json(body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """A resource."""
    return web.Response(body=dumps(body).encode(), content_type="application/json", headers=headers)


def answer_error(error: CosmosError, activity: str) -> web.Response:
    """A refusal, as the SDK reads it."""
    headers = {"x-ms-substatus": str(error.substatus)}
    if error.retry_after_ms is not None:
        headers["x-ms-retry-after-ms"] = str(error.retry_after_ms)
    body = b"" if error.status == 304 else error.body(activity)  # noqa: PLR2004 - not modified has no body
    return web.Response(body=body, status=error.status, content_type="application/json", headers=headers)


def answer_item(call: Call, item: Item, status: int, units: float) -> web.Response:
    """An item that was read or written; the charge grows with its size in KB."""
    call.charge = units * (1 + len(item.body) // 1024)
    headers = {"etag": item.etag}
    if call.minimal and call.request.method != "GET":
        return web.Response(status=status, headers=headers)
    return web.Response(body=item.body.encode(), status=status, content_type="application/json", headers=headers)


def result_json(result: batch.Result, *, minimal: bool) -> str:
    """One result of a batch; with `minimal` without the item, if it was written."""
    parts = [f'"statusCode":{result.status}', '"requestCharge":1']
    if result.substatus:
        parts.append(f'"subStatusCode":{result.substatus}')
    if result.etag:
        parts.append(f'"eTag":{json.dumps(result.etag)}')
    if result.body and not (minimal and result.written):
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
