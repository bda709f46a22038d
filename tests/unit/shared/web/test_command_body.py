from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SIGN_IN
from shared.web.command_body import CommandBody, caller, parse_command
from shared.web.problems import Problem
from tests.unit.shared.web.test_sign_in import role

SIGNED_IN = "X-MS-CLIENT-PRINCIPAL-NAME"


class Named(CommandBody):
    """A command with a field of its own."""

    plan_id: str
    targets: tuple[str, ...] = ()


def refusal(body: bytes) -> dict[str, Any]:
    with pytest.raises(Problem) as raised:
        parse_command(body, Named)
    return raised.value.body


def test_a_command_says_who_and_why() -> None:
    command = parse_command(b'{"planId": "p", "by": "Ann", "reason": "seen"}', Named)

    assert (command.plan_id, command.by, command.reason) == ("p", "Ann", "seen")


def test_a_command_may_have_no_body() -> None:
    assert parse_command(b"", CommandBody) == CommandBody()


def test_what_a_person_says_is_shown_as_it_is() -> None:
    command = parse_command(b'{"by": "Ann\\u202e  B", "reason": "a\\u0000b"}', CommandBody)

    assert (command.by, command.reason) == ("Ann B", "a b")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{}", "planId"),
        (b'{"planId": 1}', "planId"),
        (b'{"planId": "p", "targets": ["a", 1]}', "targets.1"),
        (b'{"planId": "p", "by": "\\u202e"}', "by"),
        # A name that the sender made up is not repeated.
        (b'{"planId": "p", "secret": 1}', "$"),
        (b"[]", "$"),
        (b"\xff", "$"),
    ],
)
def test_a_mistake_is_told_by_its_path(body: bytes, path: str) -> None:
    problem = refusal(body)

    assert (problem["status"], problem["type"]) == (422, "urn:clawback:problem:wrong-shape")
    assert [error["path"] for error in problem["errors"]] == [path]
    assert set(problem["errors"][0]) == {"path", "kind"}


class Colour(StrEnum):
    RED = "red"
    LIGHT_BLUE = "light_blue"
    GREEN = "green"


class Chosen(CommandBody):
    """A command that takes only some words."""

    colour: Colour = Colour.RED
    size: Literal["small", "large"] = "small"


def test_a_mistake_in_a_choice_names_the_allowed_values_and_none_of_the_input() -> None:
    with pytest.raises(Problem) as raised:
        parse_command(b'{"colour": "se\'cr\'et", "size": {"secret": 1}}', Chosen)

    assert raised.value.body["errors"] == [
        {"path": "colour", "kind": "enum", "allowed": ["red", "light_blue", "green"]},
        {"path": "size", "kind": "literal_error", "allowed": ["small", "large"]},
    ]


@given(st.binary(max_size=10))
def test_no_body_is_more_than_a_problem(body: bytes) -> None:
    # No command with a plan is that short; what it is told is the same for all.
    assert refusal(body)["status"] == 422


def test_whom_the_platform_signed_in_gives_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")

    assert caller({SIGNED_IN: "ann@contoso.example", **role("Responder")}, CommandBody(by="Mallory")) == (
        "ann@contoso.example"
    )
    with pytest.raises(Problem) as raised:
        caller({}, CommandBody(by="Mallory"))
    assert raised.value.status == 401


def test_who_may_only_read_gives_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")

    with pytest.raises(Problem) as raised:
        caller({SIGNED_IN: "ann@contoso.example", **role("Reader")}, CommandBody())

    assert (raised.value.status, raised.value.body["type"]) == (403, "urn:clawback:problem:not-allowed")


@pytest.mark.parametrize("headers", [{}, {SIGNED_IN: "ann@contoso.example", **role("Administrator")}])
def test_where_sign_in_is_required_and_the_platform_has_none_nobody_gives_a_command(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN, "required")

    with pytest.raises(Problem) as raised:
        caller(headers, CommandBody(by="Ann"))

    assert (raised.value.status, raised.value.body["type"]) == (401, "urn:clawback:problem:nobody-asks")


def test_where_sign_in_is_off_that_header_is_anybodys_claim() -> None:
    assert caller({SIGNED_IN: "mallory@evil.example"}, CommandBody(by="Ann")) == "Ann"
    with pytest.raises(Problem) as raised:
        caller({SIGNED_IN: "mallory@evil.example"}, CommandBody())
    assert raised.value.status == 422
