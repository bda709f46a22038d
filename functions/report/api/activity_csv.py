"""The list of who was exposed, for spreadsheets. Subjects, names and addresses in it are chosen by strangers."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

from functions.report.api.tree import path
from shared.domain.ids import IncidentId, TargetId
from shared.domain.message import visible
from shared.domain.target import Target

COLUMNS = (
    "incident",
    "target",
    "recipient",
    "name",
    "department",
    "privileged",
    "how",
    "message_id",
    "sender",
    "subject",
    "state",
    "reason",
    "read",
    "delivered_at",
    "pulled_at",
    "seconds_exposed",
    "verified",
    "verified_at",
    "restored_at",
    "copies",
    "original_folder",
)

UNREADABLE = "unreadable"
"""The state of a row whose target this version cannot read."""

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula (OWASP, CSV injection), and the
# full-width forms that some of them fold into it. Tab and line ends do not get this far: `visible` removes them.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

# RFC 5322 lets a Message-ID have 998 characters; a chain of hops has few, each with an address.
_MAX_CELL = 2000


class CsvExport:
    """CSV (RFC 4180, every cell quoted) with one header row and one row for each target, in `text`."""

    def __init__(self, incident_id: IncidentId) -> None:
        self._incident_id = incident_id
        self._out = io.StringIO()
        self._writer = csv.writer(self._out, quoting=csv.QUOTE_ALL)
        self._writer.writerow(COLUMNS)

    def add(self, key: TargetId, target: Target | None) -> None:
        """Add the row of one target; None for one that this version cannot read."""
        if target is None:
            given = {"incident": self._incident_id, "target": key, "state": UNREADABLE}
            cells = [given.get(column, "") for column in COLUMNS]
        else:
            cells = [_cell(value) for value in _row(target)]
        self._writer.writerow(cells)

    @property
    def text(self) -> str:
        """The CSV as far as it has come."""
        return self._out.getvalue()


def _row(target: Target) -> tuple[Any, ...]:
    box = target.mailbox
    return (
        target.incident_id,
        target.id,
        box.address,
        box.name,
        box.department,
        box.privileged,
        path(target),
        target.internet_message_id,
        target.sender,
        target.subject,
        target.state,
        target.reason,
        target.read,
        target.delivered_at,
        target.pulled_at,
        target.exposed_seconds,
        target.verified_at is not None,
        target.verified_at,
        target.restored_at,
        len(target.copies),
        "; ".join(copy.original.folder_path for copy in target.copies),
    )


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case datetime():
            # One spelling in every row, whether the source gave fractions of a second or not.
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = visible(str(value), _MAX_CELL) or ""
    # The apostrophe makes a spreadsheet take the rest as text, and is not shown by it.
    return f"'{text}" if text.startswith(_FORMULA) else text
