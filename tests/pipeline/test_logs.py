"""What the pipeline says in its log: ids, codes and numbers."""

import logging
from typing import Any

import pytest

from shared.domain.incident import Plan
from shared.domain.target import TargetState
from shared.names import Stage
from shared.pipeline.payloads import ApprovePlan, ChangePause, CloseIncident, UndoPull
from tests.pipeline.stages import Pipeline
from tests.unit.functions.tenant import throttled


async def test_no_line_of_the_log_has_a_subject_an_address_or_a_name(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline()
    pipeline.policy["rules"] = [{"name": "ask", "then": "needs_approval"}]
    for name in ("annabel", "roberta"):
        pipeline.person(name)
        pipeline.mail(name, "Inbox")
    pipeline.mailboxes.refusals["roberta"] = [throttled(3.0)] * 3
    caplog.set_level(logging.DEBUG)

    await pipeline.post("annabel", "roberta", "stranger")
    await pipeline.settle()
    (case,) = pipeline.incidents.all
    (plan,) = pipeline.incidents.of(case.id, Plan)
    targets = tuple(target.id for target in pipeline.targets.all)
    told: dict[str, Any] = {"by": "Dana Analyst", "at": pipeline.now(), "reason": "Since Geraldine said so"}
    for command in (
        ApprovePlan(incident_id=case.id, plan_id=plan.id, plan_hash=plan.hash, command_id="cmd-1", **told),
        ApprovePlan(incident_id=case.id, plan_id=plan.id, plan_hash="another", command_id="cmd-2", **told),
        UndoPull(incident_id=case.id, targets=targets, command_id="cmd-3", **told),
        ChangePause(stage=Stage.REPORT, paused=False, command_id="cmd-4", **told),
        CloseIncident(incident_id=case.id, command_id="cmd-5", **told),
    ):
        await pipeline.queue.send(command, correlation_id=case.id)
        await pipeline.settle()

    assert TargetState.RESTORED in {target.state for target in pipeline.targets.all}
    for event in ("message_done", "message_retried", "message_dead_lettered", "chunk_changed"):
        assert event in caplog.text
    for private in ("@", "annabel", "roberta", "stranger", "Invoice", "evil.example", "Dana", "Geraldine", "contoso"):
        assert private.lower() not in caplog.text.lower(), private
