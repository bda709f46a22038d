import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from functions.quarantine.sweep import SweepDeps, sweep
from shared.domain import incident
from shared.domain.ids import AlertId, IncidentId
from shared.domain.incident import (
    MAX_PLAN_ALERTS,
    Action,
    AlertLink,
    AlertStep,
    Decision,
    Incident,
    IncidentState,
    Priority,
)
from shared.domain.indicators import IndicatorType
from shared.domain.recipient import MailboxKind, NoMailbox, RecipientKind
from shared.errors import DeniedError, UnavailableError
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, IncidentChanged
from shared.pipeline.stage import Done
from shared.ports.answers import Refusal, RefusalKind
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.tenant import ALERT, AUTOMATIC, INCIDENT, LEASE_SECONDS, SENDER, Tenant, throttled

EXPAND = ExpandRecipients(incident_id=INCIDENT)
CHANGED = IncidentChanged(incident_id=INCIDENT)
TOLD = [CHANGED, EXPAND]


async def test_finds_out_who_decides_and_hands_on() -> None:
    tenant = Tenant()
    ann = tenant.person("ann", "a.lee", department="Finance")
    tenant.group("sales", ann)
    await tenant.alert("a.lee", "sales", "nobody", "partner@partner.example")

    assert await tenant.enrich() == Done()

    people = {person.address: person for person in tenant.enrichment.recipients}
    assert list(people) == sorted(people)
    found = people["a.lee@contoso.example"]
    assert (found.kind, found.id, found.name, found.department) == (RecipientKind.USER, "ann", "Ann", "Finance")
    assert (found.mailbox, found.no_mailbox) == (MailboxKind.USER, None)
    assert people["sales@contoso.example"].kind is RecipientKind.GROUP
    assert people["nobody@contoso.example"].kind is RecipientKind.UNKNOWN
    assert [(i.type, i.value) for i in tenant.enrichment.indicators[ALERT]] == [(IndicatorType.SENDER, SENDER)]
    (link,) = tenant.links
    decision = link.decision
    assert decision is not None
    assert (link.step, link.unrecorded) == (AlertStep.DECIDED, True)
    assert tenant.evidence.blobs.keys() == {link.enrichment}
    assert (decision.action, decision.rule) == (Action.AUTOMATIC, "all")
    assert "1 groups (+5)" in decision.priority.reasons
    assert (tenant.incident.decided, tenant.incident.ignored) == (1, 0)
    assert tenant.incident.latest_decision == decision
    assert tenant.queue.sent == TOLD


async def test_an_ignored_alert_goes_no_further() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "rules": [{"name": "none", "then": "ignore"}]})
    await tenant.alert("ann")
    assert await tenant.enrich() == Done()
    assert [link.step for link in tenant.links] == [AlertStep.IGNORED]
    assert (tenant.incident.decided, tenant.incident.ignored) == (1, 1)
    assert tenant.incident.state is IncidentState.IGNORED
    assert not tenant.incident.unplanned
    # The next stage is told and finds nothing to plan.
    assert await tenant.expand() == Done()
    assert tenant.plans == []


async def test_a_second_delivery_decides_the_same_though_the_world_has_changed() -> None:
    tenant = Tenant()
    await tenant.alert("ann")
    await tenant.enrich()
    first, links = tenant.incident, tenant.links
    tenant.person("ann")
    tenant.policy["rules"] = [{"name": "other", "then": "ignore"}]
    tenant.now.advance(60)
    await tenant.enrich()
    assert tenant.incident == first
    assert tenant.links == links
    assert tenant.queue.sent == TOLD * 2


async def test_privileged_and_protected_people() -> None:
    tenant = Tenant()
    ann, bob, eve = tenant.person("ann"), tenant.person("bob", "chair"), tenant.person("eve")
    tenant.group("executives", ann)
    tenant.group("legal", eve)
    tenant.policy |= {
        "privileged": {"groups": ["Executives@contoso.example", "nothing@contoso.example"]},
        "protected": {"people": ["chair@contoso.example"], "groups": ["legal"]},
    }
    await tenant.alert("ann", "bob")
    await tenant.enrich()
    marks = {p.id: (p.privileged, p.protected) for p in tenant.enrichment.recipients}
    assert marks == {"ann": (True, False), "bob": (False, True)}
    assert tenant.enrichment.privileged == ("ann",)
    assert tenant.enrichment.protected == (bob.id, eve.id)
    assert tenant.enrichment.notes == ("policy_names_nobody",)
    assert "1 privileged (+15)" in tenant.enrichment.decisions[ALERT].priority.reasons


@pytest.mark.parametrize("kind", [RefusalKind.ON_PREMISES, RefusalKind.MAILBOX_MISSING])
async def test_no_mailbox_is_told_with_its_code(kind: RefusalKind) -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.directory.kinds["ann"] = Refusal(kind, "MailboxNotEnabledForRESTAPI", 404)
    await tenant.alert("ann")
    await tenant.enrich()
    (person,) = tenant.enrichment.recipients
    assert (person.mailbox, person.no_mailbox, person.code) == (None, NoMailbox(kind), "MailboxNotEnabledForRESTAPI")


@pytest.mark.parametrize("kind", [RefusalKind.THROTTLED, RefusalKind.DENIED, RefusalKind.PERMANENT])
async def test_a_mailbox_that_only_does_not_tell_is_not_missing(kind: RefusalKind) -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.directory.kinds["ann"] = Refusal(kind, "x", 403)
    await tenant.alert("ann")
    assert await tenant.enrich() == Done()
    (person,) = tenant.enrichment.recipients
    assert (person.mailbox, person.no_mailbox, person.code) == (None, None, None)


async def test_a_throttled_directory_is_waited_for_and_nothing_is_decided() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann", "bob")
    tenant.directory.refusals["ann@contoso.example"] = [throttled(7.0)]
    tenant.directory.refusals["bob@contoso.example"] = [throttled(3.0)]
    with pytest.raises(UnavailableError) as caught:
        await tenant.enrich()
    assert caught.value.retry_after == 7.0
    assert not tenant.evidence.blobs
    assert not tenant.queue.sent
    assert await tenant.enrich() == Done()


async def test_a_passing_error_is_asked_again_at_once() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    tenant.directory.refusals["ann@contoso.example"] = [Refusal(RefusalKind.TRANSIENT, "UnknownError", 500)] * 2
    assert await tenant.enrich() == Done()
    assert tenant.enrichment.recipients[0].id == "ann"


async def test_whom_a_policy_protects_is_not_guessed() -> None:
    tenant = Tenant()
    tenant.group("legal")
    tenant.policy |= {"protected": {"groups": ["legal"]}}
    await tenant.alert("ann")
    tenant.directory.refusals["legal"] = [Refusal(RefusalKind.DENIED, "Authorization_RequestDenied", 403)]
    with pytest.raises(DeniedError):
        await tenant.enrich()


async def test_an_address_that_the_directory_refuses_is_unknown() -> None:
    tenant = Tenant()
    await tenant.alert("o'brien")
    tenant.directory.refusals["o'brien@contoso.example"] = [Refusal(RefusalKind.PERMANENT, "Request_BadRequest", 400)]
    await tenant.enrich()
    (person,) = tenant.enrichment.recipients
    assert (person.kind, person.code) == (RecipientKind.UNKNOWN, "Request_BadRequest")


async def test_the_undecided_alerts_of_a_case_are_decided_together() -> None:
    tenant = Tenant()
    tenant.person("ann")
    tenant.person("bob")
    for number, names in enumerate((("ann",), ("ann", "bob"), ("bob",)), start=1):
        await tenant.alert(*names, number=number)
    assert await tenant.enrich() == Done()
    assert {link.enrichment for link in tenant.links} == tenant.evidence.blobs.keys()
    assert len(tenant.evidence.blobs) == 1
    assert all(link.decision is not None for link in tenant.links)
    # Each address is looked up once, however many alerts name it.
    assert sorted(tenant.directory.asked) == ["ann@contoso.example", "bob@contoso.example"]
    assert tenant.incident.decided == 3


async def test_more_alerts_than_a_transaction_takes_are_decided_in_batches() -> None:
    tenant = Tenant()
    tenant.person("ann")
    for number in range(1, MAX_PLAN_ALERTS + 3):
        await tenant.alert("ann", number=number)
    assert await tenant.enrich() == Done()
    assert tenant.incident.decided == tenant.incident.alerts == MAX_PLAN_ALERTS + 2
    assert len(tenant.evidence.blobs) == 2
    by_blob = [sum(link.enrichment == path for link in tenant.links) for path in tenant.evidence.blobs]
    assert by_blob == [MAX_PLAN_ALERTS, 2]


async def test_alerts_with_very_many_recipients_are_decided_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "MAX_ADDRESSES", 3)
    tenant = Tenant()
    for number, names in enumerate(("abcde", "abc", "d", "ef", "ghi"), start=1):
        await tenant.alert(*names, number=number)
    assert await tenant.enrich() == Done()
    # One batch more than one delivery does: the rest is the next delivery's.
    assert tenant.queue.sent[-1] == EnrichAlerts(incident_id=INCIDENT)
    assert await tenant.enrich() == Done()
    assert tenant.incident.decided == 5
    batches = [sum(link.enrichment == path for link in tenant.links) for path in tenant.evidence.blobs]
    assert batches == [1, 1, 2, 1]


async def test_an_alert_of_another_case_is_not_decided() -> None:
    tenant = Tenant()
    await tenant.alert("ann")
    other = IncidentId("incident-2")
    await tenant.incidents.open(Incident(id=other, opened_at=tenant.now()))
    stranger = tenant.links[0].model_copy(update={"id": AlertId("alert-stranger"), "incident_id": other})
    await tenant.incidents.join(stranger, [], [])
    assert await tenant.enrich() == Done()
    (link,) = tenant.incidents.of(other, AlertLink)
    assert (link.step, link.decision) == (AlertStep.JOINED, None)


async def test_an_alert_that_is_decided_already_keeps_its_decision_when_others_are_first() -> None:
    tenant = Tenant()
    await tenant.alert("ann")
    await tenant.alert("bob", number=2)
    first = None

    def decide_one() -> None:
        nonlocal first
        if first is None:
            link = tenant.links[0]
            decision = Decision(action=Action.IGNORE, rule="other", priority=Priority(score=1), at=tenant.now())
            first = link.model_copy(update={"decision": decision, "step": AlertStep.IGNORED})
            header = tenant.incident.changed(decided=1, ignored=1)
            tenant.incidents.put(INCIDENT, first, header)

    tenant.incidents.before_write = decide_one
    assert await tenant.enrich() == Done()
    assert tenant.links[0] == first
    assert [link.step for link in tenant.links] == [AlertStep.IGNORED, AlertStep.DECIDED]
    assert (tenant.incident.decided, tenant.incident.ignored) == (2, 1)


@pytest.mark.parametrize("resumed", ["redelivery after the lease", "sweep and redelivery", "a second crash"])
async def test_a_crash_anywhere_changes_nothing_about_the_result(resumed: str) -> None:
    async def run(die_at: int | None) -> tuple[Tenant, Checkpoints]:
        checkpoints = Checkpoints()
        tenant = Tenant(checkpoints)
        tenant.person("ann")
        await tenant.alert("ann")
        await tenant.alert("ann", "bob", number=2)
        checkpoints.passed = 0
        checkpoints.die_at = die_at
        try:
            await tenant.enrich()
        except ProcessDied:
            checkpoints.revive()
            tenant.now.advance(LEASE_SECONDS + 1)
            if resumed == "sweep and redelivery":
                sweep_deps = SweepDeps(
                    targets=tenant.targets,
                    incidents=tenant.incidents,
                    tenant=tenant.tenant,
                    queue=tenant.queue,
                    now=tenant.now,
                )
                for _ in range(await sweep(sweep_deps)):
                    await tenant.enrich()
            if resumed == "a second crash":
                checkpoints.die_at = checkpoints.passed + (die_at or 0) // 2
                with suppress(ProcessDied):
                    await tenant.enrich()
                checkpoints.revive()
                tenant.now.advance(LEASE_SECONDS + 1)
            await tenant.enrich()
        return tenant, checkpoints

    calm, checkpoints = await run(None)
    assert checkpoints.passed >= 20
    for place in range(checkpoints.passed):
        tenant, _ = await run(place)
        # When something was decided differs if it was done after the crash; what, does not.
        assert timeless(tenant) == timeless(calm), place
        assert EXPAND in tenant.queue.sent, place
        assert CHANGED in tenant.queue.sent, place
        assert await tenant.incidents.expired_leases(tenant.now() + timedelta(days=1), 10) == [], place


def timeless(tenant: Tenant) -> tuple[object, ...]:
    """What the stage wrote, without the moments."""
    blobs = {path: _without_at(json.loads(content)) for path, content in tenant.evidence.blobs.items()}
    documents = [_without_at(one.to_document()) for one in (tenant.incident, *tenant.links)]
    return blobs, documents


def _without_at(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_at(inner) for key, inner in value.items() if key != "at"}
        case list():
            return [_without_at(inner) for inner in value]
        case _:
            return value


async def test_the_kept_enrichment_holds_no_more_than_it_says() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    (content,) = tenant.evidence.blobs.values()
    assert set(json.loads(content)) == {
        "incidentId",
        "recipients",
        "privileged",
        "protected",
        "indicators",
        "decisions",
        "notes",
    }


async def test_an_alert_that_cannot_be_read_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    tenant.person("ann")
    good, bad = await tenant.alert("ann"), await tenant.alert("ann", number=2)
    tenant.alerts.unreadable.add(bad)

    assert await tenant.enrich() == Done()

    links = {link.id: link for link in tenant.links}
    assert (links[good].step, links[bad].step) == (AlertStep.DECIDED, AlertStep.IGNORED)
    decision = links[bad].decision
    assert decision is not None
    assert (decision.rule, links[bad].enrichment) == ("alert_unreadable", None)
    assert (tenant.incident.decided, tenant.incident.ignored) == (2, 1)
    assert f'"alert": "{bad}"' in caplog.text
    assert await tenant.expand() == Done()
    assert tenant.incident.planned == 1
    assert not tenant.incident.unplanned


async def test_a_case_whose_only_alert_cannot_be_read_does_not_wait_for_it() -> None:
    tenant = Tenant()
    tenant.alerts.unreadable.add(await tenant.alert("ann"))
    assert await tenant.enrich() == Done()
    assert (tenant.incident.decided, tenant.incident.ignored) == (1, 1)
    assert not tenant.incident.unplanned
    assert not tenant.evidence.blobs
