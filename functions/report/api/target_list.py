"""The targets of a case in pages: plan by plan, chunk by chunk. A page costs the same wherever it begins."""

import asyncio
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from functions.report.api.models import ReadDeps
from shared.domain.ids import IncidentId, PlanId, TargetId
from shared.domain.incident import Plan
from shared.domain.target import MAX_CHUNK_TARGETS, Target, chunk_id
from shared.web.paths import ID

# Chunks that are read side by side: each is one query, of some milliseconds.
_AT_ONCE = 8

Take = Callable[[TargetId, Target | None], None]
"""Takes one target of a page; None in place of a target that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last target of a page: its plan, the number of its chunk there, and its id."""

    plan: PlanId
    chunk: int
    target: TargetId

    def token(self) -> str:
        """The continuation that callers hand back as it is. It is safe in a query."""
        return urlsafe_b64encode(json.dumps([self.plan, self.chunk, self.target]).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> "Position":
        """The position that a token names.

        Raises:
            ValueError: no token of ours has this form.
        """
        try:
            content = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            plan, chunk, target = json.loads(content)
        except (ValueError, TypeError, RecursionError):
            raise ValueError("not a continuation") from None
        # It goes to the database.
        is_plan = isinstance(plan, str) and re.fullmatch(ID, plan)
        if not (is_plan and type(chunk) is int and chunk >= 0 and isinstance(target, str)):
            raise ValueError("not a continuation")
        return cls(PlanId(plan), chunk, TargetId(target))


async def page(
    incident_id: IncidentId, after: Position | None, top: int, take: Take, deps: ReadDeps
) -> Position | None:
    """Give at most `top` targets of a case to `take`: plans in the order of their making, targets of a chunk by id.

    What is planned while somebody goes from page to page may be missing from that list.

    Args:
        incident_id: the case.
        after: the last target of the page before; None for the first page.
        top: how many targets.
        take: is called for each.
        deps: services.

    Returns:
        The position of the last target, if there are more.

    Raises:
        ValueError: `after` names no chunk of this case.
    """
    last: Position | None = None
    left = top
    async for position, target in _targets(incident_id, after, top, deps):
        if not left:
            return last
        take(position.target, target)
        last = position
        left -= 1
    return None


async def _targets(
    incident_id: IncidentId, after: Position | None, top: int, deps: ReadDeps
) -> AsyncIterator[tuple[Position, Target | None]]:
    left = top + 1
    waiting: list[tuple[PlanId, int]] = []
    async for place in _chunks(incident_id, after, deps):
        waiting.append(place)
        # No more side by side than the rest of the page needs, if they are full.
        if len(waiting) >= min(_AT_ONCE, 1 + left // MAX_CHUNK_TARGETS):
            async for found in _read(waiting, after, deps):
                yield found
                left -= 1
            waiting.clear()
    async for found in _read(waiting, after, deps):
        yield found


async def _read(
    chunks: list[tuple[PlanId, int]], after: Position | None, deps: ReadDeps
) -> AsyncIterator[tuple[Position, Target | None]]:
    contents = await asyncio.gather(*(deps.targets.list_chunk(chunk_id(plan, number)) for plan, number in chunks))
    for (plan, number), content in zip(chunks, contents, strict=True):
        begun = after is not None and (plan, number) == (after.plan, after.chunk)
        for key, target in content.items():
            if not (begun and after is not None and key <= after.target):
                yield Position(plan, number, key), target


async def _chunks(incident_id: IncidentId, after: Position | None, deps: ReadDeps) -> AsyncIterator[tuple[PlanId, int]]:
    """Plan and number of each chunk of the case, from the one on that `after` is in."""
    first = None if after is None else await _plan_of(incident_id, after, deps)
    passed = first is None
    async for plan in deps.incidents.plans(incident_id, since=None if first is None else first.created_at):
        begin = 0
        if first is not None and after is not None and plan.id == first.id:
            passed, begin = True, after.chunk
        # Plans that were made in the same moment as the first one, and come before it.
        if passed:
            for number in range(begin, plan.chunks):
                yield plan.id, number


async def _plan_of(incident_id: IncidentId, position: Position, deps: ReadDeps) -> Plan:
    found = await deps.incidents.plan(incident_id, position.plan)
    if found is None or position.chunk >= found.value.chunks:
        raise ValueError("not a continuation of this case")
    return found.value
