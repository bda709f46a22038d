"""Alerts and incidents: what every implementation must do. The service behind is the local Cosmos DB or a real one."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.fakes.state import FakeAlerts, FakeIncidents

from shared.bootstrap import Services
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType, alert_id
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import AlertLink, Incident
from shared.domain.message import Message
from shared.errors import ConflictError, NotFoundError
from shared.ports.alerts import AlertStore
from shared.ports.incidents import IncidentStore
from tests.fakes.clock import START


@dataclass
class State:
    """The ports, and an incident id that no other test uses."""

    alerts: AlertStore
    incidents: IncidentStore
    incident: IncidentId


@pytest.fixture
def state(services: Services | None) -> State:
    incident = IncidentId(f"inc-{uuid4().hex}")
    if services is None:
        return State(FakeAlerts(), FakeIncidents(), incident)
    return State(services.alerts, services.incidents, incident)


def an_alert(name: str, subject: str = "Invoice") -> Alert:
    return Alert(
        id=alert_id("test", name),
        source="test",
        vendor_alert_id=name,
        received_at=START,
        messages=(Message(internet_message_id="<1@evil.example>", subject=subject),),
        evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
    )


def an_incident(key: IncidentId, minutes: int = 0) -> Incident:
    link = AlertLink(
        id=AlertId("alert-1"), source="test", received_at=START, severity=Severity.HIGH, threat_type=ThreatType.PHISH
    )
    return Incident(id=key, opened_at=START + timedelta(minutes=minutes), alerts=(link,))


async def test_an_alert_is_kept_once(state: State) -> None:
    alert = an_alert(state.incident)

    assert await state.alerts.add(alert) is True
    assert await state.alerts.add(alert.model_copy(update={"title": "another"})) is False

    assert await state.alerts.read(alert.id) == alert
    with pytest.raises(NotFoundError):
        await state.alerts.read(AlertId("alert-none"))


async def test_a_message_belongs_to_whoever_claims_it_first(state: State) -> None:
    key, other = f"msg-{state.incident}", IncidentId(f"{state.incident}-2")

    assert await state.incidents.claim_message(key, state.incident) == state.incident
    assert await state.incidents.claim_message(key, other) == state.incident
    assert await state.incidents.move_claim(key, other, IncidentId("inc-none")) == state.incident
    assert await state.incidents.move_claim(key, state.incident, other) == other
    assert await state.incidents.claim_message(key, state.incident) == other
    with pytest.raises(NotFoundError):
        await state.incidents.move_claim(f"{key}-none", state.incident, other)


async def test_of_two_who_take_a_message_over_one_does(state: State) -> None:
    key = f"msg-{state.incident}"
    heirs = [IncidentId(f"{state.incident}-{i}") for i in range(5)]
    await state.incidents.claim_message(key, state.incident)

    told = await asyncio.gather(*(state.incidents.move_claim(key, state.incident, heir) for heir in heirs))

    (owner,) = set(told)
    assert owner in heirs
    assert await state.incidents.claim_message(key, state.incident) == owner


async def test_an_incident_changes_only_under_its_etag(state: State) -> None:
    incident = an_incident(state.incident)
    assert await state.incidents.add(incident) is True
    assert await state.incidents.add(incident) is False
    read = await state.incidents.read(state.incident)
    assert read.value == incident

    written = await state.incidents.replace(incident.model_copy(update={"title": "one"}), read.etag)
    with pytest.raises(ConflictError):
        await state.incidents.replace(incident.model_copy(update={"title": "two"}), read.etag)

    assert (await state.incidents.read(state.incident)).value.title == "one"
    await state.incidents.replace(incident, written.etag)
    with pytest.raises(NotFoundError):
        await state.incidents.read(IncidentId("inc-none"))


async def test_newest_incidents_first(state: State) -> None:
    # Later than everything that other tests keep, and than what this one kept before.
    late = 2_000_000 + int(uuid4().int % 1_000_000) * 10
    keys = [IncidentId(f"{state.incident}-{i}") for i in range(3)]
    for key, minutes in zip(keys, (late, late + 2, late + 1), strict=True):
        await state.incidents.add(an_incident(key, minutes))
    await state.incidents.claim_message(f"msg-{state.incident}", keys[0])

    newest = [incident async for incident in state.incidents.newest(1000)]

    assert [incident.id for incident in newest if incident.id in keys] == [keys[1], keys[2], keys[0]]
    assert [incident.id async for incident in state.incidents.newest(2)] == [incident.id for incident in newest[:2]]


async def test_a_message_that_an_incident_claims_is_no_incident(state: State) -> None:
    key = f"msg-{uuid4().hex}"
    await state.incidents.claim_message(key, IncidentId("inc-1"))
    with pytest.raises(NotFoundError):
        await state.incidents.read(IncidentId(key))
