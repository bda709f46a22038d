"""Lists of targets go through two ports: plans in their order from one, chunks from the other."""

from datetime import timedelta
from uuid import uuid4

import pytest

from functions.report.api.models import ReadDeps
from functions.report.api.target_list import Position, page
from shared.bootstrap import Services
from shared.domain.ids import AlertId, IncidentId, PlanId, TargetId, derive
from shared.domain.incident import Incident, Plan, PlanState
from shared.domain.target import Chunk, Hop, Mailbox, Target, Via, chunk_id, target_id
from shared.ports.incidents import Change
from tests.fakes.activity import FakeActivity
from tests.fakes.clock import START, FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.targets import FakeTargets
from tests.fakes.tenant import FakeTenant


@pytest.fixture
def deps(services: Services | None) -> ReadDeps:
    if services is not None:
        return services.provide(ReadDeps)
    return ReadDeps(FakeIncidents(), FakeTargets(), FakeActivity(), FakeEvidence(), FakeTenant(), FakeClock())


async def a_plan(incident: IncidentId, number: int, seconds: float, chunks: list[int], deps: ReadDeps) -> Plan:
    plan = PlanId(derive("plan", incident, str(number)))
    for place, size in enumerate(chunks):
        key = chunk_id(plan, place)
        targets = [
            Target(
                id=target_id(incident, f"{number}-{place}-{n}", "msg-1"),
                incident_id=incident,
                plan_id=plan,
                chunk_id=key,
                mailbox=Mailbox(address=f"{number}-{place}-{n}@contoso.example"),
                message_key="msg-1",
                internet_message_id="<1@evil.example>",
                hops=(Hop(via=Via.ALERT, name="test"),),
            )
            for n in range(size)
        ]
        await deps.targets.add_chunk(Chunk(id=key, incident_id=incident, plan_id=plan, targets=size), targets)
    return Plan(
        id=plan,
        incident_id=incident,
        alert_ids=(AlertId("alert-1"),),
        created_at=START + timedelta(seconds=seconds),
        state=PlanState.RUNNING,
        targets=sum(chunks),
        chunks=len(chunks),
    )


@pytest.mark.parametrize("top", [1, 2, 5, 7, 1000])
async def test_every_target_once_whatever_the_pages(deps: ReadDeps, top: int) -> None:
    incident = IncidentId(f"inc-{uuid4().hex}")
    await deps.incidents.open(Incident(id=incident, opened_at=START))
    # Moments as text: some have a fraction, some are the same, and a draft has no chunks.
    plans = [
        await a_plan(incident, number, seconds, chunks, deps)
        for number, (seconds, chunks) in enumerate(
            [(1, [2, 1]), (1, [3]), (0.5, [1]), (0, []), (1, [1, 2]), (1.25, [2])]
        )
    ]

    async def change(now: Incident) -> Change | None:
        return Change(now, create=plans)

    await deps.incidents.update(incident, change)
    found: list[TargetId] = []
    after: Position | None = None
    while True:
        last = await page(incident, after, top, lambda key, _: found.append(key), deps)
        if last is None:
            break
        after = Position.parse(last.token())

    assert len(found) == len(set(found)) == 12
