"""The queue side: normalise, drop repeats, open or join the incident.

raw payload ─▶ events ─▶ each: known? ──same──────────▶ what was kept counts ─┐
                            │    └──changed─▶ one more alert, with what is new ─┤
                            └──new──────────────────────────────────────────────┤
                                                                                ▼
                     ignore: kept, and that is all ◀── owner of its messages ─▶ open · join · succeed ─▶ enrich
"""

import hashlib
from datetime import timedelta
from pathlib import PurePosixPath

from functions.ingest_alert import sources
from functions.ingest_alert.joining import join
from functions.ingest_alert.models import Deps, WrongShapeError, content, id_if_changed
from functions.ingest_alert.receive import read
from functions.ingest_alert.strict_json import MalformedError
from shared.domain.alert import Alert, Disposition, RawPayload
from shared.domain.ids import IncidentId
from shared.domain.incident import Intake
from shared.errors import NotFoundError
from shared.pipeline.payloads import EnrichAlerts, IngestAlert
from shared.pipeline.stage import Done, Outcome, Reject

# Alerts about one mail come in bursts: those of this time are decided and planned together.
_TOGETHER = timedelta(seconds=3)
# A message that is seen sooner than this may be handled before a worker with another clock has written its alert.
_CLOCKS_DIFFER = timedelta(seconds=1)


async def handle(message: IngestAlert, deps: Deps) -> Outcome:
    """Take in every event of one raw payload. A second run finds what the first one did, and sends again."""
    source = sources.find(message.source)
    if source is None:
        return Reject("unknown_source")
    try:
        body = await deps.evidence.read(message.payload_path)
    except NotFoundError:
        return Reject("payload_missing")
    raw = RawPayload(path=message.payload_path, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    if PurePosixPath(raw.path).stem != raw.sha256:
        # Write access to the container must not be enough to decide what is pulled.
        return Reject("payload_changed")
    try:
        reading = read(source, body)
    except MalformedError as error:
        return Reject("malformed_json", error.kind)
    except WrongShapeError as error:
        return Reject("wrong_shape", "; ".join(f"{flaw.path}: {flaw.kind}" for flaw in error.flaws))
    cases: dict[IncidentId, Intake | None] = {}
    for event in reading.events:
        joined = await take(event.to_alert(message.source, message.received_at, raw), deps)
        if joined is not None:
            incident_id, intake = joined
            # The counter after its first alert of this case: if that one opened the case, none of them waits.
            cases.setdefault(incident_id, intake)
    for incident_id, intake in cases.items():
        await _wake(incident_id, intake, deps)
    return Done()


async def take(alert: Alert, deps: Deps) -> tuple[IncidentId, Intake | None] | None:
    """Keep the alert and join it to its case; None for an alert that asks for nothing."""
    alert, repeated = await _keep(alert, deps)
    if alert.disposition is Disposition.IGNORE:
        return None
    return await join(alert, deps, repeated=repeated)


async def _wake(incident_id: IncidentId, intake: Intake | None, deps: Deps) -> None:
    """Make sure that the enrich stage looks at the case after now: by a message of ours, or by one that is on its way.

    The first alert of a case does not wait. Those that follow soon are decided together. If a worker
    dies after it announced a message and before it sent it, its own message is delivered again: the alert has joined
    already, and the message is sent at once.
    """
    now, delay = deps.now(), None
    if intake is not None and intake.alerts > 1:
        soon, delay = now + _CLOCKS_DIFFER, _TOGETHER
        announced = intake.wake_until is not None and intake.wake_until >= soon
        if announced or not await deps.incidents.announce_wake(incident_id, soon, now + delay):
            return
    await deps.queue.send(EnrichAlerts(incident_id=incident_id), correlation_id=incident_id, delay=delay)


async def _keep(alert: Alert, deps: Deps) -> tuple[Alert, bool]:
    """The alert as it is kept, and whether it was there already."""
    if await deps.alerts.add(alert):
        return alert, False
    kept = await deps.alerts.read(alert.id)
    if content(alert) == content(kept):
        return kept, True
    # The same vendor event with another recipient, verdict or score must still act (alert-formats.md 12).
    changed = alert.model_copy(update={"id": id_if_changed(alert)})
    if await deps.alerts.add(changed):
        return changed, False
    return await deps.alerts.read(changed.id), True
