"""A credential that is good for ever."""

from typing import Any, Self

from azure.core.credentials import AccessToken


class FakeCredential:
    """`AsyncTokenCredential`."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("token", 4_000_000_000)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass
