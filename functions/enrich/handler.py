"""The enrich stage: find out who and what, decide, hand on. All undecided alerts of a case are taken together.

undecided alerts ─▶ who, what, policy (kept once as evidence) ─▶ decisions on the case ─▶ expand_recipients, report
"""

from collections.abc import Mapping, Sequence
from functools import partial

from functions.enrich.indicators import collect
from functions.enrich.models import Deps
from functions.enrich.people import recipients
from functions.enrich.priority import score
from shared.domain.alert import Alert
from shared.domain.enrichment import Enrichment, enrichment_path
from shared.domain.ids import IncidentId
from shared.domain.incident import (
    MAX_PLAN_ALERTS,
    UNREADABLE,
    Action,
    AlertLink,
    AlertStep,
    Decision,
    Incident,
    Priority,
    together,
)
from shared.domain.recipient import RecipientKind
from shared.pipeline.case_lease import alone
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import EnrichAlerts, ExpandRecipients, IncidentChanged
from shared.pipeline.stage import Outcome
from shared.policy import PolicyInput, decide
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned


async def handle(message: EnrichAlerts, deps: Deps) -> Outcome:
    """Decide about the undecided alerts of a case."""
    return await alone(message, partial(_decide_some, message.incident_id, deps), deps)


async def _decide_some(incident_id: IncidentId, deps: Deps) -> bool:
    undecided = await deps.incidents.alerts_at(incident_id, AlertStep.JOINED, MAX_PLAN_ALERTS)
    links = [link.value for link in undecided]
    chosen = [link.id for link in links[: together(links)]]
    alerts = await deps.alerts.read_all(chosen) if chosen else []
    if alerts:
        path = enrichment_path(incident_id, [alert.id for alert in alerts])
        kept = await deps.evidence.once(path, partial(_enriched, incident_id, alerts, deps))
        found = Enrichment.model_validate_json(kept)
        await _record(incident_id, path, found.decisions, deps)
    # The other alerts of the case do not wait for one that nobody can read.
    if unreadable := sorted(set(chosen) - {alert.id for alert in alerts}):
        for key in unreadable:
            emit(Event.PROBLEM, type=UNREADABLE, incident=incident_id, alert=key)
        await _record(incident_id, None, dict.fromkeys(unreadable, _unreadable(deps)), deps)
    # Sent on every delivery: an earlier one may have died after its commit.
    await deps.queue.send_all(
        [IncidentChanged(incident_id=incident_id), ExpandRecipients(incident_id=incident_id)],
        correlation_id=incident_id,
    )
    # Alerts that joined meanwhile have a message of their own.
    return len(chosen) < len(undecided) or len(undecided) == MAX_PLAN_ALERTS


def _unreadable(deps: Deps) -> Decision:
    """What is recorded about an alert whose document is missing or cannot be read: no plan can be made for it."""
    reasons = ("the document of the alert is missing or cannot be read",)
    return Decision(action=Action.IGNORE, rule=UNREADABLE, reasons=reasons, priority=Priority(score=0), at=deps.now())


async def _enriched(incident_id: IncidentId, alerts: Sequence[Alert], deps: Deps) -> bytes:
    found = await enrich(incident_id, alerts, deps)
    return found.model_dump_json(exclude_none=True).encode()


async def enrich(incident_id: IncidentId, alerts: Sequence[Alert], deps: Deps) -> Enrichment:
    """All that can be found out about the alerts, and the decision about each."""
    named = {alert.id: sorted({a.lower() for m in alert.messages for a in m.recipients}) for alert in alerts}
    people = await deps.policy_people.read()
    addresses = sorted({address for one in named.values() for address in one})
    found = await recipients(addresses, people, deps.directory)
    by_address = {recipient.address: recipient for recipient in found}
    decisions: dict[str, Decision] = {}
    for alert in alerts:
        who = [by_address[address] for address in named[alert.id]]
        privileged = sum(recipient.privileged for recipient in who)
        now = deps.now()
        priority = score(
            alert,
            recipients=len(who),
            groups=sum(recipient.kind is RecipientKind.GROUP for recipient in who),
            privileged=privileged,
            now=now,
        )
        known = PolicyInput(alert=alert, priority=priority, recipients=len(who), privileged=privileged, at=now)
        decisions[alert.id] = decide(deps.policy, known)
    return Enrichment(
        incident_id=incident_id,
        recipients=found,
        privileged=tuple(sorted(people.privileged)),
        protected=tuple(sorted(people.protected)),
        indicators={alert.id: collect(alert) for alert in alerts},
        decisions=decisions,
        notes=people.notes,
    )


async def _record(incident_id: IncidentId, path: str | None, made: Mapping[str, Decision], deps: Deps) -> None:
    """Put the decisions on the case; an alert that has one already keeps it."""

    async def change(now: Incident) -> Change | None:
        undecided = await deps.incidents.alerts_at(incident_id, AlertStep.JOINED, MAX_PLAN_ALERTS)
        decided = [_decided(one, path, made[one.value.id]) for one in undecided if one.value.id in made]
        if not decided:
            return None
        decisions = [one.value.decision for one in decided if one.value.decision is not None]
        header = now.changed(
            decided=now.decided + len(decided),
            ignored=now.ignored + sum(decision.action is Action.IGNORE for decision in decisions),
            latest_decision=decisions[-1],
        )
        return Change(header, replace=decided)

    await deps.incidents.update(incident_id, change)


def _decided(link: Versioned[AlertLink], path: str | None, decision: Decision) -> Versioned[AlertLink]:
    step = AlertStep.IGNORED if decision.action is Action.IGNORE else AlertStep.DECIDED
    changes = {"decision": decision, "enrichment": path, "step": step, "unrecorded": True}
    return Versioned(link.value.model_copy(update=changes), link.etag)
