"""The turn survives that others write the incident in between."""

import pytest

from functions.expand_recipients.turn import record
from shared.domain.incident import Incident, Plan, PlanState
from shared.errors import ConflictError
from shared.pipeline.stage import Done, RetryLater
from shared.ports.versioned import Versioned
from tests.fakes.state import FakeIncidents
from tests.unit.functions.tenant import INCIDENT, Tenant


class Busy(FakeIncidents):
    """Incidents that somebody else changes before each of our first writes."""

    times = 0

    async def replace(self, incident: Incident, etag: str) -> Versioned[Incident]:
        if self.times > 0:
            self.times -= 1
            read = await self.read(incident.id)
            changed = read.value.model_copy(update={"title": f"changed {self.times}"})
            await super().replace(changed, read.etag)
        return await super().replace(incident, etag)


async def busy(times: int) -> tuple[Tenant, Busy]:
    tenant = Tenant()
    tenant.incidents = incidents = Busy()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    incidents.times = times
    return tenant, incidents


async def test_a_changed_incident_is_read_again_and_nothing_of_it_is_lost() -> None:
    tenant, _ = await busy(3)
    assert await tenant.expand() == Done()
    assert tenant.plan.state is PlanState.RUNNING
    assert tenant.incident.title == "changed 0"


async def test_an_incident_that_never_rests_is_left_for_later() -> None:
    tenant, incidents = await busy(1000)
    assert isinstance(await tenant.expand(), RetryLater)
    incidents.times = 0
    assert await tenant.expand() == Done()


async def test_a_plan_that_cannot_be_recorded_is_a_conflict() -> None:
    tenant, incidents = await busy(0)
    await tenant.expand()
    plan = tenant.plan
    other = plan.model_copy(update={"id": "plan-other"})
    incidents.times = 1000

    def make(_: Incident) -> Plan:
        return other

    with pytest.raises(ConflictError):
        await record(INCIDENT, make, tenant.expand_deps)
