"""The database, and its errors in our words."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError

from shared.domain.base import Frozen
from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError
from shared.names import COSMOS_CONTAINERS

M = TypeVar("M", bound=Frozen)

# The service's own: a transactional batch.
MAX_BATCH = 100

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

# What the service adds to a document, and what we add to tell documents of one container apart.
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


def document(model: Frozen, kind: str) -> dict[str, Any]:
    """The document that is stored for a record; `kind` tells the documents of one container apart."""
    return {**model.to_document(), "type": kind}


def record(model: type[M], stored: Mapping[str, Any]) -> M:
    """The record that a stored document holds."""
    return model.model_validate({key: value for key, value in stored.items() if key not in _NOT_OURS})


async def query(
    container: ContainerProxy, text: str, *, partition: str | None = None, **parameters: Any
) -> AsyncIterator[Any]:
    """The results of a query, in one partition or in all; parameters are never part of the text."""
    options: dict[str, Any] = {} if partition is None else {"partition_key": partition}
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    with translate_errors("query"):
        async for item in container.query_items(text, parameters=given, **options):
            yield item


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
