import csv
import io
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report.api.activity_csv import COLUMNS, CsvExport
from shared.domain.ids import TargetId
from shared.domain.target import Copy, Mailbox, Original, Target, TargetState
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, target


def export(targets: Iterable[Target]) -> str:
    made = CsvExport(INCIDENT)
    for one in targets:
        made.add(one.id, one)
    return made.text


def rows(*targets: Target) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(targets), newline="")))


def test_a_row_says_all() -> None:
    folder = Original(folder_id="f", folder_path="Inbox/Invoices")
    (row,) = rows(
        target(
            "ann",
            TargetState.RESTORED,
            mailbox=Mailbox(address="ann@contoso.example", name="Ann", department="Sales", privileged=True),
            sender="a@sender.example",
            subject='Say "hello", Ann',
            reason="original_folder_gone",
            copies=(Copy(id="1", original=folder), Copy(id="2", original=folder)),
        )
    )
    assert row == {
        "incident": "inc-1",
        "target": "target-ann",
        "recipient": "ann@contoso.example",
        "name": "Ann",
        "department": "Sales",
        "privileged": "yes",
        "how": "alert clawback",
        "message_id": "<1@sender.example>",
        "sender": "a@sender.example",
        "subject": 'Say "hello", Ann',
        "state": "restored",
        "reason": "original_folder_gone",
        "read": "read",
        "delivered_at": "2026-03-02T08:59:00Z",
        "pulled_at": "2026-03-02T09:00:00Z",
        "seconds_exposed": "60",
        "verified": "yes",
        "verified_at": "2026-03-02T09:00:01Z",
        "restored_at": "2026-03-02T09:00:09Z",
        "copies": "2",
        "original_folder": "Inbox/Invoices; Inbox/Invoices",
    }


def test_what_is_not_known_is_empty() -> None:
    (row,) = rows(target("ann"))
    assert (row["delivered_at"], row["seconds_exposed"], row["verified"], row["subject"]) == ("", "", "no", "")


def test_one_header_row_also_without_targets() -> None:
    assert next(csv.reader(io.StringIO(export([])))) == list(COLUMNS)
    assert len(export([]).splitlines()) == 1


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r\n", "\u202e", "\u200b", "\x00"])
def test_no_subject_is_a_formula(before: str, first: str) -> None:
    (row,) = rows(target("ann", subject=f"{before}{first}HYPERLINK(1)"))
    assert row["subject"] == f"'{first}HYPERLINK(1)"


def test_bidi_tricks_are_gone() -> None:
    (row,) = rows(target("ann", subject="invoice\u202efdp.exe"))
    assert row["subject"] == "invoice fdp.exe"


def test_times_are_utc_in_whole_seconds_whatever_the_source_gave() -> None:
    (row,) = rows(target("ann", TargetState.QUARANTINED, pulled_at=START + timedelta(milliseconds=5)))
    assert row["pulled_at"] == "2026-03-02T09:00:00Z"
    (row,) = rows(target("ann", TargetState.QUARANTINED, pulled_at=START))
    assert row["pulled_at"] == "2026-03-02T09:00:00Z"


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_strangers_write_one_target_is_one_row(subject: str, name: str, sender: str) -> None:
    hostile = target("ann", subject=subject, sender=sender, mailbox=Mailbox(address="ann@contoso.example", name=name))
    text = export([hostile, target("bob")])
    assert len(text.splitlines()) == 3
    first, second = rows(hostile, target("bob"))
    assert (first["target"], second["target"]) == ("target-ann", "target-bob")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in first.values())


def test_a_target_that_cannot_be_read_is_a_row_that_says_so() -> None:
    made = CsvExport(INCIDENT)
    made.add(TargetId("target-ann"), None)
    (row,) = csv.DictReader(io.StringIO(made.text, newline=""))
    assert {column: cell for column, cell in row.items() if cell} == {
        "incident": INCIDENT,
        "target": "target-ann",
        "state": "unreadable",
    }
