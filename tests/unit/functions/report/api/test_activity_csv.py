import csv
import io
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report.api.activity_csv import BYTE_ORDER_MARK, COLUMNS, CsvExport, origins
from shared.domain.ids import TargetId
from shared.domain.incident import Plan, PlanState
from shared.domain.target import Copy, Mailbox, Original, Target, TargetState
from tests.fakes.clock import START
from tests.unit.functions.report.case import INCIDENT, plan, target


def export(targets: Iterable[Target]) -> str:
    made = CsvExport(INCIDENT, START)
    for one in targets:
        made.add(one.id, one)
    return made.text


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))


def rows(*targets: Target) -> list[dict[str, str]]:
    return read(export(targets))


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
        "still_reachable": "yes",
        "verified": "yes",
        "verified_at": "2026-03-02T09:00:01Z",
        "restored_at": "2026-03-02T09:00:09Z",
        "copies": "2",
        "original_folder": "Inbox/Invoices; Inbox/Invoices",
        "approved_by": "",
        "rule": "",
    }


def test_what_is_not_known_is_empty() -> None:
    (row,) = rows(target("ann"))
    assert (row["delivered_at"], row["seconds_exposed"], row["verified"], row["subject"]) == ("", "", "no", "")


def test_one_header_row_also_without_targets() -> None:
    assert next(csv.reader(io.StringIO(export([]).removeprefix(BYTE_ORDER_MARK)))) == list(COLUMNS)
    assert len(export([]).splitlines()) == 1


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r\n", "\u202e", "\u200b", "\x00"])
def test_no_subject_is_a_formula(before: str, first: str) -> None:
    (row,) = rows(target("ann", subject=f"{before}{first}HYPERLINK(1)"))
    assert row["subject"] == f"'{first}HYPERLINK(1)"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@given(st.lists(st.sampled_from(["=", "+", "-", "@", "\uff1d", ";", " ", "\t", '"', "'", ",", "a"]), max_size=12))
def test_no_cell_is_a_formula_whatever_separates_cells_in_the_readers_country(
    delimiter: str, subject: list[str]
) -> None:
    text = export([target("ann", subject="".join(subject))]).removeprefix(BYTE_ORDER_MARK)
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        assert not any(cell.lstrip(" \"'").startswith(("=", "+", "-", "@")) for cell in row if not quoted_by_us(cell))


def quoted_by_us(cell: str) -> bool:
    return "'" in cell[: len(cell) - len(cell.lstrip(" \"'"))]


def test_only_the_first_page_begins_with_the_byte_order_mark() -> None:
    assert CsvExport(INCIDENT, START).text.startswith(BYTE_ORDER_MARK + '"incident"')
    assert CsvExport(INCIDENT, START, first=False).text.startswith('"incident"')


@pytest.mark.parametrize(
    ("made", "approved_by"),
    [
        (plan(1), "automatic"),
        (plan(1, PlanState.AWAITING_APPROVAL), ""),
        (plan(1, PlanState.AWAITING_APPROVAL, stopped_at=START), "automatic"),
        (plan(1, approved_by="Ann"), "Ann"),
        (plan(1, first_approved_by="Ann", approved_by="Bob"), "Ann; Bob"),
        (plan(1, approved_by="=1"), "'=1"),
    ],
)
def test_a_row_says_who_approved_it(made: Plan, approved_by: str) -> None:
    csv_export = CsvExport(INCIDENT, START, origins([made], []))
    csv_export.add(TargetId("target-ann"), target("ann"))
    (row,) = read(csv_export.text)
    assert row["approved_by"] == approved_by


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
    made = CsvExport(INCIDENT, START)
    made.add(TargetId("target-ann"), None)
    (row,) = read(made.text)
    assert {column: cell for column, cell in row.items() if cell} == {
        "incident": INCIDENT,
        "target": "target-ann",
        "state": "unreadable",
    }
