from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.ids import IncidentId, PlanId, TargetId, derive, fresh
from shared.domain.message import visible
from shared.domain.target import chunk_id
from shared.names import Stage
from shared.pipeline.envelope import MAX_BODY, Envelope, backoff, delayed_copy, new_envelope, spare_copy, spread
from shared.pipeline.payloads import IncidentChanged, PullChunk, RestoreChunk, UndoPull
from shared.web.command_body import MAX_TARGETS
from tests.fakes.clock import START


def test_an_envelope_goes_to_its_payloads_stage() -> None:
    payload = PullChunk(incident_id="inc-1", chunk_id="plan.0001")

    envelope = new_envelope(payload, correlation_id="inc-1", now=START)

    assert (envelope.stage, envelope.attempt, envelope.sent_at) == (Stage.QUARANTINE, 0, START)
    assert envelope.payload == {"kind": "pull_chunk", "incidentId": "inc-1", "chunkId": "plan.0001"}
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


def test_the_largest_commands_outside_ascii_fit_a_queue_message() -> None:
    """Ids of the longest form, a thousand targets, and the longest name and reason."""
    named = tuple(TargetId(derive("target", str(number))) for number in range(MAX_TARGETS))
    by, reason = visible("🐟" * 5000, 128) or "", visible("🐟" * 5000, 1000) or ""
    incident, plan, command = (IncidentId(derive("incident", "1")), PlanId(derive("plan", "1")), fresh("cmd"))
    undo = UndoPull(incident_id=incident, targets=named, command_id=command, by=by, at=START, reason=reason)
    restore = RestoreChunk(incident_id=incident, chunk_id=chunk_id(plan, 1), targets=named, command_id=command)
    for payload in (undo, restore):
        envelope = spare_copy(delayed_copy(new_envelope(payload, correlation_id=incident, now=START)))
        assert len(envelope.model_dump_json(exclude_none=True).encode()) < MAX_BODY


def test_a_spare_copy_is_as_old_as_its_message_and_has_none_itself() -> None:
    envelope = new_envelope(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1", now=START)
    spare = spare_copy(delayed_copy(envelope))
    assert (spare.spare, spare.attempt, spare.sent_at, spare.payload) == (True, 1, START, envelope.payload)
    assert not delayed_copy(spare).spare


def test_a_delayed_copy_is_a_message_of_its_own_and_as_old_as_the_first() -> None:
    envelope = new_envelope(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1", now=START)

    copy = delayed_copy(delayed_copy(envelope))

    assert copy.attempt == 2
    assert copy.id != envelope.id
    assert (copy.sent_at, copy.payload, copy.correlation_id) == (START, envelope.payload, "inc-1")


def test_a_later_version_is_not_read_as_this_one() -> None:
    envelope = new_envelope(IncidentChanged(incident_id="inc-1"), correlation_id="inc-1", now=START)

    with pytest.raises(ValidationError):
        Envelope.model_validate({**envelope.to_document(), "v": 2})


@given(st.integers(0, 10_000))
def test_the_back_off_doubles_up_to_a_quarter_of_an_hour(attempt: int) -> None:
    ceiling = 900.0 if attempt > 7 else 5.0 * 2**attempt

    wait = backoff(attempt).total_seconds()

    assert ceiling / 2 <= wait <= ceiling


@given(st.integers(0, 10_000), st.floats(0, 86_400))
def test_many_retries_in_a_short_time_do_not_lead_to_a_long_delay(attempt: int, waited: float) -> None:
    wait = backoff(attempt, timedelta(seconds=waited)).total_seconds()

    assert 0 < wait <= min(900.0, 5.0 + 2 * waited)


def test_workers_do_not_come_back_together() -> None:
    assert len({backoff(3) for _ in range(20)}) > 10
    assert len({spread(3) for _ in range(20)}) > 10


@given(st.floats(0, 86_400))
def test_nobody_comes_back_before_the_time_that_was_asked_for(seconds: float) -> None:
    wait = spread(seconds)

    assert wait >= timedelta(seconds=seconds)
    assert wait <= timedelta(seconds=seconds + 1.001)
