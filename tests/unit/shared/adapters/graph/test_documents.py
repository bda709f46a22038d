from typing import Any

import pytest

from shared.adapters.graph.documents import (
    IN_REPLY_TO,
    REFERENCES,
    UNEXPECTED,
    Climb,
    item_of,
    items_of,
    marks_of,
    read,
    sent_copies,
)
from shared.domain.ids import MailboxId
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.mailboxes import Item

ROOT = "root"
MAILBOX = MailboxId("m")
GONE = Refusal(RefusalKind.NOT_FOUND, "ErrorItemNotFound", 404)
BUSY = Refusal(RefusalKind.TRANSIENT, "UnknownError", 503)
MESSAGE_ID = "<1@evil.example>"


def folder(key: str, name: str, parent: str | None) -> dict[str, Any]:
    return {"id": key, "displayName": name, "parentFolderId": parent}


def sent(key: str, **told: str) -> dict[str, Any]:
    properties = [{"id": {"reply": IN_REPLY_TO, "refs": REFERENCES}[name], "value": v} for name, v in told.items()]
    return {"id": key, "internetMessageId": f"<{key}>", "singleValueExtendedProperties": properties}


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"id": "i"},
        {"id": "i", "parentFolderId": "f", "receivedDateTime": "yesterday"},
        {"id": "i", "parentFolderId": "f", "receivedDateTime": 7},
        {"id": "i", "parentFolderId": "f", "flag": "flagged"},
        {"id": "i", "parentFolderId": "f", "categories": 7},
        {"id": "i", "parentFolderId": "f", "from": "mallory"},
    ],
)
def test_an_item_of_another_shape_may_have_been_moved(raw: dict[str, Any]) -> None:
    assert read(raw, item_of) is UNEXPECTED
    assert UNEXPECTED.kind is RefusalKind.TRANSIENT


def test_a_refusal_stays_what_it_is() -> None:
    assert read(GONE, item_of) is GONE


def test_an_item_on_two_pages_is_one_item() -> None:
    raw = {"id": "i", "parentFolderId": "f"}

    assert len(items_of([raw, raw, {**raw, "id": "j"}])) == 2


def test_a_time_without_a_zone_is_utc() -> None:
    first, second = (
        item_of({"id": "i", "parentFolderId": "f", "receivedDateTime": text})
        for text in ("2026-11-24T06:30:00", "2026-11-24T06:30:00.0000000Z")
    )

    assert first.received_at == second.received_at
    assert first.received_at is not None
    assert first.received_at.tzinfo is not None


def test_marks_that_are_not_known_are_left_alone() -> None:
    known = Item("i", MESSAGE_ID, "f", is_read=False, flag={"flagStatus": "flagged", "dueDateTime": None})

    assert marks_of(known) == {"isRead": False, "flag": {"flagStatus": "flagged"}, "categories": []}
    assert marks_of(Item("i", MESSAGE_ID, "f")) == {"categories": []}


def test_only_answers_to_exactly_this_message_are_given_each_once() -> None:
    rows = [
        sent("a", reply=MESSAGE_ID),
        sent("b", reply="<x@y>", refs=f"<first@y> {MESSAGE_ID}"),
        sent("a", reply=MESSAGE_ID),
        sent("c", reply=MESSAGE_ID.upper()),
        sent("d", refs="<first@y>"),
        sent("e"),
    ]

    assert [copy.internet_message_id for copy in sent_copies(rows, MESSAGE_ID)] == ["<a>", "<b>"]


@pytest.mark.parametrize(
    ("subject", "forward"),
    [("FW: x", True), ("Fwd: x", True), ("WG: x", True), ("TR : x", True), ("转发\uff1a x", True), ("RE: FW: x", False),
     ("Forward", False), ("", False)],
)  # fmt: skip
def test_a_forward_says_so_in_its_subject(subject: str, forward: bool) -> None:
    (copy,) = sent_copies([{**sent("a", reply=MESSAGE_ID), "subject": subject}], MESSAGE_ID)

    assert copy.is_forward is forward


def test_a_path_ends_below_the_root() -> None:
    climb = Climb(MAILBOX, ROOT, folder("c", "2026", "b"))
    asked_first = climb.next
    climb.step(folder("b", "Projects", "a"))
    climb.step(folder("a", "Inbox", ROOT))

    assert asked_first == "b"
    assert (climb.next, climb.path) == (None, "Inbox/Projects/2026")


def test_the_root_itself_has_no_path() -> None:
    climb = Climb(MAILBOX, ROOT, folder(ROOT, "Top of Information Store", "above"))

    assert (climb.next, climb.path) == (None, "")


@pytest.mark.parametrize("above", [GONE, folder("above", "Root", None), folder("above", "Root", "above")])
def test_what_lies_above_recoverable_items_is_no_part_of_the_path(above: Any) -> None:
    climb = Climb(MAILBOX, ROOT, folder("d", "Deletions", "r"))
    climb.step(folder("r", "Recoverable Items", "above"))
    climb.step(above)

    assert (climb.next, climb.path) == (None, "Recoverable Items/Deletions")


@pytest.mark.parametrize("refusal", [GONE, BUSY])
def test_a_folder_or_root_that_is_refused_has_no_path(refusal: Refusal) -> None:
    assert Climb(MAILBOX, ROOT, refusal).path is refusal
    refused = Climb(MAILBOX, refusal, folder("a", "Inbox", ROOT))
    assert (refused.path, refused.next) == (refusal, None)


def test_a_path_that_is_known_only_in_part_is_refused() -> None:
    climb = Climb(MAILBOX, ROOT, folder("b", "Projects", "a"))
    climb.step(BUSY)

    assert (climb.path, climb.next) == (BUSY, None)
