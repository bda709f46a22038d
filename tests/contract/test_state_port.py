"""The four state ports: what every implementation must do. The service behind is the local Cosmos DB or a real one."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.bootstrap import Services
from shared.domain.activity import AuditEvent, Head, link, verify
from shared.domain.alert import Alert, RawPayload, Severity, ThreatType, alert_id
from shared.domain.ids import AlertId, ChunkId, IncidentId, MailboxId
from shared.domain.incident import AlertLink, Incident, plan_id
from shared.domain.message import Message
from shared.domain.target import MAX_CHUNK_TARGETS, Chunk, Hop, Mailbox, Target, TargetState, Via, chunk_id, target_id
from shared.errors import ConflictError, NotFoundError
from shared.ports.activity import ActivityStore
from shared.ports.alerts import AlertStore
from shared.ports.incidents import IncidentStore
from shared.ports.targets import TargetStore
from tests.fakes.clock import START
from tests.fakes.state import FakeActivity, FakeAlerts, FakeIncidents, FakeTargets


@dataclass
class State:
    """The ports, and an incident id that no other test uses."""

    alerts: AlertStore
    incidents: IncidentStore
    targets: TargetStore
    activity: ActivityStore
    incident: IncidentId


@pytest.fixture
def state(services: Services | None) -> State:
    incident = IncidentId(f"inc-{uuid4().hex}")
    if services is None:
        return State(FakeAlerts(), FakeIncidents(), FakeTargets(), FakeActivity(), incident)
    return State(services.alerts, services.incidents, services.targets, services.activity, incident)


def an_alert(name: str, subject: str = "Invoice") -> Alert:
    return Alert(
        id=alert_id("test", name),
        source="test",
        vendor_alert_id=name,
        received_at=START,
        messages=(Message(internet_message_id="<1@evil.example>", subject=subject),),
        evidence=RawPayload(path="raw/1", sha256="0" * 64, size=1),
    )


def an_incident(key: IncidentId, minutes: int = 0) -> Incident:
    link = AlertLink(
        id=AlertId("alert-1"), source="test", received_at=START, severity=Severity.HIGH, threat_type=ThreatType.PHISH
    )
    return Incident(id=key, opened_at=START + timedelta(minutes=minutes), alerts=(link,))


def a_chunk(incident: IncidentId, targets: int, number: int = 0) -> tuple[Chunk, list[Target]]:
    plan = plan_id(incident, AlertId("alert-1"))
    key = chunk_id(plan, number)
    made = [
        Target(
            id=target_id(incident, f"{number}-{i}", "msg-1"),
            incident_id=incident,
            plan_id=plan,
            chunk_id=key,
            mailbox=Mailbox(id=MailboxId(f"{number}-{i}"), address=f"user{i:03d}-{number}@contoso.example"),
            message_key="msg-1",
            internet_message_id="<it's-a-trap@evil.example>",
            subject="ünïcödé \" ' 🐟",
            hops=(Hop(via=Via.ALERT, name="test"),),
        )
        for i in range(targets)
    ]
    return Chunk(id=key, incident_id=incident, plan_id=plan, targets=targets), made


async def test_an_alert_is_kept_once(state: State) -> None:
    alert = an_alert(state.incident)

    assert await state.alerts.add(alert) is True
    assert await state.alerts.add(alert.model_copy(update={"title": "another"})) is False

    assert await state.alerts.read(alert.id) == alert
    with pytest.raises(NotFoundError):
        await state.alerts.read(AlertId("alert-none"))


async def test_a_message_belongs_to_whoever_claims_it_first(state: State) -> None:
    key, other = f"msg-{state.incident}", IncidentId(f"{state.incident}-2")

    assert await state.incidents.claim_message(key, state.incident) == state.incident
    assert await state.incidents.claim_message(key, other) == state.incident
    assert await state.incidents.move_claim(key, other, IncidentId("inc-none")) == state.incident
    assert await state.incidents.move_claim(key, state.incident, other) == other
    assert await state.incidents.claim_message(key, state.incident) == other
    with pytest.raises(NotFoundError):
        await state.incidents.move_claim(f"{key}-none", state.incident, other)


async def test_of_two_who_take_a_message_over_one_does(state: State) -> None:
    key = f"msg-{state.incident}"
    heirs = [IncidentId(f"{state.incident}-{i}") for i in range(5)]
    await state.incidents.claim_message(key, state.incident)

    told = await asyncio.gather(*(state.incidents.move_claim(key, state.incident, heir) for heir in heirs))

    (owner,) = set(told)
    assert owner in heirs
    assert await state.incidents.claim_message(key, state.incident) == owner


async def test_an_incident_changes_only_under_its_etag(state: State) -> None:
    incident = an_incident(state.incident)
    assert await state.incidents.add(incident) is True
    assert await state.incidents.add(incident) is False
    read = await state.incidents.read(state.incident)
    assert read.value == incident

    written = await state.incidents.replace(incident.model_copy(update={"title": "one"}), read.etag)
    with pytest.raises(ConflictError):
        await state.incidents.replace(incident.model_copy(update={"title": "two"}), read.etag)

    assert (await state.incidents.read(state.incident)).value.title == "one"
    await state.incidents.replace(incident, written.etag)
    with pytest.raises(NotFoundError):
        await state.incidents.read(IncidentId("inc-none"))


async def test_newest_incidents_first(state: State) -> None:
    # Later than everything that other tests keep, and than what this one kept before.
    late = 2_000_000 + int(uuid4().int % 1_000_000) * 10
    keys = [IncidentId(f"{state.incident}-{i}") for i in range(3)]
    for key, minutes in zip(keys, (late, late + 2, late + 1), strict=True):
        await state.incidents.add(an_incident(key, minutes))
    await state.incidents.claim_message(f"msg-{state.incident}", keys[0])

    newest = [incident async for incident in state.incidents.newest(1000)]

    assert [incident.id for incident in newest if incident.id in keys] == [keys[1], keys[2], keys[0]]
    assert [incident.id async for incident in state.incidents.newest(2)] == [incident.id for incident in newest[:2]]


async def test_a_full_chunk_is_kept_once_and_read_whole(state: State) -> None:
    chunk, targets = a_chunk(state.incident, MAX_CHUNK_TARGETS)

    assert await state.targets.add_chunk(chunk, targets) is True
    assert await state.targets.add_chunk(chunk, targets[:1]) is False

    header, read = await state.targets.read_chunk(chunk.id)
    assert header.value == chunk
    assert sorted(read, key=lambda t: t.id) == sorted(targets, key=lambda t: t.id)
    with pytest.raises(NotFoundError):
        await state.targets.read_chunk(ChunkId("none"))


async def test_more_than_a_batch_holds_is_a_bug_and_is_said(state: State) -> None:
    chunk, targets = a_chunk(state.incident, MAX_CHUNK_TARGETS + 1)

    with pytest.raises(ValueError, match="at most 100 operations"):
        await state.targets.add_chunk(chunk, targets)
    with pytest.raises(ValueError, match="at most 100 operations"):
        await state.targets.commit(chunk, "etag", targets)
    head, entries = link(
        Head(incident_id=state.incident),
        [AuditEvent(id=f"fact-{i}", kind="test", at=START, actor="test") for i in range(100)],
    )
    with pytest.raises(ValueError, match="at most 100 operations"):
        await state.activity.append(head, None, entries)


async def test_a_commit_is_all_or_nothing(state: State) -> None:
    chunk, targets = a_chunk(state.incident, 3)
    await state.targets.add_chunk(chunk, targets)
    header, _ = await state.targets.read_chunk(chunk.id)
    held = chunk.model_copy(update={"lease_until": START})
    ended = [target.to(TargetState.NOT_FOUND) for target in targets]

    written = await state.targets.commit(held, header.etag, ended[:1])
    with pytest.raises(ConflictError):
        await state.targets.commit(chunk, header.etag, ended)

    now, read = await state.targets.read_chunk(chunk.id)
    assert (now.value, now.etag) == (held, written.etag)
    assert {t.id for t in read if t.state is TargetState.NOT_FOUND} == {ended[0].id}
    stranger = ended[1].model_copy(update={"id": target_id(state.incident, "stranger", "msg-1")})
    with pytest.raises(NotFoundError):
        await state.targets.commit(chunk, written.etag, [ended[1], stranger])
    await state.targets.commit(chunk, written.etag, ended[1:])
    _, read = await state.targets.read_chunk(chunk.id)
    assert {t.state for t in read} == {TargetState.NOT_FOUND}


async def test_targets_are_found_across_chunks(state: State) -> None:
    (one, first), (two, second) = a_chunk(state.incident, 3), a_chunk(state.incident, 2, number=1)
    await state.targets.add_chunk(one, first)
    await state.targets.add_chunk(two, second)
    elsewhere, others = a_chunk(IncidentId(f"{state.incident}-other"), 1)
    await state.targets.add_chunk(elsewhere, others)

    wanted = [first[0].id, second[1].id, others[0].id]
    assert await state.targets.known(state.incident, wanted) == {first[0].id, second[1].id}
    assert await state.targets.known(state.incident, []) == set()
    assert await state.targets.chunks_of(state.incident) == [one.id, two.id]
    assert await state.targets.chunks_of(state.incident, [second[0].id]) == [two.id]
    found = [target.mailbox.address async for target in state.targets.of_incident(state.incident)]
    assert found == sorted(target.mailbox.address for target in (*first, *second))


async def test_a_chunk_whose_claim_has_ended_is_abandoned(state: State) -> None:
    until = START + timedelta(days=365 * 50)
    for number, end in enumerate((until, until + timedelta(hours=1), None)):
        chunk, targets = a_chunk(state.incident, 1, number)
        await state.targets.add_chunk(chunk.model_copy(update={"lease_until": end}), targets)

    def ours(chunks: list[Chunk]) -> list[ChunkId]:
        return [chunk.id for chunk in chunks if chunk.incident_id == state.incident]

    assert ours(await state.targets.abandoned(until - timedelta(minutes=1), 1000)) == []
    assert len(ours(await state.targets.abandoned(until + timedelta(minutes=1), 1000))) == 1
    assert len(await state.targets.abandoned(until + timedelta(hours=2), 1)) == 1


async def test_a_chain_grows_only_at_its_end(state: State) -> None:
    facts = [AuditEvent(id=f"fact-{i}", kind="test", at=START, actor="test", data={"i": i}) for i in range(99)]
    assert await state.activity.head(state.incident) is None
    head, entries = link(Head(incident_id=state.incident), facts)
    await state.activity.append(head, None, entries)
    with pytest.raises(ConflictError):
        await state.activity.append(head, None, entries)
    kept = await state.activity.head(state.incident)
    assert kept is not None
    assert kept.value == head

    longer, more = link(head, [AuditEvent(id="fact-99", kind="test", at=START, actor="test")])
    await state.activity.append(longer, kept.etag, more)
    with pytest.raises(ConflictError):
        await state.activity.append(longer, kept.etag, more)

    assert await state.activity.known(state.incident, []) == set()
    assert await state.activity.known(state.incident, ["fact-1", "fact-99", "none"]) == {"fact-1", "fact-99"}
    chain = [entry async for entry in state.activity.entries(state.incident)]
    assert [entry.seq for entry in chain] == list(range(1, 101))
    assert verify(longer, chain).intact


async def test_an_entry_is_never_there_twice(state: State) -> None:
    fact = AuditEvent(id="fact-1", kind="test", at=START, actor="test")
    head, entries = link(Head(incident_id=state.incident), [fact])
    await state.activity.append(head, None, entries)
    kept = await state.activity.head(state.incident)
    assert kept is not None
    longer, again = link(head, [fact])

    with pytest.raises(ConflictError):
        await state.activity.append(longer, kept.etag, again)

    assert len([entry async for entry in state.activity.entries(state.incident)]) == 1


async def test_a_message_that_an_incident_claims_is_no_incident(state: State) -> None:
    key = f"msg-{uuid4().hex}"
    await state.incidents.claim_message(key, IncidentId("inc-1"))
    with pytest.raises(NotFoundError):
        await state.incidents.read(IncidentId(key))
