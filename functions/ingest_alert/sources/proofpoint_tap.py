"""Proofpoint TAP, SIEM API: `messagesDelivered`. Its fields and pitfalls: alert-formats.md 3.1.

TAP does not push; a forwarder posts what `/v2/siem/all`, `/issues` or `/messages/delivered` gave it, as it came. Of
the whole answer only `messagesDelivered` is read: blocked mail never arrived, and a click is about a message that has
its own event. The forwarder authenticates with a secret header.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, TypeAdapter, ValidationError

from functions.ingest_alert import text
from functions.ingest_alert.authentication import shared_secret
from functions.ingest_alert.models import MAX_RECIPIENTS, Flaw, Reading, VendorEvent, WrongShapeError, flaws_of
from functions.ingest_alert.sources import Source
from shared.domain.alert import Disposition, Severity, ThreatType
from shared.domain.base import Foreign, Instant
from shared.domain.ids import derive
from shared.domain.indicators import MAX_PER_ALERT, Indicator, recognise
from shared.domain.mail_address import all_spelled
from shared.domain.message import Message, visible

_NAME = "proofpoint_tap"
_ANSWERS = {"messagesDelivered", "messagesBlocked", "clicksPermitted", "clicksBlocked"}

# Worst first: an event with several threats is as bad as the worst of them.
_THREATS = {
    "malware": (ThreatType.MALWARE, Severity.HIGH),
    "phish": (ThreatType.PHISH, Severity.HIGH),
    "impostor": (ThreatType.IMPOSTOR, Severity.HIGH),
    "spam": (ThreatType.SPAM, Severity.LOW),
}
# Scores are 0 where TAP recognised the threat only after delivery, so they raise a severity and never lower it.
_HIGH_SCORE = 80.0

_OVER = {"cleared", "falsepositive"}
_MAX_ID = 200


def _string(value: Any) -> Any:
    return text.whole(value) if isinstance(value, str) else None


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text.whole(v) for v in values if isinstance(v, str)]


def _list(value: Any) -> list[Any]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _score(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        # JSON has no largest number.
        return 0.0


def _instant(value: Any) -> datetime | None:
    try:
        return TypeAdapter(Instant).validate_python(value)
    except ValidationError:
        return None


# One field of an unexpected type must not lose the record: half of the real ones have nulls where strings belong.
_String = Annotated[str | None, BeforeValidator(_string)]
_Strings = Annotated[list[str], BeforeValidator(_strings)]
_Score = Annotated[float, BeforeValidator(_score)]
_Time = Annotated[datetime | None, BeforeValidator(_instant)]


class _Threat(Foreign):
    status: _String = Field(None, alias="threatStatus")
    classification: _String = None
    threat: _String = None
    time: _Time = Field(None, alias="threatTime")
    campaign: _String = Field(None, validation_alias=AliasChoices("campaignID", "campaignId"))

    @property
    def over(self) -> bool:
        return (self.status or "").lower() in _OVER


class _Part(Foreign):
    disposition: _String = None
    sandbox: _String = Field(None, alias="sandboxStatus")
    sha256: _String = None
    md5: _String = None


class _Delivered(Foreign):
    id: _String = None
    guid: _String = Field(None, alias="GUID")
    message_id: _String = Field(None, alias="messageID")
    recipient: _Strings = Field(default_factory=list)
    to: _Strings = Field(default_factory=list, alias="toAddresses")
    cc: _Strings = Field(default_factory=list, alias="ccAddresses")
    from_address: _Strings = Field(default_factory=list, alias="fromAddress")
    header_from: _String = Field(None, alias="headerFrom")
    sender_ip: _String = Field(None, alias="senderIP")
    subject: _String = None
    time: _Time = Field(None, alias="messageTime")
    phish: _Score = Field(0.0, alias="phishScore")
    malware: _Score = Field(0.0, alias="malwareScore")
    impostor: _Score = Field(0.0, alias="impostorScore")
    threats: Annotated[list[_Threat], BeforeValidator(_list)] = Field(default_factory=list, alias="threatsInfoMap")
    parts: Annotated[list[_Part], BeforeValidator(_list)] = Field(default_factory=list, alias="messageParts")


def read(document: Any) -> Reading:
    """The events of one SIEM API answer."""
    if not isinstance(document, dict):
        raise WrongShapeError([Flaw(path="$", kind="dict_type")])
    if not _ANSWERS & document.keys():
        raise WrongShapeError([Flaw(path="messagesDelivered", kind="missing")])
    records = document.get("messagesDelivered", [])
    if not isinstance(records, list):
        raise WrongShapeError([Flaw(path="messagesDelivered", kind="list_type")])
    events: list[VendorEvent] = []
    flaws: list[Flaw] = []
    for number, record in enumerate(records):
        try:
            delivered = _Delivered.model_validate(record)
        except ValidationError as error:
            flaws.extend(flaws_of(error, "messagesDelivered", number))
            continue
        path = f"messagesDelivered.{number}"
        if not (delivered.id or delivered.guid or delivered.message_id or delivered.recipient):
            flaws.append(Flaw(path=path, kind="nothing_to_find_it_by"))
            continue
        event = _event(delivered)
        if sum(len(message.recipients) for message in event.messages) > MAX_RECIPIENTS:
            flaws.append(Flaw(path=f"{path}.recipient", kind="too_long"))
            continue
        if text.controlled(delivered.recipient):
            # The event and its other recipients count all the same.
            flaws.append(Flaw(path=f"{path}.recipient", kind="control_character"))
        events.append(event)
    return Reading(tuple(events), tuple(flaws))


def _event(delivered: _Delivered) -> VendorEvent:
    # What TAP took back does not count, unless it took everything back.
    active = [threat for threat in delivered.threats if not threat.over]
    threat_type, severity = _verdict(delivered, active)
    return VendorEvent(
        vendor_alert_id=_id(delivered),
        detected_at=min((t.time for t in active or delivered.threats if t.time), default=None),
        disposition=_disposition(delivered, active),
        threat_type=threat_type,
        severity=severity,
        title=visible(delivered.subject) or None,
        campaign_id=next((visible(t.campaign, _MAX_ID) for t in active if t.campaign), None),
        messages=(_message(delivered),),
        indicators=tuple(dict.fromkeys(_indicators(delivered, active)))[:MAX_PER_ALERT],
    )


def _id(delivered: _Delivered) -> str:
    # Older answers have no `id`, some have no GUID either.
    given = delivered.id or delivered.guid
    return given[:_MAX_ID] if given else derive("tap", delivered.model_dump_json())


def _disposition(delivered: _Delivered, active: list[_Threat]) -> Disposition:
    if active:
        return Disposition.ACT
    # TAP took back every threat: ignore it. TAP names no threat: keep it, and pull nothing.
    return Disposition.IGNORE if delivered.threats else Disposition.ENRICH_ONLY


def _verdict(delivered: _Delivered, active: list[_Threat]) -> tuple[ThreatType, Severity]:
    named = {(threat.classification or "").strip().lower() for threat in active}
    threat_type, severity = next(
        (verdict for name, verdict in _THREATS.items() if name in named), (ThreatType.OTHER, Severity.MEDIUM)
    )
    if max(delivered.phish, delivered.malware, delivered.impostor) >= _HIGH_SCORE:
        severity = max(severity, Severity.HIGH, key=lambda s: s.rank)
    return threat_type, severity


def _message(delivered: _Delivered) -> Message:
    # Never `sender`: that is the envelope's, and its local part may be hashed.
    senders = all_spelled([*delivered.from_address, delivered.header_from])
    return Message(
        internet_message_id=text.message_id(delivered.message_id),
        sender=next(iter(senders), None),
        senders=senders,
        subject=visible(delivered.subject) or None,
        received_at=delivered.time,
        # The envelope has the real recipients; the header only those that the sender wrote there.
        recipients=text.addresses(delivered.recipient) or text.addresses([*delivered.to, *delivered.cc]),
    )


def _indicators(delivered: _Delivered, active: list[_Threat]) -> Iterable[Indicator]:
    found = [recognise(threat.threat, _NAME) for threat in active]
    for part in delivered.parts:
        # The bodies are parts too, with hashes that say nothing.
        if part.disposition == "attached" or part.sandbox == "threat":
            found += [recognise(part.sha256, _NAME), recognise(part.md5, _NAME)]
    found.append(recognise(delivered.sender_ip, _NAME))
    found.append(recognise(_message(delivered).sender, _NAME))
    return (indicator for indicator in found if indicator)


SOURCE = Source(authenticate=shared_secret, read=read)
