"""The list of who was exposed, for spreadsheets. Subjects, names and addresses in it are chosen by strangers."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from functions.report.api.tree import path
from shared.domain.base import Frozen
from shared.domain.exposure import exposure
from shared.domain.ids import AlertId, IncidentId, PlanId, TargetId
from shared.domain.incident import AlertLink, Plan, PlanState
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
    "still_reachable",
    "verified",
    "verified_at",
    "restored_at",
    "copies",
    "original_folder",
    "approved_by",
    "rule",
)

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine. Only the first page has it: pages are put together."""

AUTOMATIC = "automatic"
"""Who approved what ran without a person."""

UNREADABLE = "unreadable"
"""The state of a row whose target this version cannot read."""

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula (OWASP, CSV injection), and the
# full-width forms that some of them fold into it. Tab and line ends do not get this far: `visible` removes them.
#
# Where the semicolon separates cells, a spreadsheet cuts our cells at each semicolon in them: what comes after one
# begins a cell too, and spaces and quotes before it do not count.
_FORMULA = re.compile(r"""((?:^|;)[\s"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")

# RFC 5322 lets a Message-ID have 998 characters; a chain of hops has few, each with an address.
_MAX_CELL = 2000


class Origin(Frozen):
    """Who approved a plan, and which rules of policy decided its alerts."""

    approved_by: str | None
    """Its approvers; `AUTOMATIC` if it ran without a person; None if nothing of it has run yet."""
    rule: str
    """The rules of its alerts, each once; empty if none is known."""


def origins(plans: Iterable[Plan], alerts: Iterable[AlertLink]) -> dict[PlanId, Origin]:
    """Where these plans came from."""
    rules = {AlertId(alert.id): alert.decision.rule for alert in alerts if alert.decision}
    return {
        plan.id: Origin(
            approved_by=_approved_by(plan),
            rule="; ".join(dict.fromkeys(rules[alert] for alert in plan.alert_ids if alert in rules)),
        )
        for plan in plans
    }


def _approved_by(plan: Plan) -> str | None:
    if plan.approved_by is not None:
        return "; ".join(by for by in (plan.first_approved_by, plan.approved_by) if by)
    # An undo stops a plan that ran without a person: it waits for one only since.
    ran = plan.state in {PlanState.RUNNING, PlanState.FINISHED} or plan.stopped_at is not None
    return AUTOMATIC if ran else None


class CsvExport:
    """CSV (RFC 4180, every cell quoted) with one header row and one row for each target, in `text`.

    Args:
        incident_id: the case.
        now: the moment until which exposure is counted.
        origins: where each plan of it came from; a plan that is not in here leaves its cells empty.
        first: whether it is the first page.
    """

    def __init__(
        self,
        incident_id: IncidentId,
        now: datetime,
        origins: Mapping[PlanId, "Origin"] | None = None,
        *,
        first: bool = True,
    ) -> None:
        self._incident_id = incident_id
        self._now = now
        self._origins = origins or {}
        self._out = io.StringIO()
        if first:
            self._out.write(BYTE_ORDER_MARK)
        self._writer = csv.writer(self._out, quoting=csv.QUOTE_ALL)
        self._writer.writerow(COLUMNS)

    def add(self, key: TargetId, target: Target | None) -> None:
        """Add the row of one target; None for one that this version cannot read."""
        if target is None:
            given = {"incident": self._incident_id, "target": key, "state": UNREADABLE}
            cells = [given.get(column, "") for column in COLUMNS]
        else:
            cells = [_cell(value) for value in (*_row(target, self._now), *self._origin(target))]
        self._writer.writerow(cells)

    def _origin(self, target: Target) -> tuple[str | None, str | None]:
        origin = self._origins.get(target.plan_id)
        return (origin.approved_by, origin.rule) if origin else (None, None)

    @property
    def text(self) -> str:
        """The CSV as far as it has come."""
        return self._out.getvalue()


def _row(target: Target, now: datetime) -> tuple[Any, ...]:
    exposed = exposure(target, now)
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
        exposed.seconds,
        exposed.still,
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
    # The apostrophe makes a spreadsheet take the rest as text.
    return _FORMULA.sub(r"\1'", text)
