"""What people read: cases, their targets, and whether the record of it all is whole."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from functions.report import chain
from functions.report.api.activity_csv import CsvExport, Origin, origins
from functions.report.api.models import ReadDeps
from functions.report.api.parameters import number_of, only, wrong_continuation, wrong_parameter
from functions.report.api.target_list import Position, Take, page
from functions.report.api.tree import Tree
from shared.domain.exposure import exposure
from shared.domain.ids import IncidentId, PlanId, TargetId
from shared.domain.incident import AlertLink, Plan, Watch
from shared.domain.target import Target
from shared.domain.tenant import DAY, HOUR, Budget, Pause

# One answer stays below 10 MB: a target with its copies is about 2 KB of JSON, or 0.5 KB of CSV.
MAX_INCIDENTS = 200
MAX_TARGETS = 5000
MAX_ROWS = 20_000

# JSON in JavaScript and Cosmos DB keep integers exactly up to here.
_MAX_INTEGER = 2**53

_MAX_TOKEN = 500

# Alerts or plans that are read at once.
_MAX_LIST = 500

D = TypeVar("D", AlertLink, Plan)


async def incidents(query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """The newest incidents, `?top=` of them.

    Raises:
        Problem: wrong-parameter.
    """
    only(query, "top")
    found = [
        incident async for incident in deps.incidents.newest(number_of(query, "top", 1, MAX_INCIDENTS, default=50))
    ]
    return {"incidents": [incident.to_document() for incident in found]}


async def incident(incident_id: str, query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """One incident with its counts, one page of its targets (`?top=&continuation=`), and how the mail got to those.

    What holds for the whole tenant stands beside it.

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such incident.
    """
    now, at = await deps.incidents.read(IncidentId(incident_id)), deps.now()
    targets: list[dict[str, Any]] = []
    unreadable: list[TargetId] = []
    tree = Tree()

    def take(key: TargetId, target: Target | None) -> None:
        if target is None:
            unreadable.append(key)
        else:
            exposed = exposure(target, at)
            shown = {"exposedSeconds": exposed.seconds, "stillReachable": exposed.still}
            targets.append({**target.to_document(), **shown})
            tree.add(target)

    following = await _page(now.id, query, MAX_TARGETS, take, deps)
    watch = await deps.incidents.watch(now.id)
    return {
        "incident": now.to_document(),
        "counts": now.counts.to_document(),
        **({"watch": _watch(watch.value)} if watch else {}),
        "canBePutBack": now.can_be_put_back,
        "needsAttention": {"targets": sum(now.needs_attention.values()), "byState": now.needs_attention},
        "targets": targets,
        "tree": tree.roots,
        "tenant": await _tenant(deps),
        **({"unreadable": unreadable} if unreadable else {}),
        **({"next": following} if following else {}),
    }


async def _tenant(deps: ReadDeps) -> dict[str, Any]:
    """Whether pulling is paused, and what plans that no person approved took in the last hour and day."""
    pause, budget, now = await deps.tenant.read(Pause), await deps.tenant.read(Budget), deps.now()
    return {
        "paused": pause.changes[-1].to_document() if pause.paused else None,
        "automatic": {
            name: budget.used(span, now).to_document() for name, span in (("lastHour", HOUR), ("lastDay", DAY))
        },
    }


def _watch(watch: Watch) -> dict[str, Any]:
    """Until when the case is watched, whether it still is, and when it was last looked for something new."""
    seen = watch.to_document()
    return {**{name: seen[name] for name in ("until", "lastLookAt") if name in seen}, "ended": watch.next_at is None}


async def activity_csv(incident_id: str, query: Mapping[str, str], deps: ReadDeps) -> tuple[str, str | None]:
    """The CSV, and the query of the next page if there are more rows than one answer holds.

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such incident.
    """
    now = await deps.incidents.read(IncidentId(incident_id))
    export = CsvExport(now.id, deps.now(), await _origins(now.id, deps), first="continuation" not in query)
    following = await _page(now.id, query, MAX_ROWS, export.add, deps)
    return export.text, following


async def _origins(incident_id: IncidentId, deps: ReadDeps) -> dict[PlanId, Origin]:
    plans = [plan async for plan in _all(incident_id, Plan, deps)]
    alerts = [alert async for alert in _all(incident_id, AlertLink, deps)]
    return origins(plans, alerts)


async def _all(incident_id: IncidentId, kind: type[D], deps: ReadDeps) -> AsyncIterator[D]:
    continuation = None
    while True:
        page = await deps.incidents.page(incident_id, kind, _MAX_LIST, continuation)
        for item in page.items:
            if isinstance(item, kind):
                yield item
        if (continuation := page.continuation) is None:
            return


async def verification(incident_id: str, query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """What a check of the incident's chain finds, or of a part of it (`?after=&max=`).

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such incident.
    """
    only(query, "after", "max")
    after = number_of(query, "after", 0, _MAX_INTEGER, default=0)
    most = number_of(query, "max", 1, chain.MAX_ENTRIES, default=chain.MAX_ENTRIES)
    now = await deps.incidents.read(IncidentId(incident_id))
    try:
        found = await chain.check(now, deps.incidents, deps.activity, deps.evidence, after=after, most=most)
    except ValueError:
        raise wrong_parameter("`after` is beyond the end of the chain.") from None
    following = {} if found.next is None else {"next": f"?after={found.next}&max={most}"}
    return {**found.to_document(), **following}


async def _page(incident_id: IncidentId, query: Mapping[str, str], most: int, take: Take, deps: ReadDeps) -> str | None:
    """Give one page of targets to `take`; the query of the next page if there is one."""
    only(query, "top", "continuation")
    top, token = number_of(query, "top", 1, most, default=most), query.get("continuation")
    if token is not None and len(token) > _MAX_TOKEN:
        raise wrong_continuation()
    try:
        after = None if token is None else Position.parse(token)
        last = await page(incident_id, after, top, take, deps)
    except ValueError:
        raise wrong_continuation() from None
    return f"?continuation={last.token()}&top={top}" if last else None
