from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.exposure import Counts, Exposure, exposure, finished_targets
from shared.domain.ids import ChunkId, IncidentId, PlanId, TargetId
from shared.domain.target import TERMINAL, Copy, Hop, Mailbox, Original, ReadState, Target, TargetState, Via
from tests.fakes.clock import START

# What a pull can end in; what is restored, as a whole or in part, was pulled before.
ENDS = sorted(TERMINAL - {TargetState.RESTORED, TargetState.PARTLY_RESTORED})
PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED}


@st.composite
def ended(draw: st.DrawFn) -> list[Target]:
    """Targets in the order in which they end, some of them again: restored in part, restored."""
    steps: list[Target] = []
    for number in range(draw(st.integers(0, 12))):
        seconds = draw(st.none() | st.integers(0, 100_000))
        target = Target(
            id=TargetId(f"target-{number}"),
            incident_id=IncidentId("inc-1"),
            plan_id=PlanId(draw(st.sampled_from(["plan-1", "plan-2"]))),
            chunk_id=ChunkId("plan-1.0000"),
            mailbox=Mailbox(address=f"{number}@contoso.example"),
            message_key="msg",
            internet_message_id="<1@evil.example>",
            hops=(Hop(via=Via.ALERT, name="test"),),
            state=draw(st.sampled_from(ENDS)),
            read=draw(st.sampled_from(ReadState)),
            delivered_at=None if seconds is None else START,
            pulled_at=None if seconds is None else START + timedelta(seconds=seconds),
        )
        if target.state is TargetState.PARTLY_QUARANTINED:
            target = target.model_copy(update={"pull_state": target.state, "pull_reason": "why"})
        steps.append(target)
        if target.state in PULLED and draw(st.booleans()):
            if draw(st.booleans()):
                partly = {"state": TargetState.PARTLY_RESTORED, "partly_restored_at": START}
                steps.append(target := target.model_copy(update=partly))
            if target.state in PULLED or draw(st.booleans()):
                steps.append(target.model_copy(update={"state": TargetState.RESTORED}))
    return steps


@given(ended())
def test_the_sums_are_what_counting_by_hand_gives(steps: list[Target]) -> None:
    counts = Counts()
    for target in steps:
        counts = counts.add(target)

    last = {target.id: target for target in steps}
    pulled = [target for target in steps if target.state in PULLED]
    seconds = [target.exposed_seconds for target in pulled if target.exposed_seconds is not None]
    assert counts.states == Counter(str(target.state) for target in last.values())
    assert counts.targets == len(last)
    assert finished_targets(steps) == Counter(target.plan_id for target in last.values())
    assert (counts.read, counts.unread, counts.read_unknown) == tuple(
        sum(target.read is state for target in pulled)
        for state in (ReadState.READ, ReadState.UNREAD, ReadState.UNKNOWN)
    )
    assert (counts.exposed_targets, counts.exposed_seconds) == (len(seconds), sum(seconds))
    assert counts.longest_exposure == max(seconds, default=0)


@given(ended())
def test_counts_survive_its_document(steps: list[Target]) -> None:
    counts = Counts()
    for target in steps:
        counts = counts.add(target)

    assert Counts.model_validate(counts.to_document()) == counts


SECONDS = st.integers(0, 100_000)
LEFT = [
    TargetState.DENIED,
    TargetState.FAILED,
    TargetState.HELD,
    TargetState.ON_PREMISES,
    TargetState.PARTLY_QUARANTINED,
]


def one(state: TargetState, *, pulled: int | None = None, returned: int | None = None) -> Target:
    """A target that was delivered at START; the others in seconds after that."""
    back = None if returned is None else START + timedelta(seconds=returned)
    return Target(
        id=TargetId("target-1"),
        incident_id=IncidentId("inc-1"),
        plan_id=PlanId("plan-1"),
        chunk_id=ChunkId("plan-1.0000"),
        mailbox=Mailbox(address="ann@contoso.example"),
        message_key="msg",
        internet_message_id="<1@evil.example>",
        hops=(Hop(via=Via.ALERT, name="test"),),
        state=state,
        delivered_at=START,
        pulled_at=None if pulled is None else START + timedelta(seconds=pulled),
        copies=(Copy(id="1", original=Original(folder_id="f", folder_path="Inbox"), restored_at=back),),
    )


def until(target: Target, seconds: int) -> Exposure:
    return exposure(target, START + timedelta(seconds=seconds))


@given(st.sampled_from(LEFT), SECONDS, SECONDS)
def test_exposure_runs_on_while_the_mail_is_reachable(state: TargetState, now: int, later: int) -> None:
    first, second = until(one(state), now), until(one(state), now + later)
    assert (first.seconds, second.seconds) == (now, now + later)
    assert first.still
    assert second.still


@given(SECONDS, SECONDS)
def test_exposure_is_constant_after_the_pull(pulled: int, now: int) -> None:
    assert until(one(TargetState.QUARANTINED, pulled=pulled), now) == Exposure(seconds=pulled, still=False)


@given(st.sampled_from([TargetState.RESTORED, TargetState.PARTLY_RESTORED]), SECONDS, SECONDS, SECONDS)
def test_exposure_runs_again_from_the_return(state: TargetState, pulled: int, hidden: int, since: int) -> None:
    back = one(state, pulled=pulled, returned=pulled + hidden)
    assert until(back, pulled + hidden + since) == Exposure(seconds=pulled + since, still=True)


def test_exposure_is_not_known_where_delivery_is_not() -> None:
    unknown = one(TargetState.FAILED).model_copy(update={"delivered_at": None})
    assert until(unknown, 9) == Exposure(seconds=None, still=True)


def test_exposure_of_what_the_user_removed_has_no_known_end() -> None:
    assert until(one(TargetState.GONE_BY_USER), 9) == Exposure(seconds=None, still=False)
