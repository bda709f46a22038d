"""One mail through all stages, with messages that repeat, overtake each other and meet a dying process."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.ids import fresh
from shared.domain.incident import AlertLink, IncidentState, Plan
from shared.domain.recipient import MailboxKind
from shared.domain.target import TargetState
from shared.pipeline.payloads import UndoPull
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import Item, Where
from tests.pipeline.stages import Pipeline
from tests.unit.functions.tenant import DELIVERED, MESSAGE_ID, SENDER

FORWARDED = "<fwd-1@contoso.example>"

ENDS = {
    f"ann {MESSAGE_ID}": (TargetState.QUARANTINED, None, ""),
    f"bob {MESSAGE_ID}": (TargetState.QUARANTINED, None, "group:sales"),
    f"eve {MESSAGE_ID}": (TargetState.QUARANTINED, None, "group:sales group:nested"),
    f"pam {MESSAGE_ID}": (TargetState.GONE_BY_USER, "purged", "group:sales"),
    f"zoe {MESSAGE_ID}": (TargetState.NOT_FOUND, None, ""),
    f"onp {MESSAGE_ID}": (TargetState.ON_PREMISES, "MailboxNotEnabledForRESTAPI", "group:sales"),
    f"kim {FORWARDED}": (TargetState.QUARANTINED, None, "forward:ann"),
    f"ann {FORWARDED}": (TargetState.QUARANTINED, None, "forward:ann"),
}


def contoso() -> Pipeline:
    """Two levels of groups, a forward, and everything that cannot be pulled."""
    pipeline = Pipeline()
    people = {name: pipeline.person(name) for name in ("ann", "bob", "eve", "pam", "zoe", "onp", "kim")}
    nested = pipeline.group("nested", people["eve"])
    pipeline.group("sales", people["bob"], people["pam"], people["onp"], nested)
    pipeline.mailboxes.always["onp"] = Refusal(RefusalKind.ON_PREMISES, "MailboxNotEnabledForRESTAPI", 404)
    pipeline.sent("ann", MESSAGE_ID, FORWARDED, "kim@contoso.example")

    def mail(mailbox: str, folder: str, number: int, message_id: str, sender: str = SENDER, **marks: object) -> None:
        item = Item(
            id=f"{mailbox}/{number}",
            internet_message_id=message_id,
            folder_id="",
            subject="Invoice",
            sender=sender,
            received_at=DELIVERED,
            is_read=bool(marks.get("is_read")),
            flag={"flagStatus": "flagged"},
            categories=("Red",),
        )
        pipeline.mailboxes.add_item(mailbox, folder, item)

    mail("ann", "Inbox/Invoices", 1, MESSAGE_ID, is_read=True)
    mail("ann", "Sent Items", 2, FORWARDED, sender="ann@contoso.example")
    mail("bob", "Inbox", 1, MESSAGE_ID)
    mail("bob", "Inbox", 2, "<ordinary@example.com>", sender="friend@example.com")
    mail("eve", "Deleted Items", 1, MESSAGE_ID)
    mail("pam", str(Where.PURGES), 1, MESSAGE_ID)
    mail("kim", "Inbox", 1, FORWARDED, sender="ann@contoso.example")
    return pipeline


PULLED = {"ann/1": 1, "ann/2": 1, "bob/1": 1, "eve/1": 1, "kim/1": 1}


@dataclass(frozen=True)
class Step:
    """What happens to a message: which one is taken, whether it comes again, at which await the process dies."""

    which: int
    again: bool
    dies_after: int | None


STEPS = st.lists(
    st.builds(Step, st.integers(0, 50), st.booleans(), st.one_of(st.none(), st.integers(0, 30))), max_size=40
)


async def through(pipeline: Pipeline, steps: list[Step]) -> None:
    """Deliver as the steps say, then whatever is left in order."""
    for step in steps:
        if not pipeline.queue.waiting:
            break
        message = pipeline.queue.waiting[step.which % len(pipeline.queue.waiting)]
        if step.dies_after is not None:
            pipeline.checkpoints.die_at = pipeline.checkpoints.passed + step.dies_after
        await pipeline.deliver(message, keep=step.again)
        pipeline.checkpoints.revive()
    await pipeline.settle()


async def check(pipeline: Pipeline) -> None:
    """Everything that must hold of the finished incident, whatever happened on the way."""
    assert pipeline.dead_letters.messages == {}
    ends = {
        key: (target.state, target.reason, way)
        for key, target in pipeline.targets_by_way().items()
        for way in [" ".join(f"{hop.via}:{hop.name.partition('@')[0]}" for hop in target.hops if hop.via != "alert")]
    }
    assert ends == ENDS
    assert pipeline.mailboxes.moves == PULLED
    incident = pipeline.incident
    assert incident.state is IncidentState.ATTENTION
    assert incident.counts.states == {"quarantined": 5, "gone_by_user": 1, "not_found": 1, "on_premises": 1}
    assert (incident.counts.read, incident.counts.unread) == (1, 4)
    assert (await pipeline.verified()).intact


async def facts(pipeline: Pipeline) -> set[str]:
    return {entry["id"] async for entry in pipeline.activity.entries(pipeline.incident.id)}


async def undo(pipeline: Pipeline) -> UndoPull:
    wish = UndoPull(
        incident_id=pipeline.incident.id, all=True, command_id=fresh("cmd"), by="Ann Analyst", at=pipeline.now()
    )
    await pipeline.queue.send(wish, correlation_id=wish.incident_id)
    return wish


async def test_every_copy_is_found_pulled_counted_and_put_back() -> None:
    pipeline = contoso()
    before = pipeline.mailboxes.snapshot()

    answer = await pipeline.post("ann", "zoe", "sales")
    again = await pipeline.post("ann", "zoe", "sales")
    await pipeline.settle()

    assert answer == again
    assert len(pipeline.alerts.all) == 1
    await check(pipeline)
    assert {mailbox: len(items) for mailbox, items in pipeline.mailboxes.snapshot().items()} == {
        mailbox: len(items) for mailbox, items in before.items()
    }

    await undo(pipeline)
    await pipeline.settle()

    assert pipeline.mailboxes.snapshot() == before
    assert pipeline.incident.counts.states["restored"] == 5
    assert (await pipeline.verified()).intact


@settings(max_examples=60)
@given(pulling=STEPS, undoing=STEPS)
async def test_repeats_reordering_and_crashes_change_nothing(pulling: list[Step], undoing: list[Step]) -> None:
    calm, pipeline = contoso(), contoso()
    await calm.post("ann", "zoe", "sales")
    await calm.settle()
    before = pipeline.mailboxes.snapshot()

    await pipeline.post("ann", "zoe", "sales")
    await pipeline.post("ann", "zoe", "sales")
    await through(pipeline, pulling)

    await check(pipeline)
    assert await facts(pipeline) == await facts(calm)

    await undo(pipeline)
    await through(pipeline, undoing)

    assert pipeline.mailboxes.snapshot() == before
    assert pipeline.dead_letters.messages == {}
    assert {t.state for t in pipeline.targets.all if t.copies} == {TargetState.RESTORED}
    assert pipeline.mailboxes.moves == dict.fromkeys(PULLED, 2)
    assert (await pipeline.verified()).intact


@settings(max_examples=25)
@given(steps=STEPS)
async def test_two_alerts_about_one_mail_are_one_incident(steps: list[Step]) -> None:
    pipeline = contoso()
    pipeline.person("tom")
    pipeline.directory.kinds["tom"] = MailboxKind.SHARED

    await pipeline.post("ann", "zoe", "sales", number=1)
    await pipeline.post("tom", "sales", number=2)
    await through(pipeline, steps)

    assert len(pipeline.incidents.all) == 1
    incident = pipeline.incident
    assert (incident.alerts, incident.decided, incident.planned) == (2, 2, 2)
    # One plan if they were decided before the first was planned.
    plans, links = pipeline.incidents.of(incident.id, Plan), pipeline.incidents.of(incident.id, AlertLink)
    assert sorted(alert for plan in plans for alert in plan.alert_ids) == sorted(link.id for link in links)
    targets = pipeline.targets_by_way()
    assert len(targets) == len(pipeline.targets.all) == len(ENDS) + 1
    assert targets[f"tom {MESSAGE_ID}"].state is TargetState.NOT_FOUND
    assert sum(pipeline.incident.counts.states.values()) == len(targets)
    assert pipeline.incident.state is IncidentState.ATTENTION
    assert pipeline.mailboxes.moves == PULLED
    assert (await pipeline.verified()).intact
