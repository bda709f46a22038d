from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import ChunkId, IncidentId, PlanId
from shared.domain.target import (
    TERMINAL,
    Copy,
    Hop,
    Mailbox,
    Original,
    Target,
    TargetState,
    Via,
    chunk_id,
    target_id,
)
from tests.fakes.clock import START

S = TargetState

# The picture in docs/architecture.md, written down a second time: every step that there is.
STEPS = {
    S.PLANNED: {
        S.LOCATED,
        S.QUARANTINED,
        S.PARTLY_QUARANTINED,
        S.ALREADY_QUARANTINED,
        S.NOT_FOUND,
        S.GONE_BY_USER,
        S.MAILBOX_MISSING,
        S.ON_PREMISES,
        S.DENIED,
        S.HELD,
        S.FAILED,
    },
    S.LOCATED: {
        S.QUARANTINED,
        S.PARTLY_QUARANTINED,
        S.ALREADY_QUARANTINED,
        S.NOT_FOUND,
        S.GONE_BY_USER,
        S.MAILBOX_MISSING,
        S.ON_PREMISES,
        S.DENIED,
        S.HELD,
        S.FAILED,
    },
    # What of them lies in the hidden folder can be asked for, whatever they are.
    **{state: {S.RESTORING} for state in TERMINAL - {S.RESTORED}},
    S.PARTLY_QUARANTINED: {S.RESTORING, S.PLANNED},
    S.RESTORING: set(TERMINAL),
}
# It was looked at before, and has copies in the hidden folder.
STEPS[S.PLANNED].add(S.RESTORING)


def a_target(state: TargetState = S.PLANNED) -> Target:
    incident = IncidentId("inc-1")
    return Target(
        id=target_id(incident, "box", "msg"),
        incident_id=incident,
        plan_id=PlanId("plan-1"),
        chunk_id=ChunkId("plan-1.0000"),
        mailbox=Mailbox(address="ann@contoso.example"),
        message_key="msg",
        internet_message_id="<1@evil.example>",
        hops=(Hop(via=Via.ALERT, name="test"),),
        state=state,
    )


@pytest.mark.parametrize("start", S)
@pytest.mark.parametrize("end", S)
def test_there_are_only_these_steps(start: TargetState, end: TargetState) -> None:
    target = a_target(start)
    if end in STEPS.get(start, set()):
        moved = target.to(end, "why", attempts=3)
        assert (moved.state, moved.reason, moved.attempts) == (end, "why", 3)
        assert target.state is start
        return
    with pytest.raises(ValueError, match="no step"):
        target.to(end)


def test_only_what_is_restored_ends_for_good() -> None:
    assert {state for state in S if state not in STEPS} == {S.RESTORED}
    assert all(a_target(state).terminal is (state in TERMINAL) for state in S)


@given(st.lists(st.sampled_from(S), max_size=12))
def test_every_way_through_the_states_restores_only_on_the_way_back(wanted: list[TargetState]) -> None:
    target, way = a_target(), [S.PLANNED]
    for state in wanted:
        try:
            target = target.to(state)
        except ValueError:
            continue
        way.append(state)

    for before, after in pairwise(way):
        assert after in STEPS[before]
        if after in {S.RESTORED, S.PARTLY_RESTORED}:
            assert before is S.RESTORING


def test_a_step_forgets_the_reason_of_the_one_before() -> None:
    assert a_target().to(S.LOCATED, "found").to(S.QUARANTINED).reason is None


def test_exposure_is_whole_seconds_and_never_less_than_none() -> None:
    target = a_target()
    assert target.exposed_seconds is None
    assert target.model_copy(update={"delivered_at": START}).exposed_seconds is None
    pulled = START + timedelta(seconds=90, milliseconds=900)
    assert target.model_copy(update={"delivered_at": START, "pulled_at": pulled}).exposed_seconds == 90
    # The mailbox's clock and ours differ.
    assert target.model_copy(update={"delivered_at": pulled, "pulled_at": START}).exposed_seconds == 0


def test_ids_of_targets_and_chunks() -> None:
    incident = IncidentId("inc-1")
    assert target_id(incident, "box", "msg") == target_id(incident, "box", "msg")
    assert (
        len({target_id(incident, "box", "msg"), target_id(incident, "box", "2"), target_id(incident, "2", "msg")}) == 3
    )
    assert [chunk_id(PlanId("plan-1"), n) for n in (0, 42)] == ["plan-1.0000", "plan-1.0042"]


def test_a_target_survives_its_document() -> None:
    target = a_target().model_copy(update={"delivered_at": START, "subject": "\u202e'\"\\ 🐟"})

    assert Target.model_validate(target.to_document()) == target


def a_copy(*, moved: bool = False, unmoved: bool = False) -> Copy:
    original = Original(folder_id="inbox", folder_path="Inbox")
    return Copy(id="1", original=original, moved_at=START if moved else None, unmoved=unmoved)


ENDS = sorted(TERMINAL - {S.QUARANTINED, S.PARTLY_QUARANTINED, S.RESTORED, S.PARTLY_RESTORED})


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("start", [S.PLANNED, S.LOCATED])
def test_a_state_that_says_nothing_was_moved_is_never_reached_once_a_copy_was(start: S, end: S) -> None:
    unmoved, moved, unknown = a_copy(unmoved=True), a_copy(moved=True), a_copy()

    def ended(*copies: Copy, reason: str | None = "why") -> tuple[S, str | None]:
        target = a_target(start).model_copy(update={"copies": copies}).ended(end, reason)
        return target.state, target.reason

    assert ended() == ended(unmoved) == (end, "why")
    assert ended(unmoved, moved) == ended(moved, unknown) == (S.PARTLY_QUARANTINED, "why")
    assert ended(unmoved, unknown) == (S.PARTLY_QUARANTINED, "move_unknown:why")
    assert ended(moved, reason=None) == (S.PARTLY_QUARANTINED, end)


def test_a_step_begins_the_time_of_trying_anew() -> None:
    tries = {"attempts": 3, "trying_since": START, "gives_up_at": START}
    located = a_target().model_copy(update=tries).to(S.LOCATED)
    assert (located.attempts, located.trying_since, located.gives_up_at) == (0, None, None)


def test_what_is_on_its_way_back_knows_how_it_was_pulled() -> None:
    partly = a_target(S.LOCATED).to(S.PARTLY_QUARANTINED, "why")
    back = partly.to(S.RESTORING)
    assert (back.pulled_as, back.pull_reason) == (S.PARTLY_QUARANTINED, "why")
    failed = back.to(S.PARTLY_QUARANTINED, "restore_failed:x")
    assert (failed.reason, failed.pull_reason) == ("restore_failed:x", "why")
    again = failed.to(S.PLANNED).to(S.LOCATED).to(S.QUARANTINED)
    assert again.pulled_as is S.QUARANTINED
