import pytest

from functions.report.api.commands import close
from functions.report.api.models import CommandDeps
from shared.domain.incident import AlertStep
from shared.errors import NotFoundError
from shared.pipeline.payloads import CloseIncident
from shared.web.problems import Problem
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, Case, alert_link, incident, plan

BODY = b'{"by": "ann", "reason": "false alarm"}'


async def test_close_is_queued() -> None:
    case = await Case().keep(plan(1))
    answer = await close(INCIDENT, {}, BODY, case.provide(CommandDeps))
    (message,) = case.queue.sent
    assert message == CloseIncident(
        incident_id=INCIDENT, command_id=answer["commandId"], by="ann", at=START, reason="false alarm"
    )


async def test_a_case_is_not_closed_while_an_alert_has_no_plan() -> None:
    case = await Case().keep(alert_link(AlertStep.DECIDED))
    with pytest.raises(Problem) as caught:
        await close(INCIDENT, {}, BODY, case.provide(CommandDeps))
    assert (caught.value.status, caught.value.body["type"]) == (409, "urn:clawback:problem:not-planned-yet")
    assert case.queue.sent == []


async def test_what_is_closed_stays_closed() -> None:
    case = await Case().keep(header=incident(closed_at=START, closed_by="bob"))
    with pytest.raises(Problem) as caught:
        await close(INCIDENT, {}, BODY, case.provide(CommandDeps))
    assert (caught.value.status, caught.value.body["type"]) == (409, "urn:clawback:problem:incident-closed")
    assert case.queue.sent == []


async def test_no_such_incident() -> None:
    with pytest.raises(NotFoundError):
        await close("inc-9", {}, BODY, Case().provide(CommandDeps))
