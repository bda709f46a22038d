"""One plan of an incident chooses its targets at a time, so that no target is chosen twice.

Finding recipients takes long and is done side by side. Choosing is short: which targets does the incident not have
yet, freeze them, write their chunks. The turn is a field of the incident, taken and given back under its ETag.
"""

from asyncio import gather
from collections.abc import Callable
from datetime import timedelta

from functions.expand_recipients.manifest import Manifest, manifest_path
from functions.expand_recipients.models import Deps
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import Incident, Plan, Planning, plan_id
from shared.errors import ConflictError, NotFoundError

# The report stage and other alerts write the same incident; each of these tries loses to a different one of them.
_TRIES = 8
# A chunk is up to 100 writes, some 700 request units; the templates give the database 4,000 or more in a second.
_AT_ONCE = 4


async def take_turn(incident_id: IncidentId, alert_id: AlertId, deps: Deps) -> bool:
    """Whether it is this alert's turn now. A turn that its holder did not live to use is taken over."""
    for _ in range(_TRIES):
        read = await deps.incidents.read(incident_id)
        now, holder = deps.now(), read.value.planning
        if holder is not None and holder.alert_id != alert_id:
            if holder.until > now:
                return False
            await _finish(incident_id, holder.alert_id, deps)
        ours = Planning(alert_id=alert_id, until=now + timedelta(seconds=deps.settings.lease_seconds))
        try:
            await deps.incidents.replace(read.value.model_copy(update={"planning": ours}), read.etag)
        except ConflictError:
            continue
        return True
    return False


async def record(incident_id: IncidentId, make: Callable[[Incident], Plan], deps: Deps) -> Plan:
    """Put the plan on the incident, unless it is there, and give the turn back.

    Args:
        incident_id: the incident.
        make: the plan, given the incident as it is.
        deps: services.

    Returns:
        The plan that is on the incident.
    """
    for _ in range(_TRIES):
        read = await deps.incidents.read(incident_id)
        plan = make(read.value)
        if (known := read.value.plan(plan.id)) is not None:
            return known
        planning = read.value.planning
        if planning is not None and planning.alert_id == plan.alert_id:
            planning = None
        changed = read.value.model_copy(update={"planning": planning}).with_plan(plan)
        try:
            await deps.incidents.replace(changed, read.etag)
        except ConflictError:
            continue
        return plan
    raise ConflictError("incident is busy")


async def write_chunks(manifest: Manifest, deps: Deps) -> None:
    """Every chunk of the manifest; those that are there stay as they are."""
    chunks = manifest.chunks()
    for start in range(0, len(chunks), _AT_ONCE):
        some = chunks[start : start + _AT_ONCE]
        await gather(*(deps.targets.add_chunk(chunk, targets) for chunk, targets in some))


async def _finish(incident_id: IncidentId, alert_id: AlertId, deps: Deps) -> None:
    """Write the chunks of a plan whose maker died: what it froze counts as chosen."""
    try:
        content = await deps.evidence.read(manifest_path(incident_id, plan_id(incident_id, alert_id)))
    except NotFoundError:
        return
    await write_chunks(Manifest.model_validate_json(content), deps)
