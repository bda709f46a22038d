"""`clawback dead-letter list|replay`: the services themselves are asked, with the operator's own rights."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.options import AsJson

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.ports.dead_letters import DeadLetter

dead_letter = typer.Typer(help="Messages that could not be processed.")


@dead_letter.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List all dead letters, the oldest first."""
    from cli import json_output, show

    found = sorted(asyncio.run(_all()), key=lambda message: message.dead_lettered_at)
    if as_json:
        json_output.print_json([message.to_document() for message in found])
        return
    columns = ("message", "stage", "dead-lettered", "reason", "detail", "replayed")
    rows = [(m.id, m.stage, m.dead_lettered_at, m.reason, m.detail, m.replayed_at) for m in found]
    show.console().print(show.table(columns, rows))


@dead_letter.command()
def replay(
    message: Annotated[str, typer.Argument(help="Id of the message, as `clawback dead-letter list` prints it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Send a dead letter to its stage again."""
    from cli import json_output
    from cli.text import safe

    asyncio.run(_replay(message))
    if as_json:
        json_output.print_json({"replayed": message})
    else:
        print(f"{safe(message)} is on its queue again")


async def _all() -> "list[DeadLetter]":
    from cli.operator_services import opened

    async with opened() as services:
        return [message async for message in services.dead_letters.all()]


async def _replay(message_id: str) -> None:
    from cli.operator_services import opened

    async with opened() as services:
        await _send_again(await _find(services, message_id), services)


async def _find(services: "Services", message_id: str) -> "DeadLetter":
    found = [message async for message in services.dead_letters.all() if message.id == message_id]
    if not found:
        raise CommandError(f"no dead letter has the id {message_id}")
    return found[0]


async def _send_again(message: "DeadLetter", services: "Services") -> None:
    """Put the message on its queue, then mark it as replayed: after a crash in between it is replayed twice, not lost.

    Raises:
        CommandError: it is not a message that Clawback sends, or it could not be marked.
    """
    import base64
    from datetime import timedelta

    from pydantic import ValidationError

    from shared.clock import utc_now
    from shared.errors import ClawbackError
    from shared.pipeline.envelope import Envelope

    try:
        envelope = Envelope.model_validate_json(base64.b64decode(message.body))
    except (ValidationError, ValueError):
        raise CommandError("it is not a message of Clawback's: no stage could handle it") from None
    # Its maximum age begins anew: what it waited for works again.
    fresh = envelope.model_copy(update={"sent_at": utc_now(), "attempt": 0})
    try:
        await services.queue.send_copy(fresh, delay=timedelta(0))
    except ValueError:
        raise CommandError("it is larger than a message of Clawback's can be: no stage could handle it") from None
    try:
        await services.dead_letters.replace(message.model_copy(update={"replayed_at": utc_now()}))
    except ClawbackError as error:
        raise CommandError(
            f"{message.id} is on its queue again, but could not be marked as replayed: {error}"
        ) from None
