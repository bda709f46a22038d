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
    """Refuse, with its name, what Graph may serve and this emulator does not: 501."""
    raise GraphError(501, "LocalGraphNotSupported", f"The local Graph does not support {what}.")


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    """What Graph itself refuses."""
    return GraphError(400, code, message)


def invalid_filter(message: str = "The query filter contains one or more invalid nodes.") -> GraphError:
    """What Exchange refuses in a filter, although it is valid OData."""
    return bad_request(message, "ErrorInvalidUrlQueryFilter")


def unsupported_query(message: str) -> GraphError:
    """What the directory refuses in a query, although it is valid OData."""
    return bad_request(message, "Request_UnsupportedQuery")


def malformed_id() -> GraphError:
    """A text that is no id of a message or folder at all."""
    return bad_request("Id is malformed.", "ErrorInvalidIdMalformed")


def malformed_object_id(key: str) -> GraphError:
    """A text that is no id of a directory object at all."""
    return bad_request(f"Invalid object identifier '{key}'.", "Request_BadRequest")


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
    """A property that the type does not have. A primitive type (`Edm.String`) has none at all."""
    full = kind if kind.startswith("Edm.") else f"microsoft.graph.{kind}"
    return bad_request(f"Could not find a property named '{name}' on type '{full}'.")
