"""Graph's errors: what each is answered with. Codes and statuses from reference/graph.md 5.3."""

from typing import NoReturn


class GraphError(Exception):
    """An answer that is an error.

    Args:
        status: the HTTP status.
        code: `error.code`; clients decide on it.
        message: `error.message`, for people.
        retry_after: seconds of the Retry-After header, if there is one.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class DroppedConnectionError(Exception):
    """An injected fault: the connection closes without an answer."""


def unsupported(what: str) -> NoReturn:
    """Refuse something that Graph may know and we do not: loudly, and naming it."""
    raise GraphError(501, "LocalGraphNotSupported", f"The local Graph does not support {what}.")


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    """Something that Graph itself refuses."""
    return GraphError(400, code, message)


def item_not_found() -> GraphError:
    """No such message or folder in this mailbox."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def resource_not_found(key: str) -> GraphError:
    """No such object in the directory."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.",
    )


def no_such_property(name: str, kind: str) -> GraphError:
    """A property that the type does not have."""
    return bad_request(
        f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
        f"'microsoft.graph.{kind}'."
    )
