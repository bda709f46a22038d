"""What Queue and Blob Storage share: how long the SDK may try, and its errors as those of `shared.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from shared.errors import DeniedError, NotFoundError, UnavailableError

# Waiting is the queue's job: the SDK's own three tries take a minute, and keep a worker or a webhook's caller.
RETRIES: dict[str, Any] = {"retry_total": 2, "initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn Azure Storage's errors into ours; `what` is the operation, without personal data."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise NotFoundError(what) from error
    except HttpResponseError as error:
        if error.status_code is not None and _passing(error.status_code):
            raise UnavailableError(what, _retry_after(error)) from error
        # ClientAuthenticationError may be the identity endpoint's, which says so with any status, or none.
        if isinstance(error, ClientAuthenticationError) or error.status_code == HTTPStatus.FORBIDDEN:
            raise DeniedError(what) from error
        if error.status_code is None:
            raise UnavailableError(what) from error
        raise
    except AzureError as error:
        # No connection, or no answer in time.
        raise UnavailableError(what) from error


def _passing(status: int) -> bool:
    busy = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in busy


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", {})
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else None
