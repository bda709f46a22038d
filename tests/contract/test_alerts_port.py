"""The alerts: what every implementation must do. The service behind is the local Cosmos DB or a real one."""

from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.alert import Alert, RawPayload, alert_id
from shared.domain.ids import AlertId
from shared.domain.message import Message
from shared.errors import NotFoundError
from shared.ports.alerts import AlertStore
from tests.fakes.alerts import FakeAlerts
from tests.fakes.clock import START


@pytest.fixture
def alerts(services: Services | None) -> AlertStore:
    return FakeAlerts() if services is None else services.alerts


def an_alert(name: str, subject: str = "Invoice 🐟") -> Alert:
    return Alert(
        id=alert_id("test", name),
        source="test",
        vendor_alert_id=name,
        received_at=START,
        messages=(Message(internet_message_id="<1@evil.example>", subject=subject),),
        evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
    )


async def test_an_alert_is_kept_once(alerts: AlertStore) -> None:
    alert = an_alert(uuid4().hex)

    assert await alerts.add(alert) is True
    assert await alerts.add(alert.model_copy(update={"title": "another"})) is False

    assert await alerts.read(alert.id) == alert
    with pytest.raises(NotFoundError):
        await alerts.read(AlertId("alert-none"))


async def test_as_many_alerts_as_a_plan_has_are_read_at_once_in_order(alerts: AlertStore) -> None:
    name = uuid4().hex
    kept = [an_alert(f"{name}-{number}") for number in range(98)]
    for alert in kept:
        await alerts.add(alert)

    wanted = list(reversed(kept))
    assert await alerts.read_all([alert.id for alert in wanted]) == wanted
    assert await alerts.read_all([AlertId("alert-none"), kept[0].id]) == [kept[0]]
