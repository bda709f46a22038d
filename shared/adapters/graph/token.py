"""What the identity was granted, read from the token that is sent to Graph."""

import base64
import binascii
import json
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ClientAuthenticationError

from shared.adapters.graph.pipeline import SCOPE
from shared.errors import DeniedError, UnavailableError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


class CredentialRoles:
    """`GraphToken` by the credential that the adapters use. It is not closed by us."""

    def __init__(self, credential: "AsyncTokenCredential") -> None:
        self._credential = credential

    async def roles(self) -> tuple[str, ...]:
        """See `GraphToken.roles`."""
        try:
            token = await self._credential.get_token(SCOPE)
        except ClientAuthenticationError as error:
            raise DeniedError("Graph: no token") from error
        except AzureError as error:
            raise UnavailableError("Graph: no token") from error
        return _roles(token.token)


def _roles(token: str) -> tuple[str, ...]:
    # The signature is not checked: the token is our own, and Graph checks it.
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return tuple(sorted(map(str, claims.get("roles", ()))))
    except (IndexError, binascii.Error, ValueError, AttributeError, TypeError) as error:
        raise UnavailableError("Graph: a token that cannot be read") from error
