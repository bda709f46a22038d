"""`close`: checked early, so that a mistake is told at once; done by the pipeline."""

from collections.abc import Mapping

from functions.report.models import CommandDeps
from shared.commands import CommandBody, caller, parse_command
from shared.domain.ids import IncidentId, fresh
from shared.http import Problem
from shared.messages import CloseIncident


async def close(incident_id: str, headers: Mapping[str, str], body: bytes, deps: CommandDeps) -> dict[str, str]:
    """Ask for the case to be closed.

    Raises:
        Problem: wrong-shape, nobody-asks, incident-closed, not-planned-yet.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, CommandBody)
    by = caller(headers, command)
    incident = (await deps.incidents.read(IncidentId(incident_id))).value
    if incident.closed_at is not None:
        raise Problem(409, "incident-closed", "The incident is closed")
    if incident.unplanned:
        # Its plan would be held in a case that nobody looks at any more.
        raise Problem(409, "not-planned-yet", "An alert of the incident has no plan yet", "Ask again in a moment.")
    message = CloseIncident(
        incident_id=incident.id, command_id=fresh("cmd"), by=by, at=deps.now(), reason=command.reason
    )
    await deps.queue.send(message, correlation_id=incident.id)
    return {"commandId": message.command_id}
