"""Our errors: one class for each thing that a stage does about an error of a service."""

from pydantic import ValidationError


class ClawbackError(Exception):
    """The root of every error that we raise on purpose."""


class UnavailableError(ClawbackError):
    """A service is throttling, down or unreachable. The work is to be tried again later.

    Args:
        what: the service and operation, without personal data.
        retry_after: seconds that the service asked for; None if it did not.
    """

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class ConflictError(ClawbackError):
    """Somebody else changed the record first (HTTP 409 or 412). Read again and decide again."""


class NotFoundError(ClawbackError):
    """The record or blob is not there."""


class DeniedError(ClawbackError):
    """The identity lacks a right (HTTP 401 or 403): for an administrator, not for a retry."""


class UnreadableError(ClawbackError):
    """A stored record does not have the shape that this version reads.

    Args:
        record: the record's id.
        places: where it is wrong and how, without anything that stands there.
    """

    def __init__(self, record: str, places: str) -> None:
        super().__init__(f"record {record} cannot be read: {places}")
        self.record = record


def places_of(error: ValidationError) -> str:
    """Where an input is wrong and how, never the input itself: it may be personal data."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or '$'}: {one['type']}" for one in found[:5])
