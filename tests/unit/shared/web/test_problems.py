import json
import logging
from typing import Any

import azure.functions as func
import pytest

from shared.errors import ConflictError, DeniedError, NotFoundError, UnavailableError
from shared.web.problems import Problem, csv_response, json_response, with_problems


def a_request() -> func.HttpRequest:
    return func.HttpRequest("GET", "https://clawback.example/api/incidents", body=b"")


async def answer_to(error: BaseException) -> func.HttpResponse:
    @with_problems
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise error

    return await handler(a_request())


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.get_body())
    return body


def test_json_is_neither_cached_nor_sniffed() -> None:
    response = json_response({"a": "ü"}, 202, {"Location": "/1"})

    assert (response.status_code, response.mimetype, body_of(response)) == (202, "application/json", {"a": "ü"})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Location"] == "/1"


async def test_what_goes_well_is_left_alone() -> None:
    wanted = json_response({})

    @with_problems
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return wanted

    assert await handler(a_request()) is wanted


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (Problem(422, "wrong-shape", "No"), 422, "wrong-shape"),
        (NotFoundError("incident"), 404, "not-found"),
        (ConflictError("incident"), 409, "conflict"),
        (UnavailableError("Cosmos DB"), 503, "unavailable"),
        (DeniedError("Cosmos DB"), 503, "unavailable"),
        (RuntimeError("secret"), 500, "internal"),
    ],
)
async def test_whatever_goes_wrong_is_a_problem(error: Exception, status: int, slug: str) -> None:
    response = await answer_to(error)

    body = body_of(response)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert (body["type"], body["status"]) == (f"urn:clawback:problem:{slug}", status)
    assert body["title"]
    assert body["instance"].startswith("urn:clawback:request:")


async def test_a_problem_shows_its_detail_and_members() -> None:
    response = await answer_to(Problem(422, "wrong-shape", "No", "Look here", errors=[{"path": "$"}]))

    body = body_of(response)
    assert (body["detail"], body["errors"]) == ("Look here", [{"path": "$"}])


@pytest.mark.parametrize(("asked", "least"), [(None, 5), (0.2, 0.2), (7.5, 7.5)])
async def test_who_has_to_wait_is_told_how_long(asked: float | None, least: float) -> None:
    response = await answer_to(UnavailableError("Cosmos DB", asked))

    # Whole seconds (RFC 9110 10.2.3), and not too early.
    assert int(response.headers["Retry-After"]) >= least
    assert "Cosmos" not in response.get_body().decode()


async def test_what_is_unexpected_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "clawback.http"):
        response = await answer_to(RuntimeError("AccountKey=abc"))

    assert "AccountKey" not in response.get_body().decode()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.instance == body_of(response)["instance"]  # type: ignore[attr-defined]  # an extra field


async def test_a_missing_right_is_told_to_an_administrator_and_not_to_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "clawback"):
        response = await answer_to(DeniedError("add to alerts"))

    assert "alerts" not in response.get_body().decode()
    assert int(response.headers["Retry-After"]) >= 60
    assert json.loads(caplog.messages[0].removeprefix("denied ")) == {
        "reason": "add to alerts",
        "instance": body_of(response)["instance"],
    }


@pytest.mark.parametrize("next_page", [None, "/api/incidents/inc-1/activity.csv?after=100"])
def test_csv_is_to_be_saved_and_says_where_the_rest_is(next_page: str | None) -> None:
    response = csv_response("seq\r\n1\r\n", next_page)

    assert response.headers["Content-Disposition"] == 'attachment; filename="activity.csv"'
    assert response.get_body() == b"seq\r\n1\r\n"
    assert response.headers.get("Link") == (f'<{next_page}>; rel="next"' if next_page else None)


@pytest.mark.parametrize(
    ("error", "status"),
    [(Problem(422, "wrong-shape", "No"), 422), (NotFoundError("incident"), 404), (UnavailableError("Cosmos DB"), 503)],
)
async def test_every_problem_is_an_event_with_the_function_that_answered(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "clawback"):
        response = await answer_to(error)

    (line,) = [one for one in map(logging.LogRecord.getMessage, caplog.records) if one.startswith("problem ")]
    told = json.loads(line.removeprefix("problem "))
    assert (told["status"], told["function"]) == (status, "handler")
    assert told["instance"] == body_of(response)["instance"]


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"incident_id": "inc-9", "name": "plans"}, "No such incident or list."),
        ({"check_id": "a\x1b[2J" + "b" * 5000}, "No such health check."),
    ],
)
async def test_what_is_not_there_is_said_and_what_was_sent_is_not(params: dict[str, str], detail: str) -> None:
    @with_problems
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise NotFoundError("read an incident")

    request = func.HttpRequest("GET", "https://clawback.example/api/incidents", body=b"", route_params=params)
    assert body_of(await handler(request))["detail"] == detail
