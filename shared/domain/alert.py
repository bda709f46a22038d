"""Alerts: one normalised record for each event of a source."""

from enum import StrEnum
from typing import ClassVar

from shared.domain.base import Frozen, Instant, Stored
from shared.domain.ids import AlertId, derive
from shared.domain.indicators import Indicator
from shared.domain.message import Message


class Disposition(StrEnum):
    """What an alert asks for. Streams of alerts carry simulations, false positives and mail that was stopped too."""

    ACT = "act"
    ENRICH_ONLY = "enrich_only"
    IGNORE = "ignore"


class ThreatType(StrEnum):
    """The kind of threat, as TAP's classification and most peers put it."""

    PHISH = "phish"
    MALWARE = "malware"
    IMPOSTOR = "impostor"
    SPAM = "spam"
    OTHER = "other"


class Severity(StrEnum):
    """How bad the source says it is, lowest first."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for informational to 4 for critical."""
        return list(Severity).index(self)


class RawPayload(Frozen):
    """Where the untouched bytes are kept, and what they must still hash to."""

    path: str
    sha256: str
    size: int


class Alert(Stored):
    """One normalised vendor event. It may name many messages and many recipients."""

    document_type: ClassVar[str] = "alert"

    id: AlertId
    source: str
    vendor_alert_id: str
    received_at: Instant
    detected_at: Instant | None = None
    disposition: Disposition = Disposition.ACT
    threat_type: ThreatType = ThreatType.OTHER
    severity: Severity = Severity.MEDIUM
    title: str | None = None
    campaign_id: str | None = None
    messages: tuple[Message, ...]
    indicators: tuple[Indicator, ...] = ()
    evidence: RawPayload


def alert_id(source: str, vendor_alert_id: str) -> AlertId:
    """The same vendor event always has the same id: a repeat is a 409, not a second incident."""
    return AlertId(derive("alert", source, vendor_alert_id))
