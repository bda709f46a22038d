from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.identity.tokens import LIFETIME, Caller, TokenError, issue, verify

KEY = "k" * 64
TENANT = "11111111-1111-4111-8111-111111111111"
GRAPH = "https://graph.microsoft.com"
CALLER = Caller("app", "object", GRAPH, ("Mail.ReadWrite", "User.Read.All"), "pipeline")


def test_the_caller_of_a_token_is_the_one_it_was_issued_to() -> None:
    assert verify(issue(CALLER, KEY, TENANT), KEY, GRAPH) == CALLER


def test_a_token_for_one_of_several_audiences_is_accepted() -> None:
    assert verify(issue(CALLER, KEY, TENANT), KEY, ["https://cosmos.azure.com", GRAPH]) == CALLER


def test_a_token_has_the_claims_that_azurite_checks() -> None:
    claims = jwt.decode(issue(CALLER, KEY, TENANT), options={"verify_signature": False})
    assert claims["iss"] == f"https://sts.windows.net/{TENANT}/"
    assert {"aud", "nbf", "exp", "iat"} <= claims.keys()


@pytest.mark.parametrize(
    ("key", "audience", "age"),
    [
        ("x" * 64, GRAPH, timedelta()),
        (KEY, "https://storage.azure.com", timedelta()),
        (KEY, GRAPH, LIFETIME + timedelta(seconds=5)),
        (KEY, GRAPH, timedelta(minutes=-10)),
    ],
    ids=["another key", "another audience", "expired", "not yet"],
)
def test_a_token_that_is_not_valid_is_refused(key: str, audience: str, age: timedelta) -> None:
    token = issue(CALLER, KEY, TENANT, now=datetime.now(UTC) - age)
    with pytest.raises(TokenError):
        verify(token, key, audience)


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(issue(CALLER, KEY, TENANT), options={"verify_signature": False})
    with pytest.raises(TokenError):
        verify(jwt.encode(claims, "", algorithm="none"), KEY, GRAPH)


@given(st.text())
def test_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        verify(token, KEY, GRAPH)
