from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import IncidentId
from shared.domain.message import Message
from shared.domain.undone import MAX_KEPT, UndoClass, UndoEntry, Undone, by_message, undone_before, undone_id
from tests.fakes.clock import START

MAIL = Message(internet_message_id="<1@evil.example>", network_message_id="nmid-1")


def an_undo(number: int = 1, **changes: object) -> UndoEntry:
    known: dict[str, object] = {
        "command_id": f"cmd-{number}",
        "incident_id": IncidentId("inc-1"),
        "by": "Ann",
        "at": START + timedelta(minutes=number),
        "reason": "our newsletter",
        "undo_class": UndoClass.FALSE_POSITIVE,
    }
    return UndoEntry.model_validate({**known, **changes})


def remembered(key: str, *entries: UndoEntry) -> dict[str, Undone]:
    return {key: Undone(id=undone_id(key), message_key=key, entries=entries)}


@given(st.lists(st.integers(0, 30), max_size=60))
def test_the_newest_undos_are_kept_in_whatever_order_and_however_often_they_come(numbers: list[int]) -> None:
    undone = Undone(id="x", message_key="msg-1")
    for number in numbers:
        undone = undone.with_entry(an_undo(number))
    assert undone.entries == tuple(map(an_undo, sorted(set(numbers), reverse=True)[:MAX_KEPT]))


def test_a_message_is_known_by_all_its_keys_and_once() -> None:
    same = Message(internet_message_id="<1@evil.example>")
    only_exchange = Message(network_message_id="nmid-2")
    nothing = Message(subject="Invoice")
    found = by_message([MAIL, same, only_exchange, nothing], ["<1@evil.example>", "<2@evil.example>", ""])
    assert found == {
        MAIL.key: MAIL.keys,
        only_exchange.key: only_exchange.keys,
        (second := Message(internet_message_id="<2@evil.example>")).key: second.keys,
    }
    assert len(MAIL.keys) == 2


@pytest.mark.parametrize("key", sorted(MAIL.keys))
def test_an_undo_under_either_key_counts_once_and_the_newest_one_is_told(key: str) -> None:
    other = next(one for one in MAIL.keys if one != key)
    found = remembered(key, an_undo(2), an_undo(1)) | remembered(other, an_undo(1))
    (told,) = undone_before(by_message([MAIL]), found)
    assert told.text == (
        f"undone by Ann at {START + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ} in inc-1 (false_positive)"
        " because our newsletter"
    )
    assert (told.message_key, told.by, told.reason) == (MAIL.key, "Ann", "our newsletter")


def test_who_and_why_are_bounded_and_cannot_deceive() -> None:
    hostile = an_undo(by="A\x1b[2J\u202enn", reason="x\u202e\n" * 5000)
    (told,) = undone_before(by_message([MAIL]), remembered(MAIL.key, hostile))
    assert len(told.text) < 450
    assert not {"\x1b", "\u202e", "\n"} & set(told.text)


def test_an_undo_that_gives_no_reason_is_told_all_the_same() -> None:
    (told,) = undone_before(by_message([MAIL]), remembered(MAIL.key, an_undo(reason="")))
    assert told.text.endswith("(false_positive)")


def test_mail_that_nobody_undid_is_not_told() -> None:
    assert undone_before(by_message([MAIL]), {}) == []
