"""The pause and the budget: the same thing said twice is said once, in any order."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import PlanId
from shared.domain.tenant import DAY, HOUR, MAX_CHANGES, MAX_RESERVATIONS, Amount, Budget, Pause, PauseChange

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)


def a_change(number: int, *, paused: bool, seconds: float | None = None) -> PauseChange:
    at = NOW + timedelta(seconds=number if seconds is None else seconds)
    return PauseChange(command_id=f"cmd-{number}", paused=paused, by="ann", at=at, reason="r")


def after(pause: Pause, *changes: PauseChange) -> Pause:
    for change in changes:
        pause = pause.after(change) or pause
    return pause


def test_nobody_has_paused_yet() -> None:
    assert not Pause().paused


def test_the_newest_change_holds_in_whatever_order_they_are_delivered() -> None:
    changes = [a_change(1, paused=True), a_change(2, paused=False), a_change(3, paused=True), a_change(4, paused=False)]
    for order in permutations(changes):
        pause = after(Pause(), *order)
        assert (pause.paused, pause.changes) == (False, tuple(changes))


def test_a_change_that_is_delivered_twice_changes_nothing() -> None:
    paused = after(Pause(), a_change(1, paused=True))
    resumed = after(paused, a_change(2, paused=False))
    assert resumed.after(a_change(1, paused=True)) is None
    assert resumed.after(a_change(2, paused=False)) is None


def test_of_two_changes_at_one_moment_the_pause_holds() -> None:
    both = [a_change(1, paused=True, seconds=0), a_change(2, paused=False, seconds=0)]
    assert after(Pause(), *both).paused
    assert after(Pause(), *reversed(both)).paused


def test_only_the_newest_changes_are_kept_and_an_old_one_does_not_come_back() -> None:
    pause = after(Pause(), *(a_change(number, paused=bool(number % 2)) for number in range(MAX_CHANGES + 5)))
    assert [change.command_id for change in pause.changes] == [f"cmd-{n}" for n in range(5, MAX_CHANGES + 5)]
    assert pause.after(a_change(0, paused=True)) is None


def plan(number: int) -> PlanId:
    return PlanId(f"plan-{number:032}")


AMOUNTS = st.tuples(st.integers(0, 2 * 24 * 3600), st.integers(1, 500), st.integers(0, 500))


@given(st.lists(AMOUNTS, max_size=40))
def test_what_was_taken_within_a_span_is_never_told_as_less(taken: list[tuple[int, int, int]]) -> None:
    budget = Budget()
    times = []
    for number, (seconds, targets, mailboxes) in enumerate(sorted(taken)):
        at = NOW + timedelta(seconds=seconds)
        times.append((at, targets, mailboxes))
        budget = budget.with_plan(plan(number), Amount(targets=targets, mailboxes=mailboxes), at)
    now = times[-1][0] if times else NOW
    for span in (HOUR, DAY):
        used = budget.used(span, now)
        for told, amounts in (
            (used.targets, [(at, targets) for at, targets, _ in times]),
            (used.mailboxes, [(at, mailboxes) for at, _, mailboxes in times]),
        ):
            least = sum(amount for at, amount in amounts if at > now - span)
            most = sum(amount for at, amount in amounts if at > now - span - timedelta(minutes=10))
            assert least <= told <= most


def test_after_an_hour_and_a_day_it_is_there_again() -> None:
    budget = Budget().with_plan(plan(1), Amount(targets=5, mailboxes=3), NOW)
    later = NOW + timedelta(minutes=71)
    assert (budget.used(HOUR, later), budget.used(DAY, later)) == (Amount(), Amount(targets=5, mailboxes=3))
    assert budget.used(DAY, NOW + timedelta(hours=24, minutes=11)) == Amount()


def test_what_a_plan_took_is_given_back_once() -> None:
    budget = Budget().with_plan(plan(1), Amount(targets=5, mailboxes=3), NOW)
    budget = budget.with_plan(plan(2), Amount(targets=2, mailboxes=2), NOW)
    later = NOW + timedelta(hours=2)
    given_back = budget.without_plan(plan(1), later)
    assert given_back is not None
    assert given_back.used(DAY, later) == Amount(targets=2, mailboxes=2)
    assert given_back.without_plan(plan(1), later) is None
    assert not given_back.has(plan(1))


def test_the_document_stays_small_however_many_plans_there_are() -> None:
    budget = Budget()
    for number in range(3 * MAX_RESERVATIONS):
        at = NOW + timedelta(minutes=2 * number)
        budget = budget.with_plan(plan(number), Amount(targets=10**6, mailboxes=10**6), at)
    assert len(budget.reservations) == MAX_RESERVATIONS
    assert budget.has(plan(3 * MAX_RESERVATIONS - 1))
    assert len(json.dumps(budget.to_document())) < 120_000
