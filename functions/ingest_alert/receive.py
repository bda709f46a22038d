"""The webhook's side: authenticate, keep, queue. It answers only when the body is stored and its message is sent."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from functions.ingest_alert import sources
from functions.ingest_alert.models import Flaw, Reading, ReceiveDeps, VendorEvent, WrongShapeError, id_if_changed
from functions.ingest_alert.strict_json import MalformedError, parse
from shared.domain.ids import derive
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import IngestAlert
from shared.web.problems import Problem

# An hour of TAP events, the most that its API gives at once, from a large tenant is about 3 MB.
MAX_BODY = 4 * 1024 * 1024

# One delivery has five minutes (host.json) for all events of its body, each with half a dozen calls of some 10 ms.
MAX_EVENTS = 2000

# Each of them may become a target. A campaign against more people is several bodies, and their alerts join one case.
MAX_ADDRESSES = 10_000

# Cosmos DB takes documents of 2 MB (service limit); id, times and evidence come on top of the event.
_MAX_EVENT = 1_900_000


async def receive(name: str, headers: Mapping[str, str], body: bytes, deps: ReceiveDeps) -> dict[str, Any]:
    """Take in one request of the source `name`.

    Args:
        name: last part of the path.
        headers: the request's.
        body: the request's, untouched.
        deps: services.

    Returns:
        The answer: receipt id, the ids of the alerts, and what could not be read.

    Raises:
        Problem: unknown-source, too-large, unauthenticated, malformed-json or wrong-shape.
    """
    source = sources.find(name)
    if source is None:
        raise Problem(404, "unknown-source", "There is no such alert source")
    if len(body) > MAX_BODY:
        raise Problem(413, "too-large", "The body is too large", f"At most {MAX_BODY} bytes are taken.")
    now = deps.now()
    secrets = [secret.get_secret_value() for secret in deps.settings.webhook_secrets.get(name, []) if secret]
    lower = {key.lower(): value for key, value in headers.items()}
    if not source.authenticate(lower, body, secrets, now):
        # One answer for every reason: more detail would help an attacker.
        raise Problem(401, "unauthenticated", "The request could not be authenticated")

    digest = hashlib.sha256(body).hexdigest()
    rejected = f"rejected/{name}/{now:%Y-%m-%d}/{digest}.json"
    try:
        reading = read(source, body)
    except (MalformedError, WrongShapeError) as error:
        # A vendor changes its format without asking: what it sent meanwhile can be read later.
        await deps.evidence.keep(rejected, body, "application/json")
        refusal = _refusal(error)
        emit(Event.ALERT_REJECTED, source=name, reason=str(refusal.body["type"]), digest=digest)
        raise refusal from None
    except Exception:  # a bug of ours; the body is kept all the same
        await deps.evidence.keep(rejected, body, "application/json")
        raise
    if limit := _exceeded(reading):
        await deps.evidence.keep(rejected, body, "application/json")
        raise Problem(413, "too-large", "The body is too large", f"At most {limit} are taken at a time.")
    kept = await deps.evidence.keep(f"raw/{name}/{now:%Y-%m-%d}/{digest}.json", body, "application/json")
    receipt = derive("receipt", name, digest)
    await deps.queue.send(IngestAlert(source=name, payload_path=kept.path, received_at=now), correlation_id=receipt)
    emit(Event.ALERT_ACCEPTED, source=name, receipt=receipt, events=len(reading.events))
    alerts = [event.to_alert(name, now, kept) for event in reading.events]
    return {
        "receiptId": receipt,
        "alertIds": [alert.id for alert in alerts],
        "alerts": [
            {"id": alert.id, "idIfChanged": id_if_changed(alert), "disposition": alert.disposition} for alert in alerts
        ],
        **({"unread": _documents(reading.flaws)} if reading.flaws else {}),
    }


def read(source: sources.Source, body: bytes) -> Reading:
    """What the body says, the same on both sides of the queue.

    Raises:
        MalformedError: it is not JSON that we take.
        WrongShapeError: it is not the source's format, or none of it could be read.
    """
    reading = source.read(parse(body))
    fits = tuple(event for event in reading.events if _size(event) <= _MAX_EVENT)
    flaws = reading.flaws
    if len(fits) < len(reading.events):
        flaws = (*flaws, Flaw(path="$", kind="too_large"))
    if flaws and not fits:
        raise WrongShapeError(flaws)
    return Reading(fits, flaws)


def _exceeded(reading: Reading) -> str | None:
    """The limit that the body exceeds; None if it keeps all of them. Whatever exceeds one is refused as a whole."""
    if len(reading.events) > MAX_EVENTS:
        return f"{MAX_EVENTS} events"
    # An address that two messages name is two targets.
    if sum(len(message.recipients) for event in reading.events for message in event.messages) > MAX_ADDRESSES:
        return f"{MAX_ADDRESSES} recipients"
    return None


def _size(event: VendorEvent) -> int:
    # As the SDK sends it: other characters than ASCII take six bytes and more.
    return len(json.dumps(event.model_dump(mode="json")))


def _refusal(error: MalformedError | WrongShapeError) -> Problem:
    if isinstance(error, MalformedError):
        flaws = (Flaw(path="$", kind=error.kind),)
        return Problem(400, "malformed-json", "The body is not well-formed JSON", errors=_documents(flaws))
    return Problem(422, "wrong-shape", "The body is not in this source's format", errors=_documents(error.flaws))


def _documents(flaws: tuple[Flaw, ...]) -> list[dict[str, Any]]:
    return [flaw.to_document() for flaw in flaws]
