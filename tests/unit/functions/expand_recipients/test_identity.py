"""What a target keeps of the mail that was named, and whose answers are not followed."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.incident import PlanState
from shared.errors import UnavailableError
from shared.pipeline.stage import Done
from shared.ports.answers import RefusalKind
from tests.fakes.clock import START
from tests.unit.functions.tenant import DELIVERED, MESSAGE_ID, SENDER, Tenant

GOOD = "boss@contoso.example"
DAYS = timedelta(days=3)
REPLY = "<reply@contoso.example>"


async def planned(*names: str, tenant: Tenant | None = None, **alert: Any) -> Tenant:
    """A plan for these people, who exist."""
    tenant = tenant or of(*names)
    await tenant.alert(*names, **alert)
    assert await tenant.enrich() == Done()
    assert await tenant.expand() == Done()
    return tenant


def of(*names: str) -> Tenant:
    tenant = Tenant()
    for name in (*names, "joe"):
        tenant.person(name)
    return tenant


async def test_the_plan_of_an_alert_without_sender_waits_for_a_person() -> None:
    tenant = await planned("ann", "bob", sender=None)
    assert tenant.plan.state is PlanState.AWAITING_APPROVAL
    assert tenant.plan.approval_reasons == ("sender_unknown: 2",)


async def test_colleagues_replies_to_a_benign_mail_are_not_pulled_because_of_an_unknown_sender() -> None:
    for alert in ({"sender": None}, {"sender": None, "received_at": None}):
        tenant = of("ann", "bob")
        for name in ("ann", "bob"):
            tenant.mail(name, "Inbox", sender=GOOD, received_at=DELIVERED - DAYS)
            tenant.sent(name, MESSAGE_ID, f"<{name}@contoso.example>", "joe@contoso.example", is_forward=False)
        await planned("ann", "bob", tenant=tenant, **alert)
        assert {target.internet_message_id for target in tenant.targets.all} == {MESSAGE_ID}
        note = "message_id_reused: 2" if "received_at" not in alert else "sent_items_unsure: 2"
        assert tenant.plan.notes == (note,)


async def test_replies_are_not_followed_where_no_copy_shows_whose_mail_it_was() -> None:
    tenant = of("ann")
    tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
    await planned("ann", tenant=tenant, sender=None)
    assert set(tenant.reached()) == {"ann"}
    assert tenant.plan.notes == ("sent_items_unsure: 1",)


async def test_replies_to_a_mail_whose_time_subject_and_trace_agree_are_followed_though_its_sender_is_unknown() -> None:
    tenant = of("ann")
    tenant.mail("ann", "Inbox", sender=None)
    tenant.traced("ann@contoso.example")
    tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
    await planned("ann", tenant=tenant, sender=None)
    assert tenant.reached()["joe"] == "forward:ann"


async def test_the_network_message_id_tells_whose_answers_are_followed() -> None:
    for known, followed in (("nmid-1", True), ("nmid-2", False), (None, False)):
        tenant = of("ann")
        tenant.mail("ann", "Inbox", sender=None)
        if known:
            tenant.mailboxes.network_ids["ann/1"] = known
        tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
        await planned("ann", tenant=tenant, network_message_id="nmid-1")
        assert ("joe" in tenant.reached()) is followed


async def test_a_mailbox_that_does_not_tell_the_network_message_id_now_is_waited_for() -> None:
    tenant = of("ann")
    tenant.mail("ann", "Inbox", sender=None)
    tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
    real = tenant.mailboxes.network_message_ids

    async def throttled(items: object) -> object:
        tenant.mailboxes.refuse("ann", RefusalKind.THROTTLED)
        return await real(items)  # type: ignore[arg-type]  # as it came

    tenant.mailboxes.network_message_ids = throttled  # type: ignore[method-assign, assignment]  # throttled each time
    await tenant.alert("ann", network_message_id="nmid-1")
    await tenant.enrich()
    with pytest.raises(UnavailableError):
        await tenant.expand()
    assert not tenant.targets.all


async def test_an_answer_of_days_before_the_mail_is_no_answer_to_it() -> None:
    tenant = of("ann")
    tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
    await planned("ann", tenant=tenant, received_at=START + DAYS)
    assert set(tenant.reached()) == {"ann"}


async def test_a_target_keeps_what_its_copies_are_compared_with() -> None:
    tenant = of("ann")
    tenant.traced("ANN@contoso.example", received_at=DELIVERED + timedelta(seconds=9))
    await planned("ann", tenant=tenant, senders=(SENDER, "x@evil.example"), network_message_id="nmid-1")
    (target,) = tenant.targets.all
    assert target.traits.senders == {SENDER, "x@evil.example"}
    assert (target.subject, target.named_at, target.network_message_id) == ("Invoice", DELIVERED, "nmid-1")
    assert target.traced_at == DELIVERED + timedelta(seconds=9)


async def test_the_trace_says_nothing_about_a_message_id_that_two_mails_have() -> None:
    tenant = of("ann", "bob")
    tenant.traced("ann@contoso.example")
    tenant.traced("bob@contoso.example", network_message_id="nmid-2")
    await planned("ann", "bob", tenant=tenant)
    assert {target.traced_at for target in tenant.targets.all} == {None}


async def test_a_forward_has_the_sender_of_its_copy_or_the_owner_of_the_mailbox() -> None:
    tenant = of("ann")
    tenant.sent("ann", MESSAGE_ID, REPLY, "joe@contoso.example")
    await planned("ann", tenant=tenant)
    forward = next(target for target in tenant.targets.all if target.internet_message_id == REPLY)
    assert forward.senders == ("ann@contoso.example",)
    assert tenant.plan.state is PlanState.RUNNING


async def test_reports_of_one_mail_know_together_what_one_of_them_leaves_out() -> None:
    tenant = of("ann", "bob")
    await tenant.alert("ann", sender=None, subject=None, received_at=None)
    await tenant.alert("bob", number=2)
    await tenant.enrich()
    assert await tenant.expand() == Done()
    assert [(one.sender, one.subject, one.named_at) for one in tenant.targets.all] == [
        (SENDER, "Invoice", DELIVERED),
        (SENDER, "Invoice", DELIVERED),
    ]
    assert tenant.plan.approval_reasons == ()
