"""What a person undid: which messages it was, and that no plan goes on with them by itself."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable

from functions.quarantine.chunks import chunks_of
from functions.quarantine.models import Deps
from shared.domain.incident import UNDONE_BEFORE, CaseMessage, Incident, Plan, PlanState, undone_reason
from shared.domain.target import Target, TargetState
from shared.domain.undone import MAX_ON_PLAN, UndoneBefore, by_message, undone_before
from shared.pipeline.events import Event, emit
from shared.pipeline.payloads import IncidentChanged, UndoPull
from shared.ports.incidents import Change
from shared.ports.versioned import Versioned

# Chunks that are read side by side: 2 MB each at most.
_READ_AT_ONCE = 8

# Documents of one page of a case's messages.
_PAGE = 500


async def messages_of(message: UndoPull, deps: Deps) -> set[str]:
    """All keys of the messages that are wanted back: those of the targets, and what alerts of the case know them by."""
    found: set[str] = set()
    async for chunks in chunks_of(message.incident_id, None if message.takes_all else message.targets, deps):
        for start in range(0, len(chunks), _READ_AT_ONCE):
            read = await asyncio.gather(*map(deps.targets.list_chunk, chunks[start : start + _READ_AT_ONCE]))
            held = [target for targets in read for target in targets.values() if target is not None]
            found |= _keys_of(one for one in held if message.takes_all or one.id in message.targets)
    named = [document.message.keys async for document in _case_messages(message, deps)]
    return found.union(*(keys for keys in named if message.takes_all or keys & found))


def _keys_of(targets: Iterable[Target]) -> set[str]:
    """What their messages are known by: as the plan named them, and by the Message-ID that is searched for."""
    found: set[str] = set()
    for target in targets:
        found |= {target.message_key, *by_message((), (target.internet_message_id,))}
    return found


async def _case_messages(message: UndoPull, deps: Deps) -> AsyncIterator[CaseMessage]:
    continuation: str | None = None
    while True:
        page = await deps.incidents.page(message.incident_id, CaseMessage, _PAGE, continuation)
        for document in page.items:
            if isinstance(document, CaseMessage):
                yield document
        if (continuation := page.continuation) is None:
            return


async def not_undone(targets: Collection[Target], deps: Deps) -> list[Target]:
    """Those of these targets whose mail no person undid, in whatever case."""
    messages = {target.message_key: _keys_of([target]) for target in targets}
    found = await deps.undone.recall({key for keys in messages.values() for key in keys}) if messages else {}
    undone = {one.message_key for one in undone_before(messages, found)}
    return [target for target in targets if target.message_key not in undone]


async def stopped_if_undone(plan: Plan, targets: Collection[Target], deps: Deps) -> Plan:
    """The plan, which nobody approved, as it is now: it waits if a person undid a mail that is to be looked for next.

    An undo can be recorded after the plan was, in another case too. Read as late as possible, this leaves open only the
    undo that is recorded while a worker already looks for the copies of this chunk.
    """
    if plan.state not in {PlanState.RUNNING, PlanState.FINISHED}:
        if plan.stopped_at is not None and plan.unrecorded:
            # An earlier delivery stopped it, and may have died before it told the report stage.
            await _tell(plan, deps)
        return plan
    planned = [target for target in targets if target.state is TargetState.PLANNED]
    messages = {target.message_key: _keys_of([target]) for target in planned}
    found = await deps.undone.recall({key for keys in messages.values() for key in keys}) if messages else {}
    if not (undone := undone_before(messages, found)):
        return plan
    return await _stopped(plan, undone, deps)


async def _stopped(plan: Plan, undone: list[UndoneBefore], deps: Deps) -> Plan:
    now = plan

    async def change(case: Incident) -> Change | None:
        nonlocal now
        stored = await deps.incidents.plan(plan.incident_id, plan.id)
        if stored is None:
            return None
        now = stored.value
        if now.approved_by is not None or now.state not in {PlanState.RUNNING, PlanState.FINISHED}:
            # A person released it meanwhile, or another worker stopped it.
            return None
        others = (reason for reason in now.approval_reasons if not reason.startswith(UNDONE_BEFORE))
        now = now.model_copy(
            update={
                "state": PlanState.AWAITING_APPROVAL,
                "approval_reasons": (*others, undone_reason(len(undone))),
                "undone": tuple(undone[:MAX_ON_PLAN]),
                "stopped_at": deps.now(),
                "unrecorded": True,
            }
        )
        header = case.with_plan(stored.value.state, PlanState.AWAITING_APPROVAL)
        return Change(header, replace=[Versioned(now, stored.etag)])

    await deps.incidents.update(plan.incident_id, change)
    await _tell(now, deps)
    return now


async def _tell(plan: Plan, deps: Deps) -> None:
    await deps.queue.send(IncidentChanged(incident_id=plan.incident_id), correlation_id=plan.incident_id)
    if plan.state is PlanState.AWAITING_APPROVAL:
        emit(Event.PLAN_WAITS, incident_id=plan.incident_id, plan_id=plan.id)
