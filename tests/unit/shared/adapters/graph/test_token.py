import base64
import json
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from shared.adapters.graph.token import CredentialRoles
from shared.errors import DeniedError, UnavailableError
from tests.fakes.credential import FakeCredential


class Credential(FakeCredential):
    """Gives this token, or fails so."""

    def __init__(self, token: str | Exception) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://graph.microsoft.com/.default",)
        if isinstance(self._token, Exception):
            raise self._token
        return AccessToken(self._token, 0)


def a_token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


@pytest.mark.parametrize("padding", ["", "x", "xx", "xxx"])
async def test_the_roles_of_the_token_are_told_in_order(padding: str) -> None:
    token = a_token({"roles": ["User.Read.All", "Mail.ReadWrite"], "padding": padding})
    assert await CredentialRoles(Credential(token)).roles() == ("Mail.ReadWrite", "User.Read.All")


async def test_a_token_without_roles_has_none() -> None:
    assert await CredentialRoles(Credential(a_token({}))).roles() == ()


@pytest.mark.parametrize("token", ["", "opaque", "e30.!!!.x", a_token([]), a_token({"roles": 1})])
async def test_what_is_no_token_of_ours_is_not_guessed_at(token: str) -> None:
    with pytest.raises(UnavailableError):
        await CredentialRoles(Credential(token)).roles()


@pytest.mark.parametrize(
    ("error", "ours"),
    [(ClientAuthenticationError("who?"), DeniedError), (ServiceRequestError("no connection"), UnavailableError)],
)
async def test_no_token_is_told_as_what_it_is(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours):
        await CredentialRoles(Credential(error)).roles()
