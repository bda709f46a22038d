"""Queues and blobs as a person opens them: signed in with Azure CLI, unless this is the local cloud."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cli import local_cloud
from cli.errors import UNREACHABLE, USAGE, CommandError
from shared.bootstrap import Services
from shared.errors import DeniedError, NotFoundError, UnavailableError
from shared.names import DEAD_LETTER_CONTAINER
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_BLOBS = "PipelineStorage__blobServiceUri"
_SETTINGS = f"{_BLOBS}, PipelineStorage__queueServiceUri and CLAWBACK_COSMOS_ENDPOINT"


class OperatorServices(Services):
    """The services of a person."""

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """The operator's credential."""
        if "IDENTITY_ENDPOINT" in os.environ:
            return super().credential
        from azure.identity.aio import AzureCliCredential

        return AzureCliCredential()


@asynccontextmanager
async def opened() -> AsyncIterator[Services]:
    """The services that the app settings in the environment name, or those of the local cloud.

    Raises:
        CommandError: neither is there, a setting is missing or wrong, or a service refuses or does not answer.
    """
    services = _services()
    try:
        yield services
    except NotFoundError as error:
        missing = f"there is no container {DEAD_LETTER_CONTAINER}, or no such queue ({error})"
        raise CommandError(f"{missing}: run `clawback doctor`") from None
    except DeniedError as error:
        raise CommandError(f"you may not: {error}") from None
    except UnavailableError as error:
        raise CommandError(f"not available now: {error}", UNREACHABLE) from None
    finally:
        await services.close()


def _services() -> Services:
    if _BLOBS not in os.environ:
        if "CLAWBACK_API_URL" in os.environ:
            # Otherwise the local dead letters would be shown as those of the deployment that is meant.
            raise CommandError(f"dead letters are read from the services themselves: set {_SETTINGS}", USAGE)
        local_cloud.read().use_settings()
    try:
        return OperatorServices(Settings())
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise CommandError(f"app settings that are missing or wrong: {wrong}", USAGE) from None
