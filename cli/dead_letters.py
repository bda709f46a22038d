"""Dead letters: read from, and sent to, the services themselves, with the operator's own rights."""

import argparse
import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cli import show as screen
from cli.api import LOCAL, UNREACHABLE, USAGE, CommandError
from local.cloud import read_state
from local.tls import LocalAuthority
from shared.bootstrap import Services
from shared.clock import utc_now
from shared.errors import ClawbackError, DeniedError, NotFoundError, UnavailableError
from shared.names import DEAD_LETTER_CONTAINER
from shared.pipeline.envelope import Envelope
from shared.ports.dead_letters import DeadLetter
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


_SETTINGS = "PipelineStorage__blobServiceUri, PipelineStorage__queueServiceUri and CLAWBACK_COSMOS_ENDPOINT"


class OperatorServices(Services):
    """The services of a person: signed in with Azure CLI, unless this is the local cloud."""

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """The operator's credential."""
        if "IDENTITY_ENDPOINT" in os.environ:
            return super().credential
        from azure.identity.aio import AzureCliCredential  # noqa: PLC0415 - not needed for the local cloud

        return AzureCliCredential()


@asynccontextmanager
async def _services() -> AsyncIterator[Services]:
    if "PipelineStorage__blobServiceUri" not in os.environ:
        if "CLAWBACK_API_URL" in os.environ:
            # The local one would be taken for the one that is meant.
            raise CommandError(f"dead letters are asked of the services themselves: set {_SETTINGS}", USAGE)
        try:
            os.environ.update(read_state(LOCAL).environments["pipeline"])
            LocalAuthority(LOCAL).trust_in_this_process()
        except OSError:
            raise CommandError(
                "Which Clawback? Set its app settings, or run `clawback local up` first", USAGE
            ) from None
    try:
        services = OperatorServices(Settings())
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors())
        raise CommandError(f"app settings that are missing or wrong: {wrong}", USAGE) from None
    try:
        yield services
    except NotFoundError as error:
        missing = f"there is no container {DEAD_LETTER_CONTAINER}, or no such queue ({error})"
        raise CommandError(f"{missing}: `clawback doctor` tells") from None
    except DeniedError as error:
        raise CommandError(f"you may not: {error}") from None
    except UnavailableError as error:
        raise CommandError(f"not available now: {error}", UNREACHABLE) from None
    finally:
        await services.close()


def list_all(given: argparse.Namespace) -> int:
    """`clawback dead-letter list`."""
    found = sorted(asyncio.run(_all()), key=lambda message: message.dead_lettered_at)
    if given.json:
        print(json.dumps([message.to_document() for message in found], indent=2))
        return 0
    columns = ("message", "stage", "dead-lettered", "reason", "detail", "replayed")
    rows = [(m.id, m.stage, m.dead_lettered_at, m.reason, m.detail, m.replayed_at) for m in found]
    screen.console().print(screen.table(columns, rows))
    return 0


def replay(given: argparse.Namespace) -> int:
    """`clawback dead-letter replay`."""
    asyncio.run(_replay(given.message))
    print(json.dumps({"replayed": given.message}) if given.json else f"{given.message} is on its queue again")
    return 0


async def _all() -> list[DeadLetter]:
    async with _services() as services:
        return [message async for message in services.dead_letters.all()]


async def _replay(message_id: str) -> None:
    async with _services() as services:
        message = next((m for m in [m async for m in services.dead_letters.all()] if m.id == message_id), None)
        if message is None:
            raise CommandError(f"nothing is dead-lettered under {message_id}")
        try:
            envelope = Envelope.model_validate_json(base64.b64decode(message.body))
        except ValidationError:
            raise CommandError("it is no message of ours; nobody could handle it") from None
        # Its patience begins anew: what it waited for is mended.
        fresh = envelope.model_copy(update={"sent_at": utc_now(), "attempt": 0})
        try:
            await services.queue.send_copy(fresh, delay=timedelta(0))
        except ValueError:
            raise CommandError("it is larger than any message of ours; nobody could handle it") from None
        try:
            await services.dead_letters.replace(message.model_copy(update={"replayed_at": utc_now()}))
        except ClawbackError as error:
            raise CommandError(
                f"{message_id} is on its queue again, but could not be marked as such: {error}"
            ) from None
