import json

import pytest

from shared.domain.incident import Action, IncidentState
from shared.domain.indicators import IndicatorType
from shared.domain.recipient import MailboxKind, NoMailbox, RecipientKind
from shared.errors import DeniedError, UnavailableError
from shared.pipeline.payloads import ExpandRecipients, IncidentChanged
from shared.pipeline.stage import Done, Reject
from shared.ports.answers import Refusal, RefusalKind
from tests.fakes.checkpoints import Checkpoints, ProcessDied
from tests.unit.functions.tenant import ALERT, AUTOMATIC, INCIDENT, SENDER, Tenant, throttled

EXPAND = ExpandRecipients(incident_id=INCIDENT, alert_id=ALERT, enrichment=f"enrichment/{INCIDENT}/{ALERT}.json")
CHANGED = IncidentChanged(incident_id=INCIDENT)


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
    assert [(i.type, i.value) for i in tenant.enrichment.indicators] == [(IndicatorType.SENDER, SENDER)]
    decision = tenant.incident.alerts[0].decision
    assert decision is not None
    assert (decision.action, decision.rule) == (Action.AUTOMATIC, "all")
    assert "1 groups (+5)" in decision.priority.reasons
    assert tenant.queue.sent == [CHANGED, EXPAND]


async def test_an_ignored_alert_goes_no_further() -> None:
    tenant = Tenant(policy={**AUTOMATIC, "rules": [{"name": "none", "then": "ignore"}]})
    await tenant.alert("ann")
    assert await tenant.enrich() == Done()
    assert tenant.queue.sent == [CHANGED]
    assert tenant.incident.state is IncidentState.IGNORED


async def test_a_second_delivery_decides_the_same_though_the_world_has_changed() -> None:
    tenant = Tenant()
    await tenant.alert("ann")
    await tenant.enrich()
    first = tenant.incident
    tenant.person("ann")
    tenant.policy["rules"] = [{"name": "other", "then": "ignore"}]
    tenant.now.advance(60)
    await tenant.enrich()
    assert tenant.incident == first
    assert tenant.queue.sent == [CHANGED, EXPAND] * 2


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
    assert "1 privileged (+15)" in tenant.enrichment.decision.priority.reasons


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


async def test_an_alert_that_is_not_of_this_incident_is_refused() -> None:
    tenant = Tenant()
    await tenant.alert("ann")
    await tenant.alert("ann", number=2)
    stranger = tenant.incident.model_copy(update={"alerts": tenant.incident.alerts[1:]})
    read = await tenant.incidents.read(INCIDENT)
    await tenant.incidents.replace(stranger, read.etag)
    outcome = await tenant.enrich()
    assert isinstance(outcome, Reject)
    assert outcome.reason == "alert_not_joined"


async def test_a_crash_anywhere_changes_nothing_about_the_result() -> None:
    async def run(die_at: int | None) -> tuple[Tenant, Checkpoints]:
        checkpoints = Checkpoints()
        tenant = Tenant(checkpoints)
        tenant.person("ann")
        await tenant.alert("ann")
        checkpoints.passed = 0
        checkpoints.die_at = die_at
        try:
            await tenant.enrich()
        except ProcessDied:
            checkpoints.revive()
            await tenant.enrich()
        return tenant, checkpoints

    calm, checkpoints = await run(None)
    assert checkpoints.passed > 10
    for place in range(checkpoints.passed):
        tenant, _ = await run(place)
        assert tenant.incident == calm.incident, place
        assert tenant.evidence.blobs == calm.evidence.blobs, place
        assert EXPAND in tenant.queue.sent, place
        assert CHANGED in tenant.queue.sent, place


async def test_the_kept_enrichment_holds_no_more_than_it_says() -> None:
    tenant = Tenant()
    tenant.person("ann")
    await tenant.alert("ann")
    await tenant.enrich()
    (content,) = tenant.evidence.blobs.values()
    assert set(json.loads(content)) == {
        "incidentId",
        "alertId",
        "recipients",
        "privileged",
        "protected",
        "indicators",
        "decision",
        "notes",
    }
