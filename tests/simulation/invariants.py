"""What holds when all is at rest, whatever has happened (design.md, "What must always hold")."""

from collections import Counter

from functions.report.audit_events import of_document, of_targets
from functions.report.chain import check
from shared.domain.incident import (
    AlertLink,
    AlertStep,
    CaseDocument,
    Command,
    Incident,
    IncidentState,
    Lease,
    Plan,
    PlanCounts,
    PlanState,
)
from shared.domain.target import Copy, Target, TargetState
from shared.ports.mailboxes import Item, Where
from tests.fakes.mailboxes import QUARANTINE
from tests.simulation.owners import marks
from tests.simulation.world import Simulation

# States that say that copies are in the hidden folder, or were put back from there.
_PULLED = {TargetState.QUARANTINED, TargetState.PARTLY_QUARANTINED, TargetState.PARTLY_RESTORED}
_BACK = {TargetState.RESTORED, TargetState.PARTLY_RESTORED}


async def all_holds(world: Simulation) -> None:
    """Everything that is always so."""
    every_alert_is_in_one_case(world)
    no_lease_is_left(world)
    nothing_else_was_moved(world)
    what_is_hidden_is_known(world)
    every_other_mail_is_as_its_owner_left_it(world)
    a_quarantined_mail_cannot_be_reached(world)
    for case in world.incidents.all:
        every_alert_is_decided_and_in_one_plan(world, case)
        the_header_says_what_the_documents_say(world, case)
        every_target_is_in_one_chunk_of_one_plan(world, case)
        await the_chain_tells_everything_once(world, case)


def every_alert_is_in_one_case(world: Simulation) -> None:
    """None is lost, none is in two cases."""
    links = [link.id for case in world.incidents.all for link in world.incidents.of(case.id, AlertLink)]
    assert Counter(links) == Counter(alert.id for alert in world.alerts.all)


def no_lease_is_left(world: Simulation) -> None:
    """Nobody waits for a worker that died."""
    leases = [lease.value for case in world.incidents.leases.values() for lease in case.all(Lease)]
    assert [lease for lease in leases if lease.until is not None] == []
    assert world.targets.leased == []


def nothing_else_was_moved(world: Simulation) -> None:
    """Only copies that a target has were ever moved: no mail of another sender, none that no alert named."""
    named = {copy.id for target in world.targets.all for copy in target.copies}
    assert set(world.mailboxes.moves) <= named
    benign = {item.id for item in world.owners.left.values() if item.sender != world.sender}
    assert not benign & set(world.mailboxes.moves)


def what_is_hidden_is_known(world: Simulation) -> None:
    """A copy lies in the hidden folder exactly if a target says so, and with the marks that its owner gave it."""
    said: dict[str, set[TargetState]] = {}
    for target, copy in _copies(world):
        said.setdefault(copy.id, set()).add(target.state)
    hidden = {item.id for _, item, path in _items(world) if path == QUARANTINE}
    for mailbox, item, path in _items(world):
        states = said.get(item.id, set())
        if path == QUARANTINE:
            assert states & _PULLED, f"{item.id} is hidden, and its targets are {states or 'none'}"
            assert marks(item) == marks(world.owners.left[mailbox, item.id])
    for target, copy in _copies(world):
        if target.state is TargetState.QUARANTINED and not target.reason and not _undone_elsewhere(world, copy):
            assert copy.id in hidden, f"{copy.id} is not hidden, and its target is quarantined"


def every_other_mail_is_as_its_owner_left_it(world: Simulation) -> None:
    """Same folder, same marks; a mail whose folder is gone may be in the Inbox."""
    for mailbox, item, path in _items(world):
        if path == QUARANTINE:
            continue
        left = world.owners.left[mailbox, item.id]
        assert marks(item) == marks(left), f"{item.id} is {marks(item)}, and was left {marks(left)}"
        seen_in = {
            copy.original.folder_id for _, copy in _copies(world) if copy.id == item.id and item.id in world.raced
        }
        if item.folder_id not in {left.folder_id, *seen_in}:
            assert left.folder_id not in world.mailboxes.boxes[mailbox].folders, f"{item.id} is in {path}"
            assert path == "Inbox"


def a_quarantined_mail_cannot_be_reached(world: Simulation) -> None:
    """Where a target is quarantined, no copy of its mail is left, unless it came or was put back later."""
    for target in world.targets.all:
        if target.state is not TargetState.QUARANTINED or target.verified_at is None:
            continue
        for item in world.mailboxes.boxes[target.mailbox.id or ""].items.values():
            path = world.mailboxes.boxes[target.mailbox.id or ""].folders[item.folder_id]
            same = item.internet_message_id == target.internet_message_id and item.sender == world.sender
            if same and path not in {QUARANTINE, Where.PURGES}:
                later = world.arrived[item.id] > target.verified_at
                assert later or _put_back(world, item), f"{item.id} is in {path}, and its target is quarantined"


async def nothing_is_hidden_after_everything_is_undone(world: Simulation) -> None:
    """After an undo of every case each mail is back where it was."""
    assert [item.id for _, item, path in _items(world) if path == QUARANTINE] == []
    every_other_mail_is_as_its_owner_left_it(world)
    states = {target.state for target in world.targets.all if target.copies}
    assert TargetState.QUARANTINED not in states


def every_alert_is_decided_and_in_one_plan(world: Simulation, case: Incident) -> None:
    """None waits for ever."""
    links, plans = world.incidents.of(case.id, AlertLink), world.incidents.of(case.id, Plan)
    assert {link.step for link in links} <= {AlertStep.PLANNED, AlertStep.IGNORED}
    planned = [link.id for link in links if link.step is AlertStep.PLANNED]
    assert Counter(planned) == Counter(alert for plan in plans for alert in plan.alert_ids)
    assert all(plan.dispatched and plan.state is not PlanState.DRAFT for plan in plans)


def the_header_says_what_the_documents_say(world: Simulation, case: Incident) -> None:
    """Its numbers and its state are those of its documents."""
    links, plans = world.incidents.of(case.id, AlertLink), world.incidents.of(case.id, Plan)
    steps, states = Counter(link.step for link in links), Counter(plan.state for plan in plans)
    unapproved = [plan for plan in plans if plan.approved_by is None]
    assert (case.alerts, case.decided) == (len(links), len(links))
    assert (case.ignored, case.planned) == (steps[AlertStep.IGNORED], steps[AlertStep.PLANNED])
    assert case.plans == PlanCounts(
        awaiting_approval=states[PlanState.AWAITING_APPROVAL],
        running=states[PlanState.RUNNING],
        finished=states[PlanState.FINISHED],
    )
    assert case.targets == sum(plan.targets for plan in plans)
    assert case.unapproved_targets == sum(plan.pending for plan in unapproved)
    assert case.unapproved_mailboxes == sum(plan.pending_mailboxes for plan in unapproved)
    assert (case.state is IncidentState.CLOSED) == (case.closed_at is not None) == case.close_anchored
    assert case == case.with_state()


def every_target_is_in_one_chunk_of_one_plan(world: Simulation, case: Incident) -> None:
    """Each target is there once; a plan is finished exactly when all of its targets have ended."""
    targets = targets_of(world, case)
    assert len({target.id for target in targets}) == len(targets)
    of_plan = Counter(target.plan_id for target in targets)
    for plan in world.incidents.of(case.id, Plan):
        assert of_plan[plan.id] == plan.targets
        left = [target for target in targets if target.plan_id == plan.id and not target.terminal]
        assert (plan.state is PlanState.FINISHED) == (not left)
        assert not left or plan.state is PlanState.AWAITING_APPROVAL


async def the_chain_tells_everything_once(world: Simulation, case: Incident) -> None:
    """Every event is in it once, and the sums of the case are those of its targets."""
    of = world.incidents.of
    documents: list[CaseDocument] = [case, *of(case.id, AlertLink), *of(case.id, Plan), *of(case.id, Command)]
    assert [one for one in documents if one.unrecorded] == []
    targets = targets_of(world, case)
    events = [one for document in documents for one in of_document(document)]
    expected = {one.event.id for one in (*events, *of_targets(targets, world.now()))}
    entries = [entry async for entry in world.activity.entries(case.id)]
    assert len({entry["id"] for entry in entries}) == len(entries)
    told = {str(entry["id"]): entry for entry in entries}
    assert expected <= told.keys()
    # What a target was before a later undo succeeded stays told.
    assert {told[one]["kind"] for one in told.keys() - expected} <= {"restore_failed"}
    assert (await check(case, world.incidents, world.activity, world.evidence)).intact
    assert Counter(case.counts.states) == Counter(str(target.state) for target in targets if target.terminal)


def targets_of(world: Simulation, case: Incident) -> list[Target]:
    """All targets of the case."""
    return [target for target in world.targets.all if target.incident_id == case.id]


def _copies(world: Simulation) -> list[tuple[Target, Copy]]:
    return [(target, copy) for target in world.targets.all for copy in target.copies]


def _items(world: Simulation) -> list[tuple[str, Item, str]]:
    boxes = world.mailboxes.boxes.items()
    return [(mailbox, item, box.folders[item.folder_id]) for mailbox, box in boxes for item in box.items.values()]


def _undone_elsewhere(world: Simulation, copy: Copy) -> bool:
    """Another case that found the same copy has put it back."""
    return any(other.id == copy.id and target.state in _BACK for target, other in _copies(world))


def _put_back(world: Simulation, item: Item) -> bool:
    return any(copy.id == item.id and target.state in _BACK for target, copy in _copies(world))
