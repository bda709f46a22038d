from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.adapters.storage import translate_errors
from shared.errors import DeniedError, NotFoundError, UnavailableError


def http(kind: type[HttpResponseError], status: int | None, headers: dict[str, str] | None = None) -> HttpResponseError:
    if status is None:
        return kind("no answer")
    response: Any = SimpleNamespace(status_code=status, reason="", headers=headers or {}, text=lambda: "")
    return kind("an answer", response=response)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (http(ResourceNotFoundError, 404), NotFoundError),
        (http(ClientAuthenticationError, 401), DeniedError),
        (http(HttpResponseError, 403), DeniedError),
        # The identity endpoint: it does not know our client id, is not there, is busy.
        (http(ClientAuthenticationError, 400), DeniedError),
        (http(ClientAuthenticationError, None), DeniedError),
        (http(ClientAuthenticationError, 503), UnavailableError),
        (http(HttpResponseError, 408), UnavailableError),
        (http(HttpResponseError, 429), UnavailableError),
        (http(HttpResponseError, 500), UnavailableError),
        (http(HttpResponseError, 503), UnavailableError),
        (IncompleteReadError("broke off"), UnavailableError),
        (ServiceRequestError("no connection"), UnavailableError),
        (ServiceResponseError("no answer in time"), UnavailableError),
    ],
)
def test_errors_in_our_words(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours, match="read evidence") as raised, translate_errors("read evidence"):
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [http(ResourceExistsError, 409), http(HttpResponseError, 400), KeyError("a bug")])
def test_what_waiting_cannot_mend_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_errors("read evidence"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, None), ({"Retry-After": "?"}, None)])
def test_how_long_the_service_asked_us_to_wait(header: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(UnavailableError) as raised, translate_errors("read evidence"):
        raise http(HttpResponseError, 503, header)
    assert raised.value.retry_after == seconds
