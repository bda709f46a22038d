"""`approve`, `undo` and `close`: checked here, so that the caller sees a mistake at once; done by the pipeline."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from functions.report.api.models import CommandDeps
from shared.domain.ids import IncidentId, PlanId, TargetId, fresh
from shared.domain.incident import PlanState
from shared.domain.undone import UndoClass
from shared.pipeline.payloads import ApprovePlan, CloseIncident, UndoPull
from shared.web.command_body import MAX_TARGETS, CommandBody, GivenReason, caller, parse_command
from shared.web.paths import ID
from shared.web.problems import Problem


class ApproveBody(CommandBody):
    """Which plan, and what it was when the person looked at it."""

    plan_id: Annotated[PlanId, Field(pattern=ID)]
    plan_hash: str


class UndoBody(CommandBody):
    """Which targets: those that are named, or all and how many that is. And why.

    An empty selection never means all.
    """

    targets: tuple[TargetId, ...] | None = Field(None, min_length=1, max_length=MAX_TARGETS)
    all: StrictBool = False
    count: StrictInt | None = Field(
        None, ge=0, description="With `all`: how many targets can be put back now (`canBePutBack` of the incident)"
    )
    undo_class: Annotated[UndoClass, Field(alias="class")]
    reason: GivenReason

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.targets is None) != self.all:
            raise PydanticCustomError("targets_or_all", "either `targets` or `all`")
        if (self.count is None) == self.all:
            raise PydanticCustomError("count_with_all", "`count` is for `all`, which needs it")
        return self


async def approve(incident_id: str, headers: Mapping[str, str], body: bytes, deps: CommandDeps) -> dict[str, str]:
    """Ask for a plan to be released.

    Raises:
        Problem: wrong-shape, nobody-asks, incident-closed, unknown-plan, plan-differs, plan-not-waiting.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, ApproveBody)
    by = caller(headers, command)
    incident = await deps.incidents.read(IncidentId(incident_id))
    found = await deps.incidents.plan(incident.id, command.plan_id)
    plan = found.value if found else None
    if incident.closed_at is not None:
        raise Problem(409, "incident-closed", "The incident is closed")
    if plan is None:
        raise Problem(404, "unknown-plan", "The incident has no such plan")
    if plan.hash != command.plan_hash:
        raise Problem(409, "plan-differs", "The plan is not the one that was approved", "Look at it again.")
    if plan.state is not PlanState.AWAITING_APPROVAL:
        raise Problem(409, "plan-not-waiting", "The plan does not wait for approval", f"It is {plan.state}.")
    message = ApprovePlan(
        incident_id=incident.id,
        plan_id=plan.id,
        plan_hash=plan.hash,
        command_id=fresh("cmd"),
        by=by,
        at=deps.now(),
        reason=command.reason,
    )
    await deps.queue.send(message, correlation_id=incident.id)
    return {"commandId": message.command_id}


async def undo(incident_id: str, headers: Mapping[str, str], body: bytes, deps: CommandDeps) -> dict[str, str]:
    """Ask for targets to be put back, also of a closed incident: that it was a mistake is often seen late.

    Raises:
        Problem: wrong-shape, nobody-asks, unknown-target, not-planned-yet, count-differs.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, UndoBody)
    by = caller(headers, command)
    incident = await deps.incidents.read(IncidentId(incident_id))
    targets = command.targets or ()
    known = await deps.targets.known(incident.id, targets) if targets else set()
    if unknown := [i for i, target in enumerate(targets) if target not in known]:
        errors = [{"path": f"targets.{i}", "kind": "unknown_target"} for i in unknown[:20]]
        raise Problem(422, "unknown-target", "The incident has no such target", errors=errors)
    if command.all and incident.closed_at is None and incident.unplanned:
        # It would be pulled after this, and nothing would put it back.
        raise Problem(409, "not-planned-yet", "An alert of the incident has no plan yet", "Ask again in a moment.")
    if command.all and command.count != (now := incident.can_be_put_back):
        detail = f"{now} can be put back now, not {command.count}. Look again."
        raise Problem(409, "count-differs", "The number of targets is not the one that was seen", detail, count=now)
    message = UndoPull(
        incident_id=incident.id,
        targets=tuple(dict.fromkeys(targets)),
        all=command.all,
        command_id=fresh("cmd"),
        by=by,
        at=deps.now(),
        reason=command.reason,
        undo_class=command.undo_class,
    )
    await deps.queue.send(message, correlation_id=incident.id)
    return {"commandId": message.command_id}


async def close(incident_id: str, headers: Mapping[str, str], body: bytes, deps: CommandDeps) -> dict[str, str]:
    """Ask for the case to be closed.

    Raises:
        Problem: wrong-shape, nobody-asks, incident-closed, not-planned-yet.
        NotFoundError: there is no such incident.
    """
    command = parse_command(body, CommandBody)
    by = caller(headers, command)
    incident = await deps.incidents.read(IncidentId(incident_id))
    if incident.closed_at is not None:
        raise Problem(409, "incident-closed", "The incident is closed")
    if incident.unplanned:
        # Its plan would be in a closed case, where no list shows it.
        raise Problem(409, "not-planned-yet", "An alert of the incident has no plan yet", "Ask again in a moment.")
    message = CloseIncident(
        incident_id=incident.id, command_id=fresh("cmd"), by=by, at=deps.now(), reason=command.reason
    )
    await deps.queue.send(message, correlation_id=incident.id)
    return {"commandId": message.command_id}
