"""The envelope of every queue message, its maximum age and its backoff."""

import random
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.base import Frozen, Instant
from shared.domain.ids import fresh
from shared.names import Stage
from shared.pipeline.payloads import Payload

# Storage Queues take 64 KiB (service limit), which Base64 makes 48 KiB of body.
MAX_BODY = 48 * 1024

# Dead-letter after 24 hours: outages and mailbox moves end sooner.
MAX_AGE = timedelta(hours=24)

# The first delay is longer than Graph's usual Retry-After for a busy mailbox (a few seconds).
_FIRST_WAIT = 5.0
_LONGEST_WAIT = 900.0


class Envelope(Frozen):
    """What is around every payload. `v` changes when older messages can no longer be read."""

    v: Literal[1] = 1
    id: str
    stage: Stage
    correlation_id: str
    """The incident, or the receipt before there is one. For logs."""
    sent_at: Instant
    """When the payload was first sent; a delayed copy keeps it."""
    attempt: int = 0
    """How often the payload has been retried."""
    spare: bool = False
    """Whether it is the spare copy of a message whose worker died."""
    payload: dict[str, Any]


# A worker keeps a spare copy of the message that it works on, and deletes it when it is done. If its host dies, the
# lease of the host hides the message itself for ten minutes (fidelity.md 1), and the spare copy comes after this. It is
# longer than a lease of ours (`Settings.lease_seconds`), so that the lease of the dead worker has ended by then.
SPARE_AFTER = timedelta(seconds=100)


def new_envelope(payload: Payload, *, correlation_id: str, now: datetime) -> Envelope:
    """A new envelope around this payload."""
    return Envelope(
        id=fresh("m"),
        stage=payload.stage,
        correlation_id=correlation_id,
        sent_at=now,
        payload=payload.to_document(),
    )


def delayed_copy(envelope: Envelope) -> Envelope:
    """The delayed copy of this envelope."""
    return envelope.model_copy(update={"id": fresh("m"), "attempt": envelope.attempt + 1, "spare": False})


def spare_copy(envelope: Envelope) -> Envelope:
    """The spare copy of this envelope. It has none itself: a message that kills hosts uses up its dequeue count."""
    return envelope.model_copy(update={"id": fresh("m"), "spare": True})


def held_copy(envelope: Envelope, now: datetime) -> Envelope:
    """The delayed copy of an envelope that waits for a person: it has used no attempt, and its age begins again."""
    return envelope.model_copy(update={"id": fresh("m"), "sent_at": now})


def backoff(attempt: int, waited: timedelta | None = None) -> timedelta:
    """The delay where no service named one: doubles with each attempt, with jitter.

    Args:
        attempt: earlier retries, also those after a time that a service named.
        waited: since the first attempt. The delay is at most twice this and the first delay, which doubling alone never
            exceeds. Many retries after short times that a service named would otherwise lead to a delay of minutes
            after an outage of seconds.
    """
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempt, 10))
    if waited is not None:
        ceiling = min(ceiling, _FIRST_WAIT + 2 * max(0.0, waited.total_seconds()))
    # Jitter over the upper half: workers that were refused together do not come back together.
    return timedelta(seconds=ceiling * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, keeps no secret


def spread(seconds: float) -> timedelta:
    """The delay that a service asked for, and up to a second more."""
    return timedelta(seconds=seconds + random.random())  # noqa: S311 - spreads load, keeps no secret
