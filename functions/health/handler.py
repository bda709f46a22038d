"""Begin a health check, and read how far it has come."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from functions.health.models import BeginDeps, HealthBody, ReadDeps
from shared.clock import utc_now
from shared.domain.ids import fresh
from shared.errors import NotFoundError
from shared.health.check import TRIPS, Asked, about_us, stop
from shared.names import RAW_CONTAINER, SOURCES
from shared.pipeline.payloads import HEALTH_ID, HealthCheck
from shared.ports.health import Probe, ProbeResult, look
from shared.settings import WEBHOOK_SECRETS, Settings
from shared.web.command_body import caller, parse_command

# What App Service leaves in a setting whose secret it could not read (Key Vault references).
_UNRESOLVED = "@Microsoft.KeyVault("


async def begin(headers: Mapping[str, str], body: bytes, deps: BeginDeps) -> dict[str, Any]:
    """Send the messages out; the answer is what web finds while it does so.

    Raises:
        Problem: wrong-shape, nobody-asks, not-allowed.
    """
    asked = parse_command(body, HealthBody)
    by = caller(headers, asked)
    record = Asked(id=fresh("health"), by=by, at=deps.now(), reason=asked.reason, mailboxes=asked.mailboxes)
    kept = deps.evidence.keep(record.path, record.model_dump_json().encode(), "application/json")
    probes = [
        await look(f"container {RAW_CONTAINER}: add", kept),
        *await deps.evidence.probe(),
        *await deps.state.probe(),
        *(_secrets(source, deps.settings) for source in SOURCES),
    ]
    for trip, route in TRIPS.items():
        check = HealthCheck(id=record.id, trip=trip, route=route)
        probes.append(await look(f"send to {check.stage}", deps.queue.send(check, correlation_id=record.id)))
    return {"id": record.id, "web": about_us(deps.now(), *probes).to_document()}


def settings_wrong(error: ValidationError) -> dict[str, Any]:
    """The answer of a web that cannot be built: which settings are wrong, without what is in them."""
    detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False))
    return {"web": about_us(utc_now(), Probe(what="settings", result=ProbeResult.WRONG, detail=detail)).to_document()}


async def read(check_id: str, deps: ReadDeps) -> dict[str, Any]:
    """The stops of each trip in their order, each with its report if the message was there.

    Raises:
        NotFoundError: no health check can have this id.
    """
    if not re.fullmatch(HEALTH_ID, check_id):
        raise NotFoundError("no health check can have this id")
    trips: dict[str, list[dict[str, Any]]] = {}
    for trip, route in TRIPS.items():
        trips[trip] = [
            await _stop(HealthCheck(id=check_id, trip=trip, route=route[done:]), deps) for done in range(len(route))
        ]
    return {"id": check_id, "trips": trips}


async def _stop(check: HealthCheck, deps: ReadDeps) -> dict[str, Any]:
    try:
        report = json.loads(await deps.evidence.read(stop(check)))
    except NotFoundError:
        return {"stage": check.stage}
    return {"stage": check.stage, "report": report}


def _secrets(source: str, settings: Settings) -> Probe:
    what, setting = f"webhook secret of {source}", f"{WEBHOOK_SECRETS}__{source}"
    if any(secret.get_secret_value() for secret in settings.webhook_secrets.get(source, [])):
        return Probe(what=what, result=ProbeResult.OK)
    text = os.environ.get(setting)
    if text is None:
        return Probe(what=what, result=ProbeResult.MISSING, detail=f"there is no setting {setting}")
    if text.startswith(_UNRESOLVED):
        return Probe(what=what, result=ProbeResult.MISSING, detail="its Key Vault reference is not resolved")
    return Probe(what=what, result=ProbeResult.WRONG, detail="it is no JSON list of texts, or all of them are empty")
