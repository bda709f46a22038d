"""Ask about hidden mail, and read the answer."""

import json
import re
from collections.abc import Mapping
from typing import Any

from functions.hidden.models import AskDeps, ListBody, ReadDeps, RestoreBody
from shared.domain.hidden import HiddenAsked, asked_path, report_path
from shared.domain.ids import fresh
from shared.errors import NotFoundError
from shared.pipeline.payloads import HIDDEN_ID, HiddenMail
from shared.web.command_body import caller, parse_command
from shared.web.problems import Problem


async def ask_for_list(headers: Mapping[str, str], body: bytes, deps: AskDeps) -> dict[str, str]:
    """Ask what lies in the hidden folder of a mailbox, or in those of a case's mailboxes.

    Raises:
        Problem: wrong-shape, nobody-asks, not-allowed.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, ListBody)
    return await _ask(_question(caller(headers, command), command, deps), deps)


async def ask_for_restore(headers: Mapping[str, str], body: bytes, deps: AskDeps) -> dict[str, str]:
    """Ask for hidden mail to be put back, whatever the state of its targets.

    Raises:
        Problem: wrong-shape, nobody-asks, not-allowed.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, RestoreBody)
    by = caller(headers, command)
    if command.all != (command.count is not None) or command.all == bool(command.items):
        # No item named must never mean all of them.
        raise _wrong("items", "Name mail in `items`, or all of it with `all` and its `count`.")
    if not command.reason:
        raise _wrong("reason", "Say why in `reason`.")
    asked = _question(by, command, deps).model_copy(
        update={"restore": True, "items": tuple(dict.fromkeys(command.items)), "count": command.count}
    )
    return await _ask(asked, deps)


async def read(asked_id: str, deps: ReadDeps) -> dict[str, Any]:
    """The answer; without `report` as long as there is none.

    Raises:
        NotFoundError: nobody asked this.
    """
    if not re.fullmatch(HIDDEN_ID, asked_id):
        raise NotFoundError("no question can have this id")
    asked = json.loads(await deps.evidence.read(asked_path(asked_id)))
    try:
        report = json.loads(await deps.evidence.read(report_path(asked_id)))
    except NotFoundError:
        return {"id": asked_id, "asked": asked}
    return {"id": asked_id, "asked": asked, "report": report}


def _question(by: str, command: ListBody, deps: AskDeps) -> HiddenAsked:
    if (command.mailbox is None) == (command.incident_id is None):
        raise _wrong("mailbox", "Name a mailbox in `mailbox`, or a case in `incidentId`.")
    return HiddenAsked(
        id=fresh("hidden"),
        by=by,
        at=deps.now(),
        reason=command.reason,
        mailbox=command.mailbox.lower() if command.mailbox else None,
        incident_id=command.incident_id,
    )


async def _ask(asked: HiddenAsked, deps: AskDeps) -> dict[str, str]:
    if asked.incident_id is not None:
        await deps.incidents.read(asked.incident_id)
    await deps.evidence.keep(asked_path(asked.id), asked.model_dump_json().encode(), "application/json")
    await deps.queue.send(HiddenMail(id=asked.id), correlation_id=asked.id)
    return {"id": asked.id}


def _wrong(path: str, detail: str) -> Problem:
    errors = [{"path": path, "kind": "missing"}]
    return Problem(422, "wrong-shape", "The body is not what this command takes", detail, errors=errors)
