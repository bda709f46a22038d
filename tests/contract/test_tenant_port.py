"""What holds for the tenant, by every implementation. The service behind is the local Cosmos DB or a real one."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.ids import PlanId
from shared.domain.tenant import DAY, MAX_CHANGES, Amount, Budget, Pause, PauseChange
from shared.ports.tenant import TenantStore
from tests.fakes.clock import START
from tests.fakes.tenant import FakeTenant


@pytest.fixture
def tenant(services: Services | None) -> TenantStore:
    return FakeTenant() if services is None else services.tenant


def a_change(*, paused: bool, seconds: float = 0) -> PauseChange:
    at = START + timedelta(seconds=seconds)
    return PauseChange(command_id=uuid4().hex, paused=paused, by="Ann 🐟", at=at, reason="wrong mail")


async def test_a_change_is_read_at_once_and_who_and_why_are_kept(tenant: TenantStore) -> None:
    before = await tenant.read(Pause)
    paused, resumed = a_change(paused=True, seconds=10), a_change(paused=False, seconds=20)

    await tenant.update(Pause, lambda now: now.after(paused))
    assert paused in (await tenant.read(Pause)).changes
    written = await tenant.update(Pause, lambda now: now.after(resumed))

    assert await tenant.read(Pause) == written
    assert len(written.changes) == min(len(before.changes) + 2, MAX_CHANGES)
    assert all(change in written.changes for change in (paused, resumed))
    assert await tenant.update(Pause, lambda now: now.after(resumed)) == written


# Tests that share the local cloud pull mail today, and must find a budget.
LONG_AGO = START - timedelta(days=400)


async def test_of_many_at_once_none_is_lost(tenant: TenantStore) -> None:
    plans = [PlanId(f"plan-{uuid4().hex}") for _ in range(5)]
    before = (await tenant.read(Budget)).used(DAY, LONG_AGO)

    async def take(plan: PlanId) -> None:
        await tenant.update(Budget, lambda now: now.with_plan(plan, Amount(targets=2, mailboxes=1), LONG_AGO))

    await asyncio.gather(*map(take, plans))

    budget = await tenant.read(Budget)
    assert all(budget.has(plan) for plan in plans)
    used = budget.used(DAY, LONG_AGO)
    assert (used.targets - before.targets, used.mailboxes - before.mailboxes) == (10, 5)


async def test_nothing_is_written_if_nothing_is_to_change(tenant: TenantStore) -> None:
    now = await tenant.read(Budget)
    assert await tenant.update(Budget, lambda _: None) == now
    assert await tenant.read(Budget) == now
