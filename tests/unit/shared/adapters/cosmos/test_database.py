import asyncio
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, IncompleteReadError, ServiceRequestError
from azure.cosmos.exceptions import (
    CosmosBatchOperationError,
    CosmosClientTimeoutError,
    CosmosHttpResponseError,
    CosmosResourceNotFoundError,
)

from shared.adapters.cosmos.database import Database, document, readable, record, translate_errors
from shared.domain.activity import Head
from shared.domain.ids import IncidentId
from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError, UnreadableError
from tests.fakes.credential import FakeCredential


def _made(kind: Any, **given: Any) -> Any:
    # azure-cosmos leaves its exceptions untyped.
    return kind(**given)


def http(status: int, headers: dict[str, str] | None = None) -> CosmosHttpResponseError:
    response: Any = SimpleNamespace(status_code=status, reason="", headers=headers or {}, text=lambda: "")
    error: CosmosHttpResponseError = _made(CosmosHttpResponseError, status_code=status, response=response)
    return error


def batch(status: int) -> CosmosBatchOperationError:
    responses = [{"statusCode": 424}, {"statusCode": status}, {"statusCode": 424}]
    error: CosmosBatchOperationError = _made(
        CosmosBatchOperationError, error_index=1, headers={}, status_code=status, operation_responses=responses
    )
    return error


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (http(401), DeniedError),
        (http(403), DeniedError),
        (_made(CosmosResourceNotFoundError, status_code=404), NotFoundError),
        (http(408), UnavailableError),
        (http(409), ConflictError),
        (http(410), UnavailableError),
        (http(412), ConflictError),
        (http(429), UnavailableError),
        (http(449), UnavailableError),
        (http(500), UnavailableError),
        (http(503), UnavailableError),
        (batch(404), NotFoundError),
        (batch(409), ConflictError),
        (batch(412), ConflictError),
        (batch(429), UnavailableError),
        (batch(449), UnavailableError),
        # The identity endpoint does not know our client id, or is not there.
        (ClientAuthenticationError("400"), DeniedError),
        (IncompleteReadError("broke off"), UnavailableError),
        (ServiceRequestError("no connection"), UnavailableError),
        (_made(CosmosClientTimeoutError), UnavailableError),
    ],
)
def test_errors_in_our_words(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours, match="commit a chunk") as raised, translate_errors("commit a chunk"):
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [http(400), http(413), batch(413), KeyError("a bug")])
def test_what_waiting_cannot_mend_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_errors("commit a chunk"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"x-ms-retry-after-ms": "1500"}, 1.5), ({"x-ms-retry-after-ms": "0"}, 0.0), ({}, None)]
)
def test_how_long_the_service_asked_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(UnavailableError) as raised, translate_errors("query"):
        raise http(429, headers)
    assert raised.value.retry_after == seconds


def test_what_the_service_adds_to_a_document_is_not_in_the_record() -> None:
    head = Head(incident_id=IncidentId("inc-1"), seq=3)

    stored = document(head)
    assert stored["type"] == "head"

    added = {"_rid": "r", "_self": "s", "_etag": "e", "_attachments": "a", "_ts": 1}
    assert record(Head, {**stored, **added}) == head


SECRET = "ann@contoso.example"
BAD: dict[str, Any] = {"id": "head", "incidentId": 7, "seq": SECRET, "hash": {"subject": SECRET}, "_etag": "e"}


def test_an_unreadable_document_is_named_by_its_id_without_its_content() -> None:
    with pytest.raises(UnreadableError, match="record head cannot be read: incidentId: string_type; seq: int") as error:
        record(Head, BAD)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_list_goes_on_after_an_unreadable_document(caplog: pytest.LogCaptureFixture) -> None:
    assert readable(Head, BAD) is None
    assert "record head cannot be read" in caplog.text
    assert SECRET not in caplog.text
    assert readable(Head, {"id": "head", "incidentId": "inc-1"}) == Head(incident_id=IncidentId("inc-1"))


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> tuple[Database, list[str]]:
    made = Database("https://127.0.0.1:1", "clawback", FakeCredential())
    opened: list[str] = []

    async def enter() -> None:
        opened.append("opening")
        await asyncio.sleep(0)

    client = SimpleNamespace(__aenter__=enter, close=enter)
    monkeypatch.setattr(made, "_client", client)
    return made, opened


async def test_many_at_once_open_one_connection(database: tuple[Database, list[str]]) -> None:
    port, opened = database

    containers = await asyncio.gather(*(port.container("targets") for _ in range(10)))

    assert opened == ["opening"]
    assert len({id(container) for container in containers}) == 1


async def test_a_connection_that_could_not_be_opened_is_tried_again(
    database: tuple[Database, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, opened = database
    working = port._client.__aenter__

    async def broken() -> None:
        raise ServiceRequestError("no connection")

    monkeypatch.setattr(port._client, "__aenter__", broken)
    with pytest.raises(UnavailableError):
        await port.container("targets")
    monkeypatch.setattr(port._client, "__aenter__", working)

    await port.container("targets")

    assert opened == ["opening"]


async def test_what_was_never_opened_can_be_closed() -> None:
    await Database("https://127.0.0.1:1", "clawback", FakeCredential()).close()
