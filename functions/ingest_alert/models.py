"""What the ingest stage needs, reads and writes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from shared.clock import Clock
from shared.domain.alert import Alert, Disposition, RawPayload, Severity, ThreatType, alert_id
from shared.domain.base import Frozen, Instant
from shared.domain.ids import AlertId, derive
from shared.domain.indicators import Indicator
from shared.domain.message import Message
from shared.ports.alerts import AlertStore
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.settings import Settings

# More entries would not help the reader.
_MAX_FLAWS = 20

# Exchange Online lets a message have at most 1,000 recipients; a group counts as one.
MAX_RECIPIENTS = 1000

_HARMLESS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class ReceiveDeps:
    """The services of the webhook. Its identity reads no state."""

    settings: Settings
    evidence: EvidenceStore
    queue: MessageQueue
    now: Clock


@dataclass(frozen=True)
class Deps:
    """The services of the queue side."""

    evidence: EvidenceStore
    alerts: AlertStore
    incidents: IncidentStore
    queue: MessageQueue
    now: Clock


class VendorEvent(Frozen):
    """One vendor event in the terms of `Alert`: an alert that has no evidence yet."""

    vendor_alert_id: str
    detected_at: Instant | None = None
    disposition: Disposition = Disposition.ACT
    threat_type: ThreatType = ThreatType.OTHER
    severity: Severity = Severity.MEDIUM
    title: str | None = None
    campaign_id: str | None = None
    messages: tuple[Message, ...]
    indicators: tuple[Indicator, ...] = ()

    def to_alert(self, source: str, received_at: Instant, evidence: RawPayload) -> Alert:
        """The alert that this event is."""
        return Alert(
            **self.model_dump(by_alias=False),
            id=alert_id(source, self.vendor_alert_id),
            source=source,
            received_at=received_at,
            evidence=evidence,
        )


def content(alert: Alert) -> str:
    """What the vendor says, as one id: the same for a repeat that changed nothing."""
    return derive("content", alert.model_dump_json(exclude={"id", "received_at", "evidence"}))


def id_if_changed(alert: Alert) -> AlertId:
    """The id under which this alert is kept if its own id is taken by an alert with another content."""
    return alert_id(alert.source, f"{alert.vendor_alert_id}#{content(alert)}")


class Flaw(Frozen):
    """What is wrong, and where. Never the input itself: it may be personal data, or an attack on the reader."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one body says, and which of its parts could not be read: the other records are taken."""

    events: tuple[VendorEvent, ...]
    flaws: tuple[Flaw, ...] = ()


class WrongShapeError(Exception):
    """The body is not in the source's format."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        super().__init__("wrong shape")
        self.flaws = tuple(flaws)


def flaws_of(error: ValidationError, *prefix: str | int) -> tuple[Flaw, ...]:
    """The flaws that a validation found, at most twenty."""
    return tuple(
        Flaw(path=_path((*prefix, *found["loc"])), kind=found["type"])
        for found in error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_FLAWS]
    )


def _path(parts: Iterable[Any]) -> str:
    # Keys that are not ours were chosen by the sender.
    return ".".join(str(p) if isinstance(p, int) or _HARMLESS.fullmatch(str(p)) else "?" for p in parts) or "$"
