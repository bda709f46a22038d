"""What a person undid waits for a person, in whatever case it comes again."""

from datetime import datetime

import pytest

from functions.quarantine.handler import handle as quarantine
from functions.quarantine.models import Deps as QuarantineDeps
from shared.domain.ids import IncidentId
from shared.domain.incident import PlanState
from shared.domain.message import Message
from shared.domain.undone import UndoClass, UndoEntry
from shared.pipeline.payloads import PullChunk
from shared.pipeline.stage import Done
from tests.unit.functions.tenant import AUTOMATIC, INCIDENT, MESSAGE_ID, Tenant


def an_undo(tenant: Tenant, number: int = 1, at: datetime | None = None) -> UndoEntry:
    """In another case."""
    return UndoEntry(
        command_id=f"cmd-{number}",
        incident_id=IncidentId("inc-2"),
        by="Ann",
        at=at or tenant.now(),
        reason="our newsletter",
        undo_class=UndoClass.FALSE_POSITIVE,
    )


async def decided(*recipients: str, **changes: str) -> Tenant:
    tenant = Tenant()
    for name in recipients:
        tenant.person(name)
    await tenant.alert(*recipients, number=1, **changes)
    await tenant.enrich()
    tenant.queue.sent.clear()
    return tenant


def waits(tenant: Tenant, reason: str = "undone_before: 1") -> bool:
    plan = tenant.plan
    held = not any(isinstance(one, PullChunk) for one in tenant.queue.sent)
    return held and (plan.state, plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, (reason,))


async def test_a_mail_that_a_person_undid_in_another_case_waits_with_who_and_why() -> None:
    tenant = await decided("ann")
    await tenant.undone.remember([Message(internet_message_id=MESSAGE_ID).key], an_undo(tenant))
    assert await tenant.expand() == Done()
    assert waits(tenant)
    (told,) = tenant.plan.undone
    assert told.text.startswith("undone by Ann at ")
    assert told.text.endswith(" in inc-2 (false_positive) because our newsletter")
    # So the API gives it, and so the document is kept.
    assert tenant.plan.to_document()["undone"][0]["text"] == told.text


async def test_a_mail_that_is_known_by_its_network_message_id_only_waits_too() -> None:
    tenant = await decided("ann", network_message_id="nmid-1")
    await tenant.undone.remember([Message(network_message_id="nmid-1").key], an_undo(tenant))
    await tenant.expand()
    assert waits(tenant)


async def test_a_forward_that_a_person_undid_makes_the_plan_that_reaches_it_wait() -> None:
    tenant = await decided("ann", "bob")
    tenant.sent("ann", MESSAGE_ID, "<fw@contoso.example>", "bob@contoso.example")
    await tenant.undone.remember([Message(internet_message_id="<fw@contoso.example>").key], an_undo(tenant))
    await tenant.expand()
    assert waits(tenant)


async def test_mail_that_nobody_undid_is_pulled() -> None:
    tenant = await decided("ann")
    await tenant.undone.remember([Message(internet_message_id="<other@evil.example>").key], an_undo(tenant))
    await tenant.expand()
    assert (tenant.plan.state, tenant.plan.undone) == (PlanState.RUNNING, ())


async def test_a_plan_with_nothing_to_pull_does_not_wait() -> None:
    tenant = await decided()
    await tenant.alert("typo", number=2)
    await tenant.enrich()
    await tenant.undone.remember([Message(internet_message_id=MESSAGE_ID).key], an_undo(tenant))
    await tenant.expand()
    assert {plan.state for plan in tenant.plans} <= {PlanState.FINISHED, PlanState.AWAITING_APPROVAL}
    assert not any(plan.undone for plan in tenant.plans)


async def test_an_undo_in_the_same_moment_as_the_plan_is_recorded_holds_it() -> None:
    tenant = await decided("ann")
    moments: list[str] = []

    def quicker() -> None:
        if moments or "recall undone" not in tenant.checkpoints.names:
            return
        moments.append("the plan has its reasons, and is not written yet")
        # Another worker handles the undo: it remembers the mail, then it records the command, which changes the header.
        remember = tenant.undone.remember([Message(internet_message_id=MESSAGE_ID).key], an_undo(tenant))
        # On the fakes nothing of it waits: it is done in one step.
        with pytest.raises(StopIteration):
            remember.send(None)
        tenant.incidents.put(INCIDENT, tenant.incident)

    tenant.incidents.before_write = quicker
    await tenant.expand()

    assert moments
    assert waits(tenant)
    assert tenant.plan.undone[0].by == "Ann"


async def test_an_undo_after_the_plan_was_recorded_and_before_its_chunk_is_looked_for_stops_it() -> None:
    tenant = await decided("ann")
    tenant.mail("ann", "Inbox")
    await tenant.expand()
    (pull,) = [one for one in tenant.queue.sent if isinstance(one, PullChunk)]
    await tenant.undone.remember([Message(internet_message_id=MESSAGE_ID).key], an_undo(tenant))

    assert await quarantine(pull, tenant.provide(QuarantineDeps)) == Done()

    assert not tenant.mailboxes.moves
    assert (tenant.plan.state, tenant.plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, ("undone_before: 1",))
    # A delivery of the planning that comes again sends no pull.
    tenant.incidents.put(INCIDENT, tenant.plan.model_copy(update={"dispatched": False}))
    tenant.queue.sent.clear()
    await tenant.expand()
    assert not any(isinstance(one, PullChunk) for one in tenant.queue.sent)


async def test_the_reason_is_beside_the_other_ones() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "rules": [{"name": "ask", "then": "needs_approval"}]})
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    await tenant.undone.remember([Message(internet_message_id=MESSAGE_ID).key], an_undo(tenant))
    await tenant.expand()
    assert tenant.plan.approval_reasons == ("rule: ask", "undone_before: 1")
