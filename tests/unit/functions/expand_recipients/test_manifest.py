"""A frozen plan is the same bytes for the same input, and cuts chunks that fit one transaction."""

import itertools
import json
import random

from hypothesis import given
from hypothesis import strategies as st

from functions.expand_recipients.manifest import Manifest, freeze, identified, manifest_hash
from functions.expand_recipients.tree import Delivery, Mail, Path, Tree
from shared.domain.ids import AlertId, IncidentId, TargetId
from shared.domain.message import Message
from shared.domain.recipient import Recipient, RecipientKind
from shared.domain.target import MAX_CHUNK_TARGETS, Hop, TargetState, Via, target_id

INCIDENT, ALERT = IncidentId("incident-1"), AlertId("alert-1")
MAIL = Message(internet_message_id="<a@evil.example>", sender="x@evil.example", subject="Rechnung ü")
PATH = Path(Hop(via=Via.ALERT, name="tap", ref=ALERT))


def tree(people: list[int], contacts: int = 0) -> Tree:
    made = Tree()
    made.add_mail(Mail(MAIL, PATH))
    recipients = [Recipient(RecipientKind.USER, f"u{n}@contoso.example", f"id-{n}") for n in people]
    recipients += [Recipient(RecipientKind.CONTACT, f"c{n}@partner.example", f"c-{n}") for n in range(contacts)]
    made.take(Delivery(MAIL.key, recipient, PATH) for recipient in recipients)
    return made


def frozen(made: Tree, known: set[TargetId] | None = None) -> Manifest:
    places = identified(INCIDENT, made)
    return freeze(INCIDENT, ALERT, places, made, known=known or set(), notes=("trace_denied: 1",))


def test_targets_tell_who_what_and_by_which_way() -> None:
    first, second = frozen(tree([1], contacts=1)).targets
    assert first.state is TargetState.MAILBOX_MISSING
    assert first.reason == "mail_contact"
    assert first.id == target_id(INCIDENT, "c0@partner.example", MAIL.key)
    assert second.id == target_id(INCIDENT, "id-1", MAIL.key)
    assert (second.internet_message_id, second.sender) == ("<a@evil.example>", "x@evil.example")
    assert (second.hops, second.state, second.mailbox.address) == (PATH.hops, TargetState.PLANNED, "u1@contoso.example")


def test_what_the_incident_has_already_is_left_out() -> None:
    made = tree([1, 2])
    known = {target_id(INCIDENT, "id-1", MAIL.key)}
    assert [target.mailbox.id for target in frozen(made, known).targets] == ["id-2"]
    assert frozen(made, set(identified(INCIDENT, made))).targets == ()


def test_chunks_fit_one_transaction_and_keep_mailboxes_together() -> None:
    made = tree(list(range(250)))
    other = Message(internet_message_id="<b@evil.example>")
    made.add_mail(Mail(other, PATH))
    made.take(
        Delivery(other.key, Recipient(RecipientKind.USER, f"u{n}@contoso.example", f"id-{n}"), PATH) for n in range(250)
    )
    chunks = frozen(made).chunks()
    assert [chunk.targets for chunk, _ in chunks] == [99] * 5 + [5]
    assert all(len(targets) == chunk.targets <= MAX_CHUNK_TARGETS for chunk, targets in chunks)
    assert [chunk.id.rpartition(".")[2] for chunk, _ in chunks] == [f"{n:04d}" for n in range(6)]
    split = [{t.mailbox.id for t in targets} for _, targets in chunks]
    assert sum(len(a & b) for a, b in itertools.pairwise(split)) <= len(chunks) - 1


def test_bytes_are_canonical_and_give_the_manifest_back() -> None:
    manifest = frozen(tree([1, 2], contacts=1))
    content = manifest.to_bytes()
    assert Manifest.model_validate_json(content) == manifest
    assert content == json.dumps(json.loads(content), sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(content)["version"] == 1


def test_pending_is_what_there_is_something_to_do_for() -> None:
    assert [target.mailbox.id for target in frozen(tree([1], contacts=2)).pending] == ["id-1"]


@given(st.lists(st.integers(0, 400), unique=True, max_size=150), st.randoms(use_true_random=False))
def test_same_people_in_any_order_same_hash(people: list[int], shuffler: random.Random) -> None:
    shuffled = list(people)
    shuffler.shuffle(shuffled)
    assert manifest_hash(frozen(tree(people)).to_bytes()) == manifest_hash(frozen(tree(shuffled)).to_bytes())


@given(st.sets(st.integers(0, 30)), st.integers(0, 30))
def test_one_more_person_another_hash(people: set[int], one: int) -> None:
    fewer, more = people - {one}, people | {one}
    assert manifest_hash(frozen(tree(sorted(fewer))).to_bytes()) != manifest_hash(frozen(tree(sorted(more))).to_bytes())
