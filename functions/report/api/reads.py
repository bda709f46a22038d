"""What people read: incidents, their targets, and whether the record of it all is whole."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from functions.report import chain
from functions.report.api.activity_csv import export
from functions.report.api.models import ReadDeps
from functions.report.api.tree import tree
from shared.domain.ids import IncidentId
from shared.domain.target import Target
from shared.web.problems import Problem

# One answer stays below 10 MB: a target with its copies is about 2 KB of JSON, or 0.5 KB of CSV.
MAX_INCIDENTS = 200
MAX_TARGETS = 5000
MAX_ROWS = 20_000


async def incidents(query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """The newest incidents, `?top=` of them.

    Raises:
        Problem: wrong-parameter.
    """
    found = [incident async for incident in deps.incidents.newest(top_of(query, 50, MAX_INCIDENTS))]
    return {"incidents": [incident.to_document() for incident in found]}


async def incident(incident_id: str, query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """One incident with its counts, one page of its targets (`?after=&top=`), and how the mail got to those.

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such incident.
    """
    now = await deps.incidents.read(IncidentId(incident_id))
    targets, following = await _page(now.id, query, MAX_TARGETS, deps)
    return {
        "incident": now.to_document(),
        "counts": now.counts.to_document(),
        "targets": [target.to_document() for target in targets],
        "tree": tree(targets),
        **({"next": following} if following else {}),
    }


async def activity_csv(incident_id: str, query: Mapping[str, str], deps: ReadDeps) -> tuple[str, str | None]:
    """The CSV, and the query of the next page if there are more rows than one answer holds.

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such incident.
    """
    now = await deps.incidents.read(IncidentId(incident_id))
    targets, following = await _page(now.id, query, MAX_ROWS, deps)
    return export(targets), following


async def verification(incident_id: str, deps: ReadDeps) -> dict[str, Any]:
    """What a check of the incident's chain finds.

    Raises:
        NotFoundError: there is no such incident.
    """
    now = await deps.incidents.read(IncidentId(incident_id))
    return (await chain.check(now, deps.incidents, deps.activity, deps.evidence)).to_document()


async def _page(
    incident_id: IncidentId, query: Mapping[str, str], most: int, deps: ReadDeps
) -> tuple[list[Target], str | None]:
    top, after = top_of(query, most, most), query.get("after")
    page: list[Target] = []
    async for target in deps.targets.of_incident(incident_id):
        if after is not None:
            after = None if target.id == after else after
        elif len(page) == top:
            return page, f"?after={quote(page[-1].id)}&top={top}"
        else:
            page.append(target)
    if after is not None:
        raise Problem(422, "wrong-parameter", "A parameter is wrong", "`after` names no target of this incident.")
    return page, None


def top_of(query: Mapping[str, str], default: int, most: int) -> int:
    """The parameter `top`.

    Raises:
        Problem: wrong-parameter.
    """
    text = query.get("top", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= most):  # noqa: PLR2004 - fits an int
        raise Problem(422, "wrong-parameter", "A parameter is wrong", f"`top` is a number from 1 to {most}.")
    return int(text)
