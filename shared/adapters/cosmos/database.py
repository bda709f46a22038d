"""The database, and its errors as those of `shared.errors`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError
from pydantic import TypeAdapter, ValidationError

from shared.domain.base import Instant, Stored
from shared.domain.batch import check_batch
from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError, UnreadableError, places_of
from shared.names import COSMOS_CONTAINERS

M = TypeVar("M", bound=Stored)

_log = logging.getLogger("clawback.cosmos")

# Waiting is the queue's job: the SDK's nine tries of up to 30 s would keep a worker and its message.
_RETRIES = 1

# 449: retry with, for a write that met another one (Cosmos DB status codes).
_RETRY_WITH = 449
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.GONE,
    HTTPStatus.TOO_MANY_REQUESTS,
    _RETRY_WITH,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}

# Documents of one answer to a query. The service ends each at 4 MB, and gives 100 to who does not say how many.
_PAGE = 1000

# What the service adds to a document, and what we add to distinguish documents of one container.
_NOT_OURS = ("_rid", "_self", "_etag", "_attachments", "_ts", "type")


class Database:
    """One connection to one database for the whole process, opened when it is first used."""

    def __init__(self, endpoint: str, name: str, credential: AsyncTokenCredential) -> None:
        self._client = CosmosClient(
            endpoint,
            credential=credential,
            retry_total=_RETRIES,
            retry_throttle_total=_RETRIES,
            retry_connect=_RETRIES,
            retry_read=0,
        )
        self._database = self._client.get_database_client(name)
        self._containers: dict[str, ContainerProxy] = {}
        self._opening = asyncio.Lock()
        self._open = False

    async def container(self, key: str) -> ContainerProxy:
        """The container under its key in names.json."""
        if not self._open:
            async with self._opening:
                if not self._open:
                    with translate_errors("open Cosmos DB"):
                        await self._client.__aenter__()
                    self._open = True
        if key not in self._containers:
            self._containers[key] = self._database.get_container_client(COSMOS_CONTAINERS[key])
        return self._containers[key]

    async def close(self) -> None:
        """Give the connections back."""
        # Whether it was opened or not: half open, it has connections too.
        await self._client.close()


def document(value: Stored) -> dict[str, Any]:
    """The document that is stored for a record; `type` distinguishes the documents of one container."""
    return {**value.to_document(), "type": value.document_type}


def content(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What we wrote of a stored document."""
    return {key: value for key, value in stored.items() if key not in _NOT_OURS}


def record(model: type[M], stored: Mapping[str, Any]) -> M:
    """The record that a stored document holds.

    Raises:
        UnreadableError: it does not have the shape of `model`.
    """
    try:
        return model.model_validate(content(stored))
    except ValidationError as error:
        places = places_of(error)
    # Outside of the handler: the validation error, which prints its input, is no part of this one.
    raise UnreadableError(str(stored["id"]), places)


def readable(model: type[M], stored: Mapping[str, Any]) -> M | None:
    """The record that a stored document holds; None, with a line in the log, if this version cannot read it.

    For lists: one bad record must not hide the others.
    """
    try:
        return record(model, stored)
    except UnreadableError as error:
        _log.warning("left out of a list: %s", error)
        return None


async def write_batch(container: ContainerProxy, what: str, partition: str, operations: list[Any]) -> list[Any]:
    """Run these operations all or nothing; what the service answers to each.

    Raises:
        ValueError: more than one batch takes.
    """
    check_batch(arguments[-1] for _, arguments, *_ in operations)
    with translate_errors(what):
        return list(await container.execute_item_batch(operations, partition_key=partition))


def moment_text(moment: datetime) -> str:
    """A moment as documents hold it, to compare with in a query."""
    return TypeAdapter(Instant).dump_python(moment, mode="json")  # type: ignore[no-any-return]  # JSON has a string for it


async def create(database: "Database", key: str, stored: dict[str, Any]) -> bool:
    """Create a document; False if there is one of its id."""
    container = await database.container(key)
    try:
        with translate_errors(f"add to {key}"):
            await container.create_item(stored, no_response=True)
    except ConflictError:
        return False
    return True


async def replace(database: "Database", key: str, stored: dict[str, Any], etag: str) -> str:
    """Replace a document that has this ETag; its new ETag.

    Raises:
        ConflictError: it has changed since.
    """
    container = await database.container(key)
    with translate_errors(f"replace in {key}"):
        written = await container.replace_item(
            stored["id"], stored, etag=etag, match_condition=MatchConditions.IfNotModified
        )
    new: str = written["_etag"]
    return new


async def page(
    container: ContainerProxy, text: str, partition: str, top: int, continuation: str | None, **parameters: Any
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a query in one partition, and the continuation of the next page; None at the end.

    Raises:
        ValueError: this continuation is none of this query.
    """
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    items = container.query_items(text, parameters=given, partition_key=partition, max_item_count=top)
    pages = items.by_page(continuation)
    try:
        with translate_errors("read a page"):
            async for one in pages:
                return [item async for item in one], pages.continuation_token  # type: ignore[attr-defined]  # azure-core's pager has it
    except HttpResponseError as error:
        if continuation is not None and error.status_code == HTTPStatus.BAD_REQUEST:
            raise ValueError("no continuation of this list") from None
        raise
    return [], None


async def query(
    container: ContainerProxy, text: str, *, partition: str | None = None, page_size: int = _PAGE, **parameters: Any
) -> AsyncIterator[Any]:
    """The results of a query, in one partition or in all; parameters are never part of the text."""
    options: dict[str, Any] = {"max_item_count": page_size}
    if partition is not None:
        options["partition_key"] = partition
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    with translate_errors("query"):
        async for item in container.query_items(text, parameters=given, **options):
            yield item


def one_of(path: str, values: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A condition that `path` has one of these values, and its parameters.

    IN, unlike ARRAY_CONTAINS, is served from the index.
    """
    parameters = {f"v{number}": value for number, value in enumerate(values)}
    return f"{path} IN ({', '.join(f'@{name}' for name in parameters)})", parameters


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn azure-cosmos' errors into ours; `what` is the operation, without personal data."""
    try:
        yield
    except CosmosBatchOperationError as error:
        raise _ours(what, _first_failure(error), error) from error
    except HttpResponseError as error:
        raise _ours(what, error.status_code, error) from error
    except AzureError as error:
        # No connection, no answer in time, or no token.
        raise UnavailableError(what) from error


def _ours(what: str, status: int | None, error: HttpResponseError) -> Exception:
    if status in _PASSING:
        return UnavailableError(what, _retry_after(error))
    # ClientAuthenticationError is the identity endpoint's, which says with any status that it does not know us.
    if isinstance(error, ClientAuthenticationError) or status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return DeniedError(what)
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(what)
    if status in {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}:
        return ConflictError(what)
    # No status: the answer broke off.
    return error if status else UnavailableError(what)


def _first_failure(error: CosmosBatchOperationError) -> int:
    # The others of the batch say 424, failed dependency.
    status: int = error.operation_responses[error.error_index]["statusCode"]
    return status


def _retry_after(error: HttpResponseError) -> float | None:
    milliseconds = getattr(error, "headers", {}).get("x-ms-retry-after-ms")
    return float(milliseconds) / 1000 if milliseconds is not None else None
