"""The case of `tests.world`, for the tests of the enrich and expand_recipients stages."""

from datetime import timedelta
from typing import Any

from functions.enrich.handler import handle as enrich
from functions.enrich.models import Deps as EnrichDeps
from functions.expand_recipients.handler import handle as expand
from functions.expand_recipients.models import Deps as ExpandDeps
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType, alert_id
from shared.domain.enrichment import Enrichment, enrichment_path
from shared.domain.ids import AlertId
from shared.domain.incident import AlertLink, Incident
from shared.domain.message import Message
from shared.domain.target import Target
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients
from shared.pipeline.stage import Outcome
from tests.fakes.clock import START
from tests.world import AUTOMATIC, DELIVERED, INCIDENT, LEASE_SECONDS, MESSAGE_ID, SENDER, World, throttled

__all__ = [
    "ALERT",
    "AUTOMATIC",
    "DELIVERED",
    "INCIDENT",
    "LEASE_SECONDS",
    "MESSAGE_ID",
    "SENDER",
    "Tenant",
    "throttled",
]

ALERT = alert_id("tap", "1")


class Tenant(World):
    """Alerts about the malicious mail, and both stages."""

    async def alert(self, *recipients: str, number: int = 1, **changes: Any) -> AlertId:
        """An alert about the malicious mail, joined into the incident."""
        known = {
            "internet_message_id": MESSAGE_ID,
            "sender": SENDER,
            "subject": "Invoice",
            "received_at": DELIVERED,
            "recipients": tuple(f"{name}@contoso.example" if "@" not in name else name for name in recipients),
        }
        alert = Alert(
            id=alert_id("tap", str(number)),
            source="tap",
            vendor_alert_id=str(number),
            received_at=START,
            severity=Severity.HIGH,
            threat_type=ThreatType.PHISH,
            messages=(Message.model_validate({**known, **changes}),),
            evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
        )
        await self.alerts.add(alert)
        link = AlertLink(
            id=alert.id,
            incident_id=INCIDENT,
            source="tap",
            received_at=START + timedelta(milliseconds=number),
            severity=alert.severity,
            threat_type=alert.threat_type,
            addresses=sum(len(message.recipients) for message in alert.messages),
        )
        await self.incidents.open(Incident(id=INCIDENT, opened_at=START))
        await self.incidents.join(link, alert.messages, [])
        return alert.id

    async def enrich(self) -> Outcome:
        """One delivery to the enrich stage."""
        return await enrich(EnrichAlerts(incident_id=INCIDENT), self.provide(EnrichDeps))

    async def expand(self) -> Outcome:
        """One delivery to the expand_recipients stage."""
        return await expand(ExpandRecipients(incident_id=INCIDENT), self.expand_deps)

    @property
    def expand_deps(self) -> ExpandDeps:
        """The services of the expand_recipients stage."""
        return self.provide(ExpandDeps)

    @property
    def enrichment(self) -> Enrichment:
        """What the enrich stage kept of the first alert alone."""
        return Enrichment.model_validate_json(self.evidence.blobs[enrichment_path(INCIDENT, [ALERT])])

    @property
    def enrichments(self) -> list[Enrichment]:
        """All that the enrich stage kept."""
        kept = [content for path, content in self.evidence.blobs.items() if path.startswith("enrichment/")]
        return [Enrichment.model_validate_json(content) for content in kept]

    def reached(self) -> dict[str, str]:
        """The path to each target of the malicious mail or what was made of it, by address."""
        return {t.mailbox.address.partition("@")[0]: path_of(t) for t in self.targets.all}


def path_of(target: Target) -> str:
    """The path to a target, without its beginning: `group:sales forward:ann`."""
    hops = [f"{hop.via}:{hop.name.partition('@')[0]}" for hop in target.hops if hop.via != "alert"]
    return " ".join(hops)
