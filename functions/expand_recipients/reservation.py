"""A plan's share of the tenant's budget: taken before the plan runs, once, and given back if it does not run."""

from functions.expand_recipients.limits import budget_reasons
from functions.expand_recipients.models import Deps
from shared.domain.ids import PlanId
from shared.domain.tenant import Amount, Budget


async def reserve(plan: PlanId, wanted: Amount, mailbox_total: int, deps: Deps) -> tuple[str, ...]:
    """Take this much out of the budget for the plan; if it does not fit, nothing is taken, and the reasons are told.

    A plan that has taken its share before its worker died is not counted again.
    """
    reasons: tuple[str, ...] = ()
    now = deps.now()

    def change(budget: Budget) -> Budget | None:
        nonlocal reasons
        reasons = ()
        if budget.has(plan):
            return None
        reasons = budget_reasons(deps.policy.budget, budget, wanted, mailbox_total=mailbox_total, now=now)
        return None if reasons else budget.with_plan(plan, wanted, now)

    await deps.tenant.update(Budget, change)
    return reasons


async def release(plan: PlanId, deps: Deps) -> None:
    """Give back what the plan took, if it took anything."""
    now = deps.now()
    await deps.tenant.update(Budget, lambda budget: budget.without_plan(plan, now))
