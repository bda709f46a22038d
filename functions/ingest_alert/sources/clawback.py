"""Clawback's own open format, version 1 (docs/reference/alert-v1.schema.json), for whatever can send JSON.

Signed: `functions.ingest_alert.authentication.signed`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from functions.ingest_alert import text
from functions.ingest_alert.authentication import signed
from functions.ingest_alert.models import MAX_RECIPIENTS, Reading, VendorEvent, WrongShapeError, flaws_of
from functions.ingest_alert.sources import Source
from functions.ingest_alert.text import Text
from shared.domain.alert import Disposition, Severity, ThreatType
from shared.domain.base import Instant
from shared.domain.indicators import MAX_URL, IndicatorType, parse, recognise
from shared.domain.mail_address import all_spelled
from shared.domain.message import MAX_ADDRESS, Message, address, visible

# A key or a GUID; the longest that a known vendor uses is under 100.
_MAX_ID = 200
# Real alerts name one message, seldom a few: a campaign is many alerts.
_MAX_MESSAGES = 100
_MAX_INDICATORS = 200


def _is_address(value: str) -> str:
    if address(value) is None or text.controlled(value):
        raise PydanticCustomError("address", "no e-mail address")
    return value


def _is_sender(value: str) -> str:
    # A quoted local part is one too. A legacy name of Exchange is accepted, and then not known.
    return value if all_spelled([value]) else _is_address(value)


Address = Annotated[Text, Field(max_length=MAX_ADDRESS), AfterValidator(_is_address)]
Sender = Annotated[Text, Field(max_length=MAX_ADDRESS), AfterValidator(_is_sender)]
Identifier = Annotated[Text, Field(min_length=1, max_length=_MAX_ID)]


class _Open(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)


class MessageV1(_Open):
    """One mail. It needs something to be found by: one of its ids, or sender and time."""

    internet_message_id: Text | None = Field(None, description="Message-ID header, with or without angle brackets")
    network_message_id: Identifier | None = Field(None, description="X-MS-Exchange-Organization-Network-Message-Id")
    sender: Sender | None = Field(None, description="Address in the From header, not the envelope sender")
    subject: Text | None = Field(None, description="Of any length; shown cut and without control characters")
    received_at: Instant | None = Field(None, description="When it was delivered; UTC if no zone is given")
    recipients: tuple[Address, ...] = Field(
        (), max_length=MAX_RECIPIENTS, description="Envelope recipients; groups are expanded by Clawback"
    )

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if text.message_id(self.internet_message_id) or self.network_message_id or (self.sender and self.received_at):
            return self
        raise PydanticCustomError("nothing_to_find_it_by", "no usable id, nor sender and time")


class IndicatorV1(_Open):
    """Something to recognise the threat by."""

    type: IndicatorType
    value: Annotated[Text, Field(min_length=1, max_length=MAX_URL)]


class AlertV1(_Open):
    """One alert. Sending it again changes nothing; sending it changed, under the same id, adds what is new."""

    model_config = ConfigDict(title="Clawback alert, version 1")

    version: Literal[1]
    id: Identifier = Field(description="The sender's own id of this alert")
    detected_at: Instant | None = None
    disposition: Disposition = Disposition.ACT
    threat_type: ThreatType = ThreatType.OTHER
    severity: Severity = Severity.MEDIUM
    title: Text | None = None
    campaign_id: Identifier | None = None
    messages: list[MessageV1] = Field(min_length=1, max_length=_MAX_MESSAGES)
    indicators: tuple[IndicatorV1, ...] = Field((), max_length=_MAX_INDICATORS)


def read(document: Any) -> Reading:
    """The one event of this body."""
    try:
        alert = AlertV1.model_validate(document)
    except ValidationError as error:
        raise WrongShapeError(flaws_of(error)) from None
    return Reading(
        (
            VendorEvent(
                vendor_alert_id=alert.id,
                detected_at=alert.detected_at,
                disposition=alert.disposition,
                threat_type=alert.threat_type,
                severity=alert.severity,
                title=visible(alert.title) or next((visible(m.subject) for m in alert.messages if m.subject), None),
                campaign_id=visible(alert.campaign_id),
                messages=tuple(_message(message) for message in alert.messages),
                indicators=tuple(
                    found
                    for i in alert.indicators
                    # What is nothing of its declared type may be something else; the raw body keeps what is nothing.
                    if (found := parse(i.type, i.value, SOURCE_NAME) or recognise(i.value, SOURCE_NAME))
                ),
            ),
        )
    )


def _message(message: MessageV1) -> Message:
    senders = all_spelled([message.sender])
    return Message(
        internet_message_id=text.message_id(message.internet_message_id),
        network_message_id=(visible(message.network_message_id) or "").lower() or None,
        sender=next(iter(senders), None),
        senders=senders,
        subject=visible(message.subject),
        received_at=message.received_at,
        recipients=text.addresses(list(message.recipients)),
    )


SOURCE_NAME = "clawback"
SOURCE = Source(authenticate=signed, read=read)
