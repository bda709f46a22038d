"""From an alert's addresses to a frozen plan, and what follows from it."""

import hashlib
from datetime import timedelta

import pytest

from shared.domain import incident
from shared.domain.alert import RawPayload
from shared.domain.incident import AlertStep, IncidentState, Plan, PlanState
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.domain.target import TargetState
from shared.errors import ConflictError, DeniedError, UnavailableError
from shared.pipeline.payloads import ChunkChanged, IncidentChanged, PullChunk
from shared.pipeline.stage import Done
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import ForwardingRule, Item
from tests.unit.functions.tenant import (
    ALERT,
    AUTOMATIC,
    INCIDENT,
    MESSAGE_ID,
    SENDER,
    Tenant,
    throttled,
)

FORWARD_ID = "<forward@contoso.example>"
CHANGED = IncidentChanged(incident_id=INCIDENT)


async def planned(tenant: Tenant, *recipients: str) -> Tenant:
    """The alert about these recipients, through both stages."""
    await tenant.alert(*recipients)
    assert await tenant.enrich() == Done()
    tenant.queue.sent.clear()
    assert await tenant.expand() == Done()
    return tenant


def held(*recipients: str, rule: str = "needs_approval") -> Tenant:
    tenant = Tenant(policy={**AUTOMATIC, "rules": [{"name": "ask", "then": rule}]})
    for name in recipients:
        tenant.person(name)
    return tenant


async def test_an_automatic_plan_runs() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    await planned(tenant, "ann", "bob")

    plan = tenant.plan
    assert (plan.state, plan.targets, plan.mailboxes, plan.chunks, plan.approval_reasons) == (
        PlanState.RUNNING,
        2,
        2,
        1,
        (),
    )
    assert plan.hash == hashlib.sha256(tenant.evidence.blobs[plan.manifest]).hexdigest()
    assert tenant.incident.state is IncidentState.PULLING
    assert (tenant.incident.planned, tenant.incident.plans.running) == (1, 1)
    assert [(link.step, link.plan_id) for link in tenant.links] == [(AlertStep.PLANNED, plan.id)]
    assert (plan.alert_ids, plan.dispatched, plan.unrecorded) == ((ALERT,), True, True)
    (chunk,) = {target.chunk_id for target in tenant.targets.all}
    assert tenant.queue.sent == [CHANGED, PullChunk(incident_id=INCIDENT, chunk_id=chunk)]
    target = tenant.targets.all[0]
    assert (target.internet_message_id, target.sender, target.subject) == (MESSAGE_ID, SENDER, "Invoice")
    assert (target.mailbox.id, target.mailbox.name, target.mailbox.department) == ("ann", "Ann", "Sales")
    assert (target.hops[0].via, target.hops[0].name, target.hops[0].ref) == ("alert", "tap", ALERT)


async def test_a_plan_that_waits_for_approval_is_told_to_the_alert_rule(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "clawback")
    tenant = await planned(held("ann"), "ann")
    told = [text for text in caplog.messages if text.startswith("plan_waits ")]
    assert told == [f'plan_waits {{"incident_id": "{INCIDENT}", "plan_id": "{tenant.plan.id}"}}']


async def test_a_held_plan_waits_for_a_person() -> None:
    tenant = await planned(held("ann"), "ann")
    assert (tenant.plan.state, tenant.plan.approval_reasons) == (PlanState.AWAITING_APPROVAL, ("rule: ask",))
    assert tenant.incident.state is IncidentState.AWAITING_APPROVAL
    assert tenant.queue.sent == [CHANGED]
    assert len(tenant.targets.all) == 1


async def test_nested_groups_aliases_and_dead_ends_are_one_list() -> None:
    tenant = Tenant()
    ann, bob = tenant.person("ann", "a.lee"), tenant.person("bob")
    guest = Recipient(RecipientKind.GUEST, "guest@partner.example", "id-guest")
    contact = Recipient(RecipientKind.CONTACT, "contact@partner.example", "id-contact")
    inner = tenant.group("inner", bob, guest, contact)
    tenant.group("outer", ann, inner)
    tenant.directory.groups["inner"].append(tenant.directory.people["outer@contoso.example"])
    tenant.group("secret", hidden=True)
    await planned(tenant, "outer", "a.lee", "secret", "typo")
    assert tenant.reached() == {
        "ann": "",
        "bob": "group:outer group:inner",
        "guest": "group:outer group:inner",
        "contact": "group:outer group:inner",
        "secret": "",
        "typo": "",
    }
    assert {t.reason for t in tenant.targets.all if t.state is TargetState.MAILBOX_MISSING} == {
        "guest",
        "mail_contact",
        "hidden_membership",
        "unknown_address",
    }
    assert (tenant.plan.targets, tenant.plan.mailboxes) == (6, 2)
    (chunk,) = {target.chunk_id for target in tenant.targets.all}
    assert tenant.queue.sent == [
        CHANGED,
        ChunkChanged(incident_id=INCIDENT, chunk_id=chunk),
        PullChunk(incident_id=INCIDENT, chunk_id=chunk),
    ]


async def test_a_plan_without_anything_to_do_is_finished() -> None:
    tenant = await planned(held(), "typo")
    assert (tenant.plan.state, tenant.plan.targets, tenant.plan.approval_reasons) == (PlanState.FINISHED, 1, ())
    assert tenant.incident.state is IncidentState.PULLING
    (chunk,) = {target.chunk_id for target in tenant.targets.all}
    assert tenant.queue.sent == [CHANGED, ChunkChanged(incident_id=INCIDENT, chunk_id=chunk)]


@pytest.mark.parametrize("known_before", [True, False])
async def test_a_mailbox_that_is_on_premises_ends_there(known_before: bool) -> None:
    tenant = Tenant()
    tenant.person("ann")
    refusal = Refusal(RefusalKind.ON_PREMISES, "MailboxNotEnabledForRESTAPI", 404)
    tenant.directory.kinds["ann"] = refusal if known_before else MailboxKind.USER
    tenant.mailboxes.refusals["ann"] = [] if known_before else [refusal] * 2
    await planned(tenant, "ann")
    (target,) = tenant.targets.all
    assert (target.state, target.reason, target.mailbox.id) == (
        TargetState.ON_PREMISES,
        "MailboxNotEnabledForRESTAPI",
        "ann",
    )


async def test_forwards_and_replies_are_followed_to_the_depth_and_no_further() -> None:
    tenant = Tenant()
    for name in ("ann", "bob", "eve", "joe", "sam"):
        tenant.person(name)
    tenant.sent("ann", MESSAGE_ID, "<1@contoso.example>", "bob@contoso.example")
    tenant.sent("bob", "<1@contoso.example>", "<2@contoso.example>", "eve@contoso.example", is_forward=False)
    tenant.sent("eve", "<2@contoso.example>", "<3@contoso.example>", "joe@contoso.example")
    tenant.sent("joe", "<3@contoso.example>", "<4@contoso.example>", "sam@contoso.example")
    await planned(tenant, "ann")
    found = {(t.internet_message_id, t.mailbox.id) for t in tenant.targets.all}
    assert found == {
        (MESSAGE_ID, "ann"),
        ("<1@contoso.example>", "ann"),
        ("<1@contoso.example>", "bob"),
        ("<2@contoso.example>", "bob"),
        ("<2@contoso.example>", "eve"),
        ("<3@contoso.example>", "eve"),
        ("<3@contoso.example>", "joe"),
    }
    assert tenant.reached()["joe"] == "forward:ann reply:bob forward:eve"


async def test_a_circle_of_forwards_ends() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    tenant.sent("ann", MESSAGE_ID, "<1@contoso.example>", "bob@contoso.example")
    tenant.sent("bob", "<1@contoso.example>", MESSAGE_ID, "ann@contoso.example")
    tenant.sent("bob", "<1@contoso.example>", "<1@contoso.example>", "ann@contoso.example")
    await planned(tenant, "ann")
    found = [(t.internet_message_id, t.mailbox.id) for t in tenant.targets.all]
    assert len(found) == len(set(found)) == 4


async def test_depth_zero_follows_nothing() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "follow": {"depth": 0}})
    tenant.person("ann")
    tenant.person("bob")
    tenant.sent("ann", MESSAGE_ID, FORWARD_ID, "bob@contoso.example")
    assert set((await planned(tenant, "ann")).reached()) == {"ann"}


async def test_answers_to_a_reused_message_id_are_not_followed() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    for number, sender in enumerate((SENDER, "boss@contoso.example")):
        item = Item(str(number), MESSAGE_ID, "", sender=sender)
        tenant.mailboxes.add_item("ann", "Inbox", item)
    tenant.sent("ann", MESSAGE_ID, FORWARD_ID, "bob@contoso.example")
    await planned(tenant, "ann")
    assert set(tenant.reached()) == {"ann"}
    assert tenant.plan.notes == ("message_id_reused: 1",)


async def test_inbox_rules_send_on() -> None:
    tenant = Tenant()
    for name in ("ann", "bob", "eve"):
        tenant.person(name)
    tenant.mailboxes.boxes["ann"].rules = (
        ForwardingRule("to Bob", ("bob@contoso.example",), redirects=True),
        ForwardingRule("out", ("eve@contoso.example",), redirects=False),
    )
    tenant.traced("ann@contoso.example")
    tenant.traced(
        "eve@contoso.example",
        sender="ann@contoso.example",
        internet_message_id=FORWARD_ID,
        subject="FW: Invoice",
    )
    await planned(tenant, "ann")
    assert {(t.mailbox.id, t.internet_message_id) for t in tenant.targets.all} == {
        ("ann", MESSAGE_ID),
        ("bob", MESSAGE_ID),
        ("eve", FORWARD_ID),
    }
    assert tenant.reached()["bob"] == tenant.reached()["eve"] == "inbox_rule:ann"


async def test_without_the_trace_the_recipients_of_a_forwarding_rule_are_looked_at() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.mailboxes.boxes["ann"].rules = (ForwardingRule("out", ("x@partner.example",), redirects=False),)
    await planned(tenant, "ann")
    assert tenant.reached()["x"] == "inbox_rule:ann"
    assert tenant.plan.notes == ("rule_forward_not_identified: 1",)


async def test_inbox_rules_are_not_asked_for_if_the_policy_says_so() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "follow": {"inbox_rules": False}})
    tenant.person("ann")
    tenant.mailboxes.boxes["ann"].rules = (ForwardingRule("out", ("x@partner.example",), redirects=True),)
    assert set((await planned(tenant, "ann")).reached()) == {"ann"}


async def test_the_trace_tells_whom_nobody_named_and_they_are_followed() -> None:
    tenant = Tenant()
    ann, bob = tenant.person("ann", "a.lee"), tenant.person("bob")
    tenant.person("eve")
    tenant.group("sales", ann)
    for address in ("a.lee@contoso.example", "bob@contoso.example"):
        tenant.traced(address)
    tenant.traced("sales@contoso.example", "expanded")
    tenant.traced("joe@contoso.example", "quarantined")
    tenant.sent("bob", MESSAGE_ID, FORWARD_ID, "eve@contoso.example")
    await planned(tenant, "sales")
    assert tenant.reached()["ann"] == "group:sales"
    assert tenant.reached()["eve"] == "trace:message trace forward:bob"
    original = {t.mailbox.id for t in tenant.targets.all if t.internet_message_id == MESSAGE_ID}
    assert original == {ann.id, bob.id}


async def test_group_members_that_the_trace_names_are_not_looked_up_again() -> None:
    tenant = Tenant()
    ann = tenant.person("ann", "a.lee")
    tenant.group("sales", ann)
    tenant.traced("a.lee@contoso.example")
    await planned(tenant, "sales")
    assert "a.lee@contoso.example" not in tenant.directory.asked


async def test_a_dynamic_group_is_told_from_a_mistake() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.traced("everyone@contoso.example", "expanded")
    tenant.traced("ann@contoso.example")
    await planned(tenant, "everyone")
    assert {t.mailbox.address: t.reason for t in tenant.targets.all} == {
        "everyone@contoso.example": "dynamic_group",
        "ann@contoso.example": None,
    }


async def test_a_message_without_id_is_identified_by_the_trace() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.traced("ann@contoso.example")
    await tenant.alert("ann", internet_message_id=None, network_message_id="NMID-1")
    await tenant.enrich()
    await tenant.expand()
    (target,) = tenant.targets.all
    assert target.internet_message_id == MESSAGE_ID


async def test_a_message_that_nobody_can_identify_needs_a_person() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann", internet_message_id=None)
    await tenant.enrich()
    await tenant.expand()
    assert (tenant.plan.state, tenant.plan.targets) == (PlanState.AWAITING_APPROVAL, 0)
    assert tenant.plan.approval_reasons == tenant.plan.notes == ("message_not_identified: 1",)


async def test_a_message_whose_recipients_nobody_tells_needs_a_person() -> None:
    tenant = Tenant()
    tenant.group("empty")
    await planned(tenant, "empty")
    assert (tenant.plan.state, tenant.plan.approval_reasons) == (
        PlanState.AWAITING_APPROVAL,
        ("recipients_unknown: 1",),
    )


async def test_a_trace_that_is_down_is_waited_for_and_then_noted() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.directory.trace_error = UnavailableError("trace", 60.0)
    await tenant.alert("ann")
    await tenant.enrich()
    with pytest.raises(UnavailableError):
        await tenant.expand()
    tenant.now.advance(301)
    assert await tenant.expand() == Done()
    assert (tenant.plan.state, tenant.plan.notes) == (PlanState.RUNNING, ("trace_unavailable: 1",))


async def test_a_trace_that_is_denied_stops_nothing() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.directory.trace_error = DeniedError("trace")
    await planned(tenant, "ann")
    assert (tenant.plan.state, tenant.plan.notes) == (PlanState.RUNNING, ("trace_denied: 1",))


async def test_a_throttled_mailbox_is_waited_for_and_then_noted() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    tenant.mailboxes.refusals["ann"] = [throttled(9.0)] * 4
    with pytest.raises(UnavailableError) as caught:
        await tenant.expand()
    assert caught.value.retry_after == 9.0
    tenant.now.advance(301)
    assert await tenant.expand() == Done()
    assert tenant.plan.notes == ("inbox_rules_throttled: 1", "sent_items_throttled: 1")
    assert tenant.targets.all[0].state is TargetState.PLANNED


async def test_a_denied_mailbox_is_noted_and_left_to_the_pull() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.mailboxes.refuse("ann", RefusalKind.DENIED, times=2)
    await planned(tenant, "ann")
    assert tenant.plan.notes == ("inbox_rules_denied: 1", "sent_items_denied: 1")
    assert tenant.targets.all[0].state is TargetState.PLANNED


async def test_a_throttled_directory_is_always_waited_for() -> None:
    tenant = Tenant()
    tenant.group("sales", tenant.person("ann"))
    await tenant.alert("sales")
    await tenant.enrich()
    tenant.now.advance(3600)
    tenant.directory.refusals["sales"] = [throttled()]
    with pytest.raises(UnavailableError):
        await tenant.expand()
    assert await tenant.expand() == Done()


async def test_an_unknown_number_of_mailboxes_is_waited_for_and_then_holds_the_plan() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.directory.count_error = UnavailableError("count")
    await tenant.alert("ann")
    await tenant.enrich()
    with pytest.raises(UnavailableError):
        await tenant.expand()
    tenant.now.advance(301)
    assert await tenant.expand() == Done()
    assert (tenant.plan.state, tenant.plan.approval_reasons) == (
        PlanState.AWAITING_APPROVAL,
        ("mailbox_count_unknown",),
    )


async def test_protected_people_hold_the_plan() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "protected": {"people": ["ann@contoso.example"]}})
    tenant.group("sales", tenant.person("ann"))
    await planned(tenant, "sales")
    assert tenant.plan.approval_reasons == ("protected_people: 1",)
    assert tenant.targets.all[0].mailbox.protected


async def test_a_second_alert_on_the_same_mail_plans_only_what_is_new() -> None:
    tenant = Tenant()
    for name in ("ann", "bob"):
        tenant.person(name)
    await planned(tenant, "ann")
    for number, recipients in ((2, ("ann",)), (3, ("ann", "bob"))):
        await tenant.alert(*recipients, number=number)
        await tenant.enrich()
        assert await tenant.expand() == Done()
    first, second, third = tenant.plans
    assert [plan.targets for plan in (first, second, third)] == [1, 0, 1]
    assert (second.state, second.chunks) == (PlanState.FINISHED, 0)
    assert third.state is PlanState.RUNNING
    # The others are not looked at again, and the plans say so.
    assert [plan.notes for plan in (first, second, third)] == [(), ("looked_at_before: 1",), ("looked_at_before: 1",)]
    assert sorted(t.mailbox.id or "" for t in tenant.targets.all) == ["ann", "bob"]


async def test_a_second_delivery_plans_nothing_new_and_sends_nothing() -> None:
    tenant = Tenant()
    ann = tenant.person("ann")
    tenant.group("sales", ann)
    await planned(tenant, "sales")
    before, plan, sent = tenant.incident, tenant.plan, list(tenant.queue.sent)
    tenant.directory.groups["sales"].append(tenant.person("bob"))
    tenant.now.advance(5)
    assert await tenant.expand() == Done()
    assert (tenant.incident, tenant.plan) == (before, plan)
    assert tenant.queue.sent == sent
    assert len(tenant.targets.all) == 1


async def test_a_plan_whose_first_delivery_died_before_it_had_sent_everything_is_sent_again() -> None:
    tenant = Tenant()
    ann = tenant.person("ann")
    tenant.group("sales", ann)
    await planned(tenant, "sales")
    before, plan, sent = tenant.incident, tenant.plan, list(tenant.queue.sent)
    tenant.incidents.put(INCIDENT, plan.model_copy(update={"dispatched": False}))
    tenant.directory.groups["sales"].append(tenant.person("bob"))
    tenant.now.advance(5)
    assert await tenant.expand() == Done()
    assert (tenant.incident, tenant.plan) == (before, plan)
    assert tenant.queue.sent == sent * 2
    assert len(tenant.targets.all) == 1


async def test_a_held_plan_that_is_sent_again_is_not_released_but_an_approved_one_is_pulled() -> None:
    tenant = await planned(held("ann"), "ann")
    unsent = tenant.plan.model_copy(update={"dispatched": False})
    tenant.incidents.put(INCIDENT, unsent)
    await tenant.expand()
    assert tenant.queue.sent == [CHANGED] * 2
    approved = unsent.model_copy(update={"state": PlanState.RUNNING, "approved_by": "ann"})
    tenant.incidents.put(INCIDENT, approved)
    await tenant.expand()
    assert any(isinstance(message, PullChunk) for message in tenant.queue.sent)
    assert tenant.plan == approved.model_copy(update={"dispatched": True})


async def test_while_another_worker_plans_nothing_is_planned_and_it_looks_once_more() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    tenant.queue.sent.clear()
    until = tenant.now() + timedelta(minutes=10)
    lease = await tenant.incidents.acquire_lease(INCIDENT, "expand_recipients", tenant.now(), until)
    assert lease is not None
    assert await tenant.expand() == Done()
    assert (tenant.plans, tenant.queue.sent) == ([], [])
    assert await tenant.incidents.release_lease(lease) is not None
    tenant.now.advance(601)
    assert await tenant.expand() == Done()
    assert tenant.plan.state is PlanState.RUNNING


async def test_a_draft_is_finished_before_another_plan_is_begun() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    await tenant.alert("ann")
    await tenant.enrich()
    tenant.directory.trace_error = UnavailableError("trace", 60.0)
    with pytest.raises(UnavailableError):
        await tenant.expand()
    draft = tenant.plan
    assert (draft.state, draft.hash, draft.planned_at) == (PlanState.DRAFT, "", None)
    # A draft is in no number of the case yet: its alert still waits for a plan.
    assert (tenant.incident.planned, tenant.incident.unplanned) == (0, True)
    assert tenant.incident.state is IncidentState.OPEN

    tenant.directory.trace_error = None
    await tenant.alert("ann", "bob", number=2)
    await tenant.enrich()
    assert await tenant.expand() == Done()
    first, second = tenant.plans
    assert (first.id, first.alert_ids) == (draft.id, draft.alert_ids)
    assert [(plan.state, plan.targets) for plan in (first, second)] == [(PlanState.RUNNING, 1)] * 2
    assert second.notes == ("looked_at_before: 1",)


async def test_only_what_policy_treats_alike_is_one_plan() -> None:
    tenant = Tenant(
        policy={
            **AUTOMATIC,
            "rules": [
                {"name": "one", "when": {"recipients_at_most": 1}, "then": "automatic"},
                {"name": "many", "then": "needs_approval"},
            ],
        }
    )
    for name in ("ann", "bob", "eve"):
        tenant.person(name)
    for number, names in enumerate((("ann",), ("ann", "bob"), ("eve",)), start=1):
        await tenant.alert(*names, number=number)
    await tenant.enrich()
    await tenant.expand()
    first, second = tenant.plans
    links = tenant.links
    assert (first.alert_ids, first.state) == ((links[0].id, links[2].id), PlanState.RUNNING)
    assert (second.alert_ids, second.approval_reasons) == ((links[1].id,), ("rule: many",))
    assert not tenant.incident.unplanned


async def test_an_alert_that_is_not_decided_is_not_planned() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    assert await tenant.expand() == Done()
    assert (tenant.plans, tenant.queue.sent) == ([], [])
    assert [link.step for link in tenant.links] == [AlertStep.JOINED]


async def test_a_case_that_others_change_is_read_again_and_nothing_of_it_is_lost() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    times = 3

    def change() -> None:
        nonlocal times
        if times > 0:
            times -= 1
            tenant.incidents.put(INCIDENT, tenant.incident.model_copy(update={"title": f"changed {times}"}))

    tenant.incidents.before_write = change
    assert await tenant.expand() == Done()
    assert tenant.plan.state is PlanState.RUNNING
    assert tenant.incident.title == "changed 0"


async def test_a_case_that_never_rests_is_a_conflict_and_left_for_later() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    tenant.incidents.before_write = lambda: tenant.incidents.put(INCIDENT, tenant.incident)
    with pytest.raises(ConflictError):
        await tenant.expand()
    assert tenant.plans == []
    tenant.incidents.before_write = lambda: None
    # The lease was given back: the message that comes again works at once.
    assert await tenant.expand() == Done()
    assert tenant.plan.state is PlanState.RUNNING


async def test_hostile_text_reaches_the_plan_only_in_a_form_that_can_be_written() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.sent("ann", MESSAGE_ID, "<\ud800@contoso.example>", "bob@contoso.example")
    tenant.sent("ann", MESSAGE_ID, FORWARD_ID, "\ud800@contoso.example", "'; drop@partner.example")
    await planned(tenant, "ann")
    assert {t.internet_message_id for t in tenant.targets.all} == {MESSAGE_ID, FORWARD_ID}
    assert tenant.plan.hash == hashlib.sha256(tenant.evidence.blobs[tenant.plan.manifest]).hexdigest()


async def test_the_plan_that_was_kept_first_is_the_plan() -> None:
    def tenant_of(*names: str) -> Tenant:
        tenant = Tenant()
        tenant.group("sales", *(tenant.person(name) for name in names))
        return tenant

    first = await planned(tenant_of("ann", "bob"), "sales")
    second = tenant_of("ann")
    keep = second.evidence.keep

    async def late(path: str, content: bytes, content_type: str = "") -> RawPayload:
        # Another delivery of the same alert keeps its plan a moment before this one does.
        return await keep(path, first.evidence.blobs.get(path, content), content_type)

    await second.alert("sales")
    await second.enrich()
    second.evidence.keep = late  # type: ignore[method-assign]  # a moment that only a test can hit
    assert await second.expand() == Done()
    assert second.plan.hash == first.plan.hash
    assert second.targets.all == first.targets.all


async def test_alerts_that_name_too_many_recipients_together_are_planned_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A plan of more than the directory tells in one delivery would be begun again and again, and the case with it.
    monkeypatch.setattr(incident, "MAX_ADDRESSES", 3)
    tenant = Tenant()
    names = [tenant.person(f"p{number}").id or "" for number in range(8)]
    for number, some in enumerate((names[:2], names[2:4], names[4:5], names[5:]), start=1):
        await tenant.alert(*some, number=number)
    for _ in range(3):
        await tenant.enrich()
    assert {link.step for link in tenant.links} == {AlertStep.DECIDED}
    for _ in range(2):
        await tenant.expand()
    plans = tenant.incidents.of(INCIDENT, Plan)
    assert [len(plan.alert_ids) for plan in plans] == [1, 2, 1]
    assert [plan.targets for plan in plans] == [2, 3, 3]


async def test_a_decided_alert_that_cannot_be_read_any_more_is_noted_and_the_rest_is_planned() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    bad = await tenant.alert("ann", number=2)
    await tenant.enrich()
    tenant.alerts.unreadable.add(bad)
    assert await tenant.expand() == Done()
    (plan,) = tenant.plans
    assert "alert_unreadable: 1" in plan.notes
    assert plan.targets == 1
    assert not tenant.incident.unplanned


async def test_a_plan_of_alerts_that_cannot_be_read_any_more_ends_without_targets() -> None:
    tenant = Tenant()
    tenant.person("ann")
    bad = await tenant.alert("ann")
    await tenant.enrich()
    tenant.alerts.unreadable.add(bad)
    assert await tenant.expand() == Done()
    (plan,) = tenant.plans
    assert (plan.targets, plan.notes) == (0, ("alert_unreadable: 1",))
    assert not tenant.incident.unplanned
