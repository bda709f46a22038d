"""A frozen plan is the same bytes for the same input, and cuts chunks that fit one transaction."""

import hashlib
import itertools
import json
import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.expand_recipients.manifest import ManifestSummary, freeze, identified, manifest_path, read_manifest
from functions.expand_recipients.tree import Delivery, Mail, Path, Tree
from shared.domain.batch import MAX_BATCH_BYTES, batch_size, check_batch
from shared.domain.ids import AlertId, IncidentId, PlanId, TargetId
from shared.domain.incident import Plan, PlanState
from shared.domain.message import (
    MAX_ADDRESS,
    MAX_MESSAGE_ID,
    MAX_SUBJECT,
    Message,
    address,
    internet_message_id,
    visible,
)
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import MAX_CHUNK_TARGETS, Chunk, Hop, Mailbox, Target, TargetState, Via, target_id
from shared.errors import NotFoundError
from tests.fakes.clock import START
from tests.fakes.evidence import FakeEvidence

INCIDENT, ALERT, PLAN = IncidentId("incident-1"), AlertId("alert-1"), PlanId("plan-1")
MAIL = Message(internet_message_id="<a@evil.example>", sender="x@evil.example", subject="Rechnung ü")
FROM_ALERT = Path(Hop(via=Via.ALERT, name="tap", ref=ALERT))
DRAFT = Plan(id=PLAN, incident_id=INCIDENT, alert_ids=(ALERT,), created_at=START, state=PlanState.DRAFT)
PATH = manifest_path(INCIDENT, PLAN)


def tree(people: Sequence[int], contacts: int = 0, mail: Message = MAIL) -> Tree:
    made = Tree()
    made.add_mail(Mail(mail, FROM_ALERT))
    recipients = [Recipient(RecipientKind.USER, f"u{n}@contoso.example", f"id-{n}") for n in people]
    recipients += [Recipient(RecipientKind.CONTACT, f"c{n}@partner.example", f"c-{n}") for n in range(contacts)]
    made.take(Delivery(mail.key, recipient, FROM_ALERT) for recipient in recipients)
    return made


def lines(made: Tree, known: set[TargetId] | None = None) -> list[bytes]:
    places = identified(INCIDENT, made)
    return list(freeze(DRAFT, places, made, known=known or set(), notes=("trace_denied: 1",)))


def frozen(made: Tree, known: set[TargetId] | None = None) -> list[Target]:
    return [Target.model_validate_json(line) for line in lines(made, known)[1:]]


async def read(content: list[bytes]) -> tuple[ManifestSummary, list[tuple[Chunk, list[Target]]]]:
    """The summary, and the chunks as they are given to the store."""
    evidence, chunks = FakeEvidence(), []
    await evidence.keep_lines(PATH, content)

    async def add(chunk: Chunk, targets: list[Target]) -> bool:
        check_batch(one.to_document() for one in (chunk, *targets))
        chunks.append((chunk, targets))
        return True

    return await read_manifest(PATH, evidence, add), chunks


def test_targets_tell_who_what_and_by_which_path() -> None:
    first, second = frozen(tree([1], contacts=1))
    assert first.state is TargetState.MAILBOX_MISSING
    assert first.reason == "mail_contact"
    assert first.id == target_id(INCIDENT, "c0@partner.example", MAIL.key)
    assert second.id == target_id(INCIDENT, "id-1", MAIL.key)
    assert (second.internet_message_id, second.sender) == ("<a@evil.example>", "x@evil.example")
    assert (second.hops, second.state, second.mailbox.address) == (
        FROM_ALERT.hops,
        TargetState.PLANNED,
        "u1@contoso.example",
    )
    assert (second.incident_id, second.plan_id) == (INCIDENT, PLAN)


def test_what_the_incident_has_already_is_left_out() -> None:
    made = tree([1, 2])
    known = {target_id(INCIDENT, "id-1", MAIL.key)}
    assert [target.mailbox.id for target in frozen(made, known)] == ["id-2"]
    assert frozen(made, set(identified(INCIDENT, made))) == []


async def test_chunks_fit_one_transaction_and_keep_mailboxes_together() -> None:
    made = tree(list(range(250)))
    other = Message(internet_message_id="<b@evil.example>")
    made.add_mail(Mail(other, FROM_ALERT))
    made.take(
        Delivery(other.key, Recipient(RecipientKind.USER, f"u{n}@contoso.example", f"id-{n}"), FROM_ALERT)
        for n in range(250)
    )
    summary, chunks = await read(lines(made))
    assert [chunk.targets for chunk, _ in chunks] == [99] * 5 + [5]
    assert all(len(targets) == chunk.targets <= MAX_CHUNK_TARGETS for chunk, targets in chunks)
    assert [chunk.id.rpartition(".")[2] for chunk, _ in chunks] == [f"{n:04d}" for n in range(6)]
    assert [chunk.id for chunk in summary.chunks] == [chunk.id for chunk, _ in chunks]
    split = [{t.mailbox.id for t in targets} for _, targets in chunks]
    assert sum(len(a & b) for a, b in itertools.pairwise(split)) <= len(chunks) - 1
    # Two messages in one mailbox are one mailbox.
    assert (summary.targets, summary.mailboxes) == (500, 250)


@pytest.mark.parametrize(
    ("subject", "most"),
    [
        pytest.param("x" * 10_000, 95, id="ascii: one byte a character"),
        pytest.param("ü" * 10_000, 16, id="not ascii: six bytes as sent"),
        pytest.param("🐟" * 10_000, 8, id="emoji: twelve bytes as sent"),
    ],
)
async def test_chunks_are_cut_by_their_bytes_as_they_are_sent(subject: str, most: int) -> None:
    mail = Message(internet_message_id="<a@evil.example>", subject=subject)
    summary, chunks = await read(lines(tree(range(120), mail=mail)))
    whole, rest = divmod(120, most)
    assert [chunk.targets for chunk, _ in chunks] == [most] * whole + [rest] * bool(rest)
    assert summary.targets == 120
    for chunk, targets in chunks:
        # As large again is left for what is found while the targets are worked on.
        assert batch_size(one.to_document() for one in (chunk, *targets)) < MAX_BATCH_BYTES * 0.55


@settings(max_examples=30)
@given(st.text(min_size=0, max_size=20), st.integers(0, 2_000), st.integers(1, 130))
async def test_whatever_the_subject_each_chunk_fits_one_transaction(text: str, times: int, people: int) -> None:
    mail = Message(internet_message_id="<a@evil.example>", subject=text * times)
    summary, chunks = await read(lines(tree(range(people), mail=mail)))
    found = [target.mailbox.id for _, targets in chunks for target in targets]
    assert len(found) == len(set(found)) == people == summary.targets
    assert {target.chunk_id for chunk, targets in chunks for target in targets if target.chunk_id != chunk.id} == set()


LONGEST = Message(
    internet_message_id=f"<{'🐟' * (MAX_MESSAGE_ID - 2)}>",
    sender=f"{'🐟' * (MAX_ADDRESS - 13)}@evil.example",
    subject="🐟" * MAX_SUBJECT,
)


async def test_the_longest_message_id_sender_and_subject_outside_ascii_fit_one_transaction() -> None:
    assert (internet_message_id(LONGEST.internet_message_id), address(LONGEST.sender), visible(LONGEST.subject)) == (
        LONGEST.internet_message_id,
        LONGEST.sender,
        LONGEST.subject,
    ), "the sender may choose them so"

    summary, chunks = await read(lines(tree(range(300), mail=LONGEST)))

    assert summary.targets == 300
    assert len(chunks) > 300 / MAX_CHUNK_TARGETS
    assert max(batch_size(one.to_document() for one in (chunk, *targets)) for chunk, targets in chunks) < (
        MAX_BATCH_BYTES * 0.55
    )


async def test_one_target_that_is_larger_than_half_a_batch_has_a_chunk_of_its_own() -> None:
    mail = Message(internet_message_id="<a@evil.example>", subject="🐟" * 90_000)
    _, chunks = await read(lines(tree(range(3), mail=mail)))
    assert [chunk.targets for chunk, _ in chunks] == [1, 1, 1]


async def test_each_line_is_canonical_json_and_the_hash_is_that_of_all_bytes() -> None:
    content = lines(tree([1, 2], contacts=1))
    for line in content:
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert json.loads(content[0]) == {
        "version": 1,
        "planId": PLAN,
        "incidentId": INCIDENT,
        "alertIds": [ALERT],
        "notes": ["trace_denied: 1"],
    }
    summary, _ = await read(content)
    assert summary.hash == hashlib.sha256(b"".join(content)).hexdigest()
    assert summary.notes == ("trace_denied: 1",)


async def test_what_is_kept_is_what_the_chunks_get() -> None:
    made = tree(range(150), contacts=2)
    _, chunks = await read(lines(made))
    assert [target for _, targets in chunks for target in targets] == frozen(made)


async def test_pending_is_what_there_is_something_to_do_for() -> None:
    made = tree([1], contacts=2)
    summary, _ = await read(lines(made))
    assert [target.mailbox.id for target in frozen(made) if not target.terminal] == ["id-1"]
    assert (summary.targets, summary.pending, summary.pending_mailboxes) == (3, 1, 1)
    (chunk,) = summary.chunks
    assert (chunk.has_pending, chunk.has_terminal) == (True, True)


async def test_protected_mailboxes_are_counted_once_and_only_where_there_is_something_to_do() -> None:
    def protected(name: str, mail: str, state: TargetState) -> bytes:
        made = Target(
            id=target_id(INCIDENT, name, mail),
            incident_id=INCIDENT,
            plan_id=PLAN,
            chunk_id=f"{PLAN}.0000",
            mailbox=Mailbox(id=name, address=f"{name}@contoso.example", protected=True),
            message_key=mail,
            hops=FROM_ALERT.hops,
            internet_message_id="<a@evil.example>",
            state=state,
        )
        return json.dumps(made.to_document()).encode() + b"\n"

    (header, *_) = lines(tree([]))
    summary, _ = await read(
        [
            header,
            protected("ann", "1", TargetState.PLANNED),
            protected("ann", "2", TargetState.PLANNED),
            protected("bob", "1", TargetState.ON_PREMISES),
        ]
    )
    assert (summary.protected, summary.mailboxes, summary.pending_mailboxes) == (1, 2, 1)


async def test_a_manifest_without_targets_has_a_hash_and_notes_and_no_chunk() -> None:
    content = lines(tree([]))
    summary, chunks = await read(content)
    assert (summary.targets, summary.mailboxes, summary.chunks, chunks) == (0, 0, [], [])
    assert summary.hash == hashlib.sha256(content[0]).hexdigest()
    assert summary.notes == ("trace_denied: 1",)


async def test_a_manifest_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=re.escape(PATH)):
        await read_manifest(PATH, FakeEvidence())


async def test_reading_without_a_store_writes_nothing_and_tells_the_same() -> None:
    evidence = FakeEvidence()
    content = lines(tree(range(120)))
    await evidence.keep_lines(PATH, content)
    assert await read_manifest(PATH, evidence) == (await read(content))[0]


@given(st.lists(st.integers(0, 400), unique=True, max_size=150), st.randoms(use_true_random=False))
def test_same_people_in_any_order_same_bytes(people: list[int], shuffler: random.Random) -> None:
    shuffled = list(people)
    shuffler.shuffle(shuffled)
    assert lines(tree(people)) == lines(tree(shuffled))


@given(st.sets(st.integers(0, 30)), st.integers(0, 30))
async def test_one_more_person_another_hash(people: set[int], one: int) -> None:
    fewer, more = people - {one}, people | {one}
    hashes = [(await read(lines(tree(sorted(some)))))[0].hash for some in (fewer, more)]
    assert hashes[0] != hashes[1]
