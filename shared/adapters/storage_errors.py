"""What goes wrong with Azure Storage, in our words. Queue and Blob share azure-core's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import DeniedError, NotFoundError, UnavailableError


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn Azure Storage's errors into ours; `what` is the operation, without personal data."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise NotFoundError(what) from error
    except ClientAuthenticationError as error:
        raise DeniedError(what) from error
    except HttpResponseError as error:
        if error.status_code in {401, 403}:
            raise DeniedError(what) from error
        if error.status_code is None or _passing(error.status_code):
            raise UnavailableError(what, _retry_after(error)) from error
        raise
    except (ServiceRequestError, ServiceResponseError) as error:
        raise UnavailableError(what) from error
    except AzureError as error:
        # No token: the identity endpoint is away, or still learning of us.
        raise UnavailableError(what) from error


def _passing(status: int) -> bool:
    busy = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in busy


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", {})
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else None
