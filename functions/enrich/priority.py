"""How urgent an alert is: a sum of points, each with its reason."""

from datetime import datetime, timedelta

from shared.domain.alert import Alert, Severity, ThreatType
from shared.domain.incident import Priority

_MAX = 100

_SEVERITY = {
    Severity.INFORMATIONAL: 0,
    Severity.LOW: 10,
    Severity.MEDIUM: 25,
    Severity.HIGH: 40,
    Severity.CRITICAL: 50,
}

_THREAT = {
    # Malware acts by itself once opened; phish and impostors need the victim's help.
    ThreatType.MALWARE: 20,
    ThreatType.PHISH: 15,
    ThreatType.IMPOSTOR: 15,
    ThreatType.OTHER: 5,
    ThreatType.SPAM: 0,
}

_PRIVILEGED = 15
# Reach: from so many addresses on, so many points; the first that fits. A group is one address, and counts below.
_REACH = ((100, 10), (10, 5))
_GROUP = 5
_FRESH = 10
# Unread mail does no harm yet: what just came in can still be kept from most of its readers.
_FRESH_FOR = timedelta(hours=1)


def score(alert: Alert, *, recipients: int, groups: int, privileged: int, now: datetime) -> Priority:
    """The alert's priority.

    Args:
        alert: the alert.
        recipients: how many addresses it names.
        groups: how many of them are groups.
        privileged: how many of them are privileged people.
        now: when it is scored.
    """
    points: list[tuple[str, int]] = [
        (f"severity {alert.severity}", _SEVERITY[alert.severity]),
        (f"threat {alert.threat_type}", _THREAT[alert.threat_type]),
    ]
    if privileged:
        points.append((f"{privileged} privileged", _PRIVILEGED))
    reach = next((given for least, given in _REACH if recipients >= least), 0)
    points.append((f"{recipients} recipients", reach))
    if groups:
        points.append((f"{groups} groups", _GROUP))
    received = [message.received_at for message in alert.messages if message.received_at is not None]
    if received and now - max(received) <= _FRESH_FOR:
        points.append(("delivered within the hour", _FRESH))
    given = [(reason, n) for reason, n in points if n]
    return Priority(
        score=min(_MAX, sum(n for _, n in given)),
        reasons=tuple(f"{reason} (+{n})" for reason, n in given),
    )
