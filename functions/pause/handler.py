"""Pause, resume, and what was said last."""

from collections.abc import Mapping
from typing import Any

from functions.pause.models import PauseBody, PauseDeps
from shared.domain.ids import fresh
from shared.domain.tenant import Pause
from shared.errors import ClawbackError
from shared.names import WEB_SENDS_TO
from shared.pipeline.payloads import ChangePause
from shared.web.command_body import caller, parse_command
from shared.web.sign_in import AppRole, require


async def show(deps: PauseDeps) -> dict[str, Any]:
    """Whether pulling is paused, and who paused and resumed it and why, the newest first."""
    pause = await deps.tenant.read(Pause)
    return {"paused": pause.paused, "changes": [change.to_document() for change in reversed(pause.changes)]}


async def change(headers: Mapping[str, str], body: bytes, deps: PauseDeps, *, paused: bool) -> dict[str, str]:
    """Ask for all pulling to be paused or resumed.

    Raises:
        Problem: wrong-shape, nobody-asks, not-allowed.
        UnavailableError, DeniedError: no queue took it.
    """
    require(headers, AppRole.ADMINISTRATOR)
    asked = parse_command(body, PauseBody)
    by, command_id, at = caller(headers, asked), fresh("cmd"), deps.now()
    failed: list[ClawbackError] = []
    # On every queue that web may send to: the first stage that comes to it does it. One of them is enough.
    for stage in WEB_SENDS_TO:
        message = ChangePause(stage=stage, command_id=command_id, paused=paused, by=by, at=at, reason=asked.reason)
        try:
            await deps.queue.send(message, correlation_id=command_id)
        except ClawbackError as error:
            failed.append(error)
    if len(failed) == len(WEB_SENDS_TO):
        raise failed[0]
    return {"commandId": command_id}
