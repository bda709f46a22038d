import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.activity import GENESIS, AuditEvent, ChainReport, Document, Entry, Head, Place, digest, link
from shared.domain.activity import verify as verify_stream
from shared.domain.ids import IncidentId
from tests.fakes.clock import START

# What JSON keeps exactly on every way: no floats, no integers beyond 2^53, no halves of characters.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
facts = st.builds(
    AuditEvent,
    id=texts,
    kind=texts,
    at=st.just(START),
    actor=texts,
    target_id=st.none() | texts,
    data=st.dictionaries(texts, values, max_size=3),
)
chains = st.lists(facts, min_size=1, max_size=8, unique_by=lambda fact: fact.id)

EMPTY = Head(incident_id=IncidentId("inc-1"))


def stored(entry: Entry) -> Document:
    """The entry as it comes back from Cosmos DB: through its document, in text."""
    found: Document = json.loads(json.dumps(entry.to_document()))
    return found


def verify(
    head: Head,
    entries: Iterable[Entry | Document],
    start: Place = Place(),  # noqa: B008 - frozen
    to: int | None = None,
) -> ChainReport:
    async def stream() -> AsyncIterator[Document]:
        for entry in entries:
            yield stored(entry) if isinstance(entry, Entry) else entry

    check = verify_stream(head, stream(), start=start, to=to)
    # It waits for nothing here, and an event loop for each example would take most of the time.
    with pytest.raises(StopIteration) as done:
        check.send(None)
    report: ChainReport = done.value.value
    return report


def test_an_empty_chain_is_intact() -> None:
    report = verify(EMPTY, [])

    assert (report.intact, report.entries, report.head_hash) == (True, 0, GENESIS)


@given(st.lists(chains, min_size=1, max_size=3))
def test_a_chain_that_grew_in_parts_is_intact_when_it_is_read_back(parts: list[list[AuditEvent]]) -> None:
    head = EMPTY
    chain: list[Entry] = []
    for part in parts:
        head, entries = link(head, part)
        chain += entries

    report = verify(head, chain)

    assert (report.intact, report.entries, report.head_hash) == (True, sum(map(len, parts)), head.hash)
    assert report.broken_at is None
    assert [entry.seq for entry in chain] == list(range(1, len(chain) + 1))


@given(chains, st.data())
def test_an_edited_entry_breaks_the_chain_where_it_stands(chain: list[AuditEvent], data: st.DataObject) -> None:
    head, entries = link(EMPTY, chain)
    place = data.draw(st.integers(0, len(entries) - 1))
    edit: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"id": entries[place].id + "x"},
                {"kind": entries[place].kind + "x"},
                {"actor": entries[place].actor + "x"},
                {"target_id": (entries[place].target_id or "") + "x"},
                {"data": {**entries[place].data, "x": "x" + str(entries[place].data.get("x"))}},
                {"at": START.replace(microsecond=1)},
                {"incident_id": IncidentId("inc-2")},
            ]
        )
    )
    edited = [*entries]
    edited[place] = entries[place].model_copy(update=edit)

    report = verify(head, edited)
    assert (report.intact, report.broken_at) == (False, place + 1)

    # And so it does if whoever edited it also gave it the hash that it now needs.
    edited[place] = edited[place].model_copy(update={"hash": digest(stored(edited[place]))})
    report = verify(head, edited)
    assert (report.intact, report.broken_at) == (False, place + 2)


@given(chains, st.data())
def test_a_removed_entry_breaks_the_chain(chain: list[AuditEvent], data: st.DataObject) -> None:
    head, entries = link(EMPTY, chain)
    place = data.draw(st.integers(0, len(entries) - 1))

    report = verify(head, entries[:place] + entries[place + 1 :])

    assert (report.intact, report.broken_at) == (False, place + 1)
    assert report.problem


@given(chains, st.data())
def test_another_order_breaks_the_chain(chain: list[AuditEvent], data: st.DataObject) -> None:
    head, entries = link(EMPTY, chain)
    order = data.draw(st.permutations(entries))

    assert verify(head, order).intact is (order == entries)


@given(chains, facts, st.data())
def test_an_added_entry_breaks_the_chain(chain: list[AuditEvent], more: AuditEvent, data: st.DataObject) -> None:
    head, entries = link(EMPTY, chain)
    place = data.draw(st.integers(0, len(entries)))
    before = Head(incident_id=head.incident_id, seq=place, hash=entries[place - 1].hash if place else GENESIS)
    _, (forged,) = link(before, [more])

    assert not verify(head, [*entries[:place], forged, *entries[place:]]).intact


@given(chains)
def test_a_chain_of_another_beginning_is_not_this_one(chain: list[AuditEvent]) -> None:
    head, _ = link(EMPTY, chain)
    _, other = link(EMPTY, [chain[0].model_copy(update={"actor": chain[0].actor + "x"}), *chain[1:]])

    assert not verify(head, other).intact


def test_the_digest_is_that_of_canonical_json_and_never_changes() -> None:
    # What docs tell an auditor to compute; the anchors of last year's chains carry it.
    _, (entry,) = link(
        EMPTY, [AuditEvent(id="fact-1", kind="opened", at=START, actor="ann", data={"z": 1, "ü": [2, "x"]})]
    )

    text = (
        '{"actor":"ann","at":"2026-03-02T09:00:00Z","data":{"z":1,"ü":[2,"x"]},"id":"fact-1","incidentId":"inc-1",'
        f'"kind":"opened","previousHash":"{"0" * 64}","schemaVersion":1,"seq":1}}'
    )
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_of_an_entry_without_a_schema_version_is_that_of_what_is_stored() -> None:
    # As the first release wrote it.
    old = {"actor": "ann", "at": "2026-03-02T09:00:00Z", "id": "1", "seq": 1, "previousHash": GENESIS}
    text = f'{{"actor":"ann","at":"2026-03-02T09:00:00Z","id":"1","previousHash":"{GENESIS}","seq":1}}'

    assert digest({**old, "hash": "x"}) == hashlib.sha256(text.encode()).hexdigest()


@given(chains, st.data())
def test_parts_of_a_chain_are_intact_exactly_if_the_whole_is(chain: list[AuditEvent], data: st.DataObject) -> None:
    head, made = link(EMPTY, chain)
    entries = [dict(stored(entry)) for entry in made]
    if broken := data.draw(st.none() | st.integers(1, len(entries))):
        entries[broken - 1]["actor"] += "x"
    reports, place = [], Place()
    while place.seq < head.seq:
        to = min(place.seq + data.draw(st.integers(1, 4)), head.seq)
        part = entries[place.seq : to]
        reports.append(verify(head, part, place, None if to == head.seq else to))
        place = Place(to, part[-1]["hash"])

    assert [report.broken_at for report in reports if not report.intact] == ([broken] if broken else [])
    assert all(report.intact for report in reports) is verify(head, entries).intact


def test_a_part_that_ends_early_is_broken_there() -> None:
    head, entries = link(EMPTY, [AuditEvent(id=str(n), kind="test", at=START, actor="ann") for n in range(6)])
    start = Place(2, entries[1].hash)

    assert verify(head, entries[2:4], start, 4).intact
    report = verify(head, entries[2:3], start, 4)
    assert (report.intact, report.broken_at, report.entries) == (False, 4, 1)


def test_an_end_that_is_not_the_head_s_is_seen() -> None:
    head, entries = link(EMPTY, [AuditEvent(id="1", kind="test", at=START, actor="ann")])

    report = verify(head.model_copy(update={"hash": GENESIS}), entries)
    assert (report.intact, report.broken_at, report.problem) == (False, 2, "the head does not follow")


@pytest.mark.parametrize(
    "change", [{"hash": None}, {"previousHash": None}, {"actor": "\ud800"}, {"data": {"a": [[[]]]}}, {"more": 1}]
)
def test_whatever_somebody_wrote_into_an_entry_breaks_the_chain_and_not_the_check(change: dict[str, Any]) -> None:
    head, (entry,) = link(EMPTY, [AuditEvent(id="1", kind="test", at=START, actor="ann")])
    document = {key: value for key, value in {**stored(entry), **change}.items() if value is not None}

    assert verify(head, [document]).broken_at == 1
