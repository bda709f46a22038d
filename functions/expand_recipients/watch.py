"""The watch: after the plans of a case, it is looked for some days for what comes later.

due run ─▶ message trace: mail for somebody new, a further delivery for somebody known
              │ every twelve hours also: what known mailboxes sent on, and mailboxes in which something can be new
              ▼
looks (`LookAtChunk`) · a plan of its own for new targets, within the limits of the policy ─▶ next run, or the end

A run is done by the worker that has the lease of the case. Whatever it sends may be sent twice: each delivery, and each
run without a delivery, opens one look.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial

from functions.expand_recipients.manifest import identified
from functions.expand_recipients.models import Deps
from functions.expand_recipients.search import SearchResult, search
from functions.expand_recipients.trace import Traces
from shared.domain.enrichment import Enrichment, merged
from shared.domain.ids import ChunkId, IncidentId, TargetId
from shared.domain.incident import (
    MAX_PLAN_ALERTS,
    Action,
    Incident,
    Plan,
    PlanState,
    Watch,
    watch_plan_id,
)
from shared.pipeline.payloads import LookAtChunk
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned

# As long as a trace is kept (`trace.MAX_AGE`): asked sooner, it would answer the same.
_PERIOD = timedelta(hours=1)

# Mailboxes are asked without a hint this often: with three days that is six times, half of `MAX_AUTOMATIC_LOOKS`.
_FULL_PERIOD = timedelta(hours=12)

# Chunks that one full look takes, some 10,000 mailboxes; the next one goes on behind them.
_FULL_CHUNKS = 100

_RUNS = {PlanState.RUNNING, PlanState.FINISHED}


async def started(plan: Plan, deps: Deps) -> tuple[list[Watch], list[Versioned[Watch]]]:
    """The watch of a case one of whose plans has just been sent: what is to be created, and what replaced."""
    now, hours = deps.now(), deps.policy.watch.hours
    if not hours or plan.state not in _RUNS or not plan.targets or plan.watch:
        return [], []
    until = now + timedelta(hours=hours)
    held = await deps.incidents.watch(plan.incident_id)
    if held is None:
        return [Watch(incident_id=plan.incident_id, until=until, next_at=min(now + _PERIOD, until))], []
    longer = {"until": max(until, held.value.until), "next_at": held.value.next_at or min(now + _PERIOD, until)}
    return [], [Versioned(held.value.model_copy(update=longer), held.etag)]


async def watch_case(incident_id: IncidentId, deps: Deps) -> bool:
    """Make the run of the watch that is due; whether a plan is to be made of what it found.

    Raises:
        UnavailableError, DeniedError: the directory does not answer now; the run is still due.
    """
    held = await deps.incidents.watch(incident_id)
    now = deps.now()
    if held is None or held.value.next_at is None or held.value.next_at > now:
        return False
    watch, case = held.value, await deps.incidents.read(incident_id)
    plans = [] if case.closed_at is not None else await _plans(watch, deps)
    if not plans:
        await _note(held, watch.model_copy(update={"next_at": None}), None, deps)
        return False
    full = watch.last_full_at is None or now - watch.last_full_at >= _FULL_PERIOD
    draft, enrichment = await _draft(watch, plans, now, deps)
    found = await _searched(draft, enrichment, deps, follow_known=full)
    await _look_at_deliveries(found, watch, deps)
    if full:
        await _look_at_all(found, watch, deps)
    new = identified(incident_id, found.tree).keys() - found.known
    done = {
        "runs": watch.runs + 1,
        "last_look_at": now,
        "last_full_at": now if full else watch.last_full_at,
        "full_looks": watch.full_looks + full,
        "next_at": None if now >= watch.until else min(now + _PERIOD, watch.until),
    }
    await _note(held, watch.model_copy(update=done), draft if new else None, deps)
    return bool(new)


async def _plans(watch: Watch, deps: Deps) -> list[Plan]:
    """The plans whose alerts this run searches for. Those of a case with many alerts take turns."""
    groups: list[list[Plan]] = []
    async for plan in deps.incidents.plans(watch.incident_id):
        if plan.state not in _RUNS or plan.watch or not plan.enrichments:
            continue
        last = groups[-1] if groups else []
        if not last or sum(len(one.alert_ids) for one in last) + len(plan.alert_ids) > MAX_PLAN_ALERTS:
            groups.append([plan])
        else:
            last.append(plan)
    return groups[watch.runs % len(groups)] if groups else []


async def _draft(watch: Watch, plans: list[Plan], now: datetime, deps: Deps) -> tuple[Plan, Enrichment]:
    """The plan of what this run finds, if it finds something new."""
    paths = tuple(dict.fromkeys(path for plan in plans for path in plan.enrichments))
    enrichment = merged([Enrichment.model_validate_json(await deps.evidence.read(path)) for path in paths])
    alerts = {alert for plan in plans for alert in plan.alert_ids if alert in enrichment.decisions}
    # The decision about the first alert is that about the plan: the strictest one.
    strict = sorted(alerts, key=lambda alert: (enrichment.decisions[alert].action is Action.AUTOMATIC, alert))
    draft = Plan(
        id=watch_plan_id(watch.incident_id, watch.next_at or now),
        incident_id=watch.incident_id,
        alert_ids=tuple(strict),
        enrichments=paths,
        created_at=now,
        state=PlanState.DRAFT,
        watch=True,
    )
    return draft, enrichment


async def _searched(draft: Plan, enrichment: Enrichment, deps: Deps, *, follow_known: bool) -> SearchResult:
    return await search(
        await deps.alerts.read_all(draft.alert_ids),
        enrichment,
        deps,
        known=partial(deps.targets.known, draft.incident_id),
        traces=Traces(draft.incident_id, deps.evidence, deps.now),
        watch=True,
        follow_known=follow_known,
    )


async def _look_at_deliveries(found: SearchResult, watch: Watch, deps: Deps) -> None:
    """Ask for a look at known targets to which message trace shows a delivery. Those that have its copy ignore it."""
    places = await deps.targets.places(watch.incident_id, sorted(found.delivered))
    chunks: defaultdict[ChunkId, dict[TargetId, datetime]] = defaultdict(dict)
    for target, chunk in places.items():
        chunks[chunk][target] = found.delivered[target]
    await deps.queue.send_all(
        [
            LookAtChunk(
                incident_id=watch.incident_id,
                chunk_id=chunk,
                targets=tuple(sorted(delivered)),
                opener=f"watch:{watch.runs}",
                delivered=delivered,
            )
            for chunk, delivered in sorted(chunks.items())
        ],
        correlation_id=watch.incident_id,
    )


async def _look_at_all(found: SearchResult, watch: Watch, deps: Deps) -> None:
    """Ask for a look where something can be new: where nothing was pulled; everywhere if there is no message trace."""
    traced = not any(note.startswith("trace_") for note in found.notes)
    chunks = sorted([chunk async for chunk in deps.targets.chunks_of(watch.incident_id)])
    begin = watch.full_looks * _FULL_CHUNKS % max(len(chunks), 1)
    await deps.queue.send_all(
        [
            LookAtChunk(
                incident_id=watch.incident_id,
                chunk_id=chunk,
                opener=f"watch:full:{watch.full_looks}",
                pulled_too=not traced,
            )
            for chunk in chunks[begin : begin + _FULL_CHUNKS]
        ],
        correlation_id=watch.incident_id,
    )


async def _note(held: Versioned[Watch], after: Watch, draft: Plan | None, deps: Deps) -> None:
    """Note the run; with a draft for what it found, unless another plan is begun: then the run is made again."""

    async def change(case: Incident) -> Change | None:
        current = await deps.incidents.watch(held.value.incident_id)
        if current is None or current.etag != held.etag:
            # An alert made it longer meanwhile: this run is made again.
            return None
        if draft is not None and await deps.incidents.undispatched_plan(draft.incident_id) is not None:
            return None
        return Change(case, create=[draft] if draft else [], replace=[Versioned(after, held.etag)])

    await deps.incidents.update(held.value.incident_id, change)
