"""The service's errors: status, substatus and the JSON body that its clients parse."""

from __future__ import annotations

import json
from typing import Any, Final

CODES: Final = {
    304: "NotModified",
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "TooManyRequests",
    449: "RetryWith",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

# Substatus codes, from azure.cosmos.http_constants.SubStatusCodes and Microsoft's "troubleshoot forbidden" page.
PARTITION_KEY_MISMATCH: Final = 1001
PARTITION_KEY_RANGE_GONE: Final = 1002
OWNER_NOT_FOUND: Final = 1003
CROSS_PARTITION_QUERY_NOT_SERVABLE: Final = 1004
RATE_TOO_LARGE: Final = 3200
AAD_NOT_AUTHORIZED: Final = 5300
RBAC_DATA_DENIED: Final = 5302


class CosmosError(Exception):
    """An answer that is not a success.

    `retry_after_ms` becomes `x-ms-retry-after-ms`; the client sleeps that long before it tries again.
    """

    def __init__(self, status: int, message: str, *, substatus: int = 0, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.substatus = substatus
        self.retry_after_ms = retry_after_ms

    def body(self, activity_id: str) -> bytes:
        """The JSON body as the gateway sends it: a code, and the backend's own JSON quoted inside the message."""
        inner = json.dumps({"Errors": [self.message]})
        message = f"Message: {inner}\r\nActivityId: {activity_id}, local/emulators/cosmosdb"
        return json.dumps({"code": CODES.get(self.status, "Unknown"), "message": message}).encode()


class NotServableError(CosmosError):
    """A query over several partition key ranges, whose answers the client has to merge: with its plan."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(
            400,
            "The provided cross partition query can not be directly served by the gateway. This is a first chance "
            "(internal) exception that all newer clients will know how to handle gracefully.",
            substatus=CROSS_PARTITION_QUERY_NOT_SERVABLE,
        )
        self.plan = plan

    def body(self, activity_id: str) -> bytes:
        """With the plan beside the message: @azure/cosmos looks for it."""
        told = json.loads(super().body(activity_id))
        return json.dumps({**told, "additionalErrorInfo": json.dumps(self.plan)}).encode()


class SqlError(CosmosError):
    """A query that cannot be run. `position` counts characters from the start of the query text."""

    def __init__(self, message: str, *, position: int = 0, length: int = 1, code: str = "SC1001") -> None:
        super().__init__(400, message)
        self.position = position
        self.length = length
        self.code = code

    def body(self, activity_id: str) -> bytes:
        """Query errors carry severity, location and an SC code, one per error."""
        error = {
            "severity": "Error",
            "location": {"start": self.position, "end": self.position + self.length},
            "code": self.code,
            "message": self.message,
        }
        message = f"Message: {json.dumps({'errors': [error]})}\r\nActivityId: {activity_id}, local/emulators/cosmosdb"
        return json.dumps({"code": "BadRequest", "message": message}).encode()


def bad_request(message: str, substatus: int = 0) -> CosmosError:
    """The request itself is wrong."""
    return CosmosError(400, message, substatus=substatus)


def not_supported(what: str) -> CosmosError:
    """Real, but not built here: 400, because azure-cosmos retries every status from 500 upwards."""
    return CosmosError(400, f"The local Cosmos DB does not support {what}.")


def not_found() -> CosmosError:
    """There is no such item."""
    return CosmosError(404, "Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found")


def owner_not_found(what: str) -> CosmosError:
    """There is no such database or container."""
    return CosmosError(404, f"Owner resource does not exist: {what}", substatus=OWNER_NOT_FOUND)


def conflict() -> CosmosError:
    """There is such an item already."""
    return CosmosError(409, "Resource with specified id or name already exists.")


def precondition_failed() -> CosmosError:
    """The ETag is not the one that was asked for, or the condition of a patch does not hold."""
    return CosmosError(412, "Operation cannot be performed because one of the specified precondition is not met")


def too_large() -> CosmosError:
    """A document, as sent or as stored, or a batch, as sent, is larger than 2 MB."""
    return CosmosError(413, "Request size is too large")


def range_gone(name: str) -> CosmosError:
    """There is no such partition key range. Clients read the ranges again and send the request to the new ones."""
    return CosmosError(
        410,
        f"The requested resource is no longer available at the server: partition key range {name[:32]!r}.",
        substatus=PARTITION_KEY_RANGE_GONE,
    )


def partition_key_mismatch() -> CosmosError:
    """The item lies in another partition than the request says."""
    return CosmosError(
        400,
        "PartitionKey extracted from document doesn't match the one specified in the header. "
        "Learn more: https://aka.ms/CosmosDB/sql/errors/wrong-pk-value",
        substatus=PARTITION_KEY_MISMATCH,
    )
