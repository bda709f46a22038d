import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.expand_recipients.trace import (
    EMPTY_MAX_AGE,
    MAX_AGE,
    Trace,
    Traces,
    delivered_at,
    delivered_to,
    expanded,
)
from shared.domain.ids import IncidentId
from shared.domain.message import Message
from shared.errors import DeniedError, UnavailableError
from shared.ports.directory import TraceRow
from tests.fakes.clock import FakeClock
from tests.fakes.evidence import FakeEvidence

INCIDENT = IncidentId("inc-1")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
MAIL = Message(
    internet_message_id="<a@evil.example>",
    sender="x@evil.example",
    subject="Invoice",
    received_at=NOW - timedelta(hours=3),
    recipients=("bob@contoso.example", "ann@contoso.example"),
)


class Tracing:
    """The one method of the directory that a trace uses."""

    def __init__(self, *rows: TraceRow, error: Exception | None = None) -> None:
        self.rows = rows
        self.error = error
        self.asked: list[dict[str, Any]] = []

    async def trace(self, **asked: Any) -> tuple[TraceRow, ...]:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return self.rows


def row(recipient: str = "ann@contoso.example", status: str = "delivered", **changes: Any) -> TraceRow:
    given = {
        "received_at": MAIL.received_at,
        "internet_message_id": "<a@evil.example>",
        "network_message_id": "NMID-1",
        "subject": "Invoice",
        "sender": "x@evil.example",
        **changes,
    }
    return TraceRow(recipient=recipient, status=status, **given)


def trace(
    directory: Tracing, *, may_wait: bool = True, evidence: FakeEvidence | None = None, now: datetime = NOW
) -> tuple[Trace, Counter[str]]:
    notes: Counter[str] = Counter()
    traces = Traces(INCIDENT, evidence or FakeEvidence(), FakeClock(now))
    return Trace(directory, traces, now=now, may_wait=may_wait, notes=notes), notes  # type: ignore[arg-type]  # one method of it


async def test_rows_of_another_message_are_left_out() -> None:
    directory = Tracing(row(), row("eve@contoso.example", internet_message_id="<benign@contoso.example>"))
    rows = await trace(directory)[0].of(MAIL)
    assert [r.recipient for r in rows] == ["ann@contoso.example"]
    (asked,) = directory.asked
    assert asked["internet_message_id"] == "<a@evil.example>"
    assert asked["since"] == NOW - timedelta(days=1, hours=3)
    assert asked["until"] == NOW


@pytest.mark.parametrize("days", [5, 30, 89])
async def test_window_is_one_that_graph_allows(days: int) -> None:
    directory = Tracing()
    await trace(directory)[0].of(MAIL.model_copy(update={"received_at": NOW - timedelta(days=days)}))
    (asked,) = directory.asked
    assert NOW - timedelta(days=90) <= asked["since"] < asked["until"] <= NOW
    assert asked["until"] - asked["since"] <= timedelta(days=10)


async def test_a_message_from_the_future_is_not_asked_for() -> None:
    directory = Tracing()
    tracing, notes = trace(directory)
    assert await tracing.of(MAIL.model_copy(update={"received_at": NOW + timedelta(days=2)})) == ()
    assert directory.asked == []
    assert notes == {"trace_out_of_range": 1}


async def test_the_requests_of_a_search_have_a_limit() -> None:
    directory = Tracing()
    tracing, notes = trace(directory)
    for number in range(25):
        await tracing.of(MAIL.model_copy(update={"internet_message_id": f"<{number}@evil.example>"}))
    assert len(directory.asked) == 20
    assert notes == {"trace_limit_reached": 5}


async def test_a_message_is_asked_for_once_for_the_whole_case() -> None:
    evidence, directory = FakeEvidence(), Tracing(row(), row("bob@contoso.example", received_at=None))
    first = await trace(directory, evidence=evidence)[0].of(MAIL)
    # Another search of the case, in another process, whose limit it does not touch.
    nobody = Tracing(error=AssertionError())
    assert await trace(nobody, evidence=evidence)[0].of(MAIL) == first
    assert len(directory.asked) == 1
    assert list(evidence.blobs) == [f"trace/{INCIDENT}/{MAIL.key}.json"]
    assert json.loads(evidence.blobs[f"trace/{INCIDENT}/{MAIL.key}.json"])["rows"][0]["internetMessageId"] == (
        MAIL.internet_message_id
    )


async def test_two_searches_at_the_same_time_have_the_same_rows() -> None:
    evidence = FakeEvidence()

    class Slow(Tracing):
        async def trace(self, **asked: Any) -> tuple[TraceRow, ...]:
            await trace(Tracing(row("bob@contoso.example")), evidence=evidence)[0].of(MAIL)
            return await super().trace(**asked)

    rows = await trace(Slow(row("ann@contoso.example")), evidence=evidence)[0].of(MAIL)
    assert [found.recipient for found in rows] == ["bob@contoso.example"]


@pytest.mark.parametrize("age", [MAX_AGE, 5 * MAX_AGE])
async def test_an_alert_that_comes_later_asks_again(age: timedelta) -> None:
    evidence = FakeEvidence()
    await trace(Tracing(row()), evidence=evidence)[0].of(MAIL)
    directory = Tracing(row(), row("bob@contoso.example"))
    for _ in range(3):
        rows = await trace(directory, evidence=evidence, now=NOW + age)[0].of(MAIL)
        assert [found.recipient for found in rows] == ["ann@contoso.example", "bob@contoso.example"]
    assert len(directory.asked) == 1


async def test_what_was_known_stays_known_where_transport_has_forgotten() -> None:
    evidence = FakeEvidence()
    first = await trace(Tracing(row()), evidence=evidence)[0].of(MAIL)
    assert await trace(Tracing(), evidence=evidence, now=NOW + MAX_AGE)[0].of(MAIL) == first


@pytest.mark.parametrize("error", [UnavailableError("trace"), DeniedError("trace")])
async def test_what_was_not_answered_is_not_kept(error: Exception) -> None:
    evidence = FakeEvidence()
    assert await trace(Tracing(error=error), may_wait=False, evidence=evidence)[0].of(MAIL) == ()
    assert evidence.blobs == {}
    assert len(await trace(Tracing(row()), evidence=evidence)[0].of(MAIL)) == 1


async def test_an_answer_without_rows_is_kept_for_a_short_time() -> None:
    evidence, directory = FakeEvidence(), Tracing()
    for _ in range(3):
        assert await trace(directory, evidence=evidence)[0].of(MAIL) == ()
    assert len(directory.asked) == 1
    assert len(await trace(Tracing(row()), evidence=evidence, now=NOW + EMPTY_MAX_AGE)[0].of(MAIL)) == 1


async def test_a_mail_older_than_the_trace_reaches_is_not_asked_for() -> None:
    directory = Tracing(row())
    old = MAIL.model_copy(update={"received_at": NOW - timedelta(days=90)})
    asked, notes = trace(directory)
    assert await asked.of(old) == ()
    assert (directory.asked, dict(notes)) == ([], {"trace_out_of_range": 1})


async def test_evidence_that_cannot_be_read_is_no_answer_of_the_trace() -> None:
    class Down(FakeEvidence):
        async def once(self, path: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
            raise UnavailableError("evidence")

    tracing, notes = trace(Tracing(row()), may_wait=False, evidence=Down())
    with pytest.raises(UnavailableError):
        await tracing.of(MAIL)
    assert notes == {}


async def test_an_identified_message_is_asked_for_once_for_the_whole_case() -> None:
    evidence, directory = FakeEvidence(), Tracing(row())
    unknown = MAIL.model_copy(update={"internet_message_id": None, "network_message_id": "NMID-1"})
    for recipients in (("ann@contoso.example",), ("bob@contoso.example",)):
        found = await trace(directory, evidence=evidence)[0].identify(
            unknown.model_copy(update={"recipients": recipients})
        )
        assert found is not None
        assert found.internet_message_id == "<a@evil.example>"
    assert len(directory.asked) == 1


async def test_unavailable_is_waited_for_only_for_some_time() -> None:
    tracing, notes = trace(Tracing(error=UnavailableError("trace", 300.0)))
    with pytest.raises(UnavailableError):
        await tracing.of(MAIL)
    assert notes == {}
    tracing, notes = trace(Tracing(error=UnavailableError("trace", 300.0)), may_wait=False)
    assert await tracing.of(MAIL) == ()
    assert notes == {"trace_unavailable": 1}


async def test_a_missing_right_is_a_note_at_once() -> None:
    tracing, notes = trace(Tracing(error=DeniedError("trace")))
    assert await tracing.of(MAIL) == ()
    assert notes == {"trace_denied": 1}


async def test_identifies_by_network_message_id() -> None:
    directory = Tracing(row(network_message_id="nmid-1"), row(network_message_id="other", internet_message_id="<o@x>"))
    found = await trace(directory)[0].identify(
        MAIL.model_copy(update={"internet_message_id": None, "network_message_id": "NMID-1"})
    )
    assert found is not None
    assert found.internet_message_id == "<a@evil.example>"
    assert (directory.asked[0]["sender"], directory.asked[0]["recipient"]) == (None, "ann@contoso.example")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row()], "<a@evil.example>"),
        ([row(subject="Re: Invoice")], None),
        ([row(received_at=NOW)], None),
        ([row(), row(internet_message_id="<c@evil.example>")], None),
        ([], None),
    ],
)
async def test_identifies_by_subject_and_time_only_if_that_is_sure(rows: list[TraceRow], expected: str | None) -> None:
    found = await trace(Tracing(*rows))[0].identify(MAIL.model_copy(update={"internet_message_id": None}))
    assert (found and found.internet_message_id) == expected


async def test_a_message_that_nothing_is_known_of_costs_no_request() -> None:
    directory = Tracing(row())
    assert await trace(directory)[0].identify(Message()) is None
    assert directory.asked == []


async def sent_by(directory: Tracing, mail: Message = MAIL) -> list[str | None]:
    recipients = ["out@partner.example"]
    found = await trace(directory)[0].sent_by("ann@contoso.example", recipients, mail, mail.received_at)
    return [message.internet_message_id for message in found]


FORWARD: dict[str, Any] = {
    "recipient": "out@partner.example",
    "internet_message_id": "<f@contoso.example>",
    "subject": "FW: invoice",
}


async def test_finds_what_a_rule_forwarded() -> None:
    directory = Tracing(row(**FORWARD))
    assert await sent_by(directory) == ["<f@contoso.example>"]
    assert directory.asked[0]["sender"] == "ann@contoso.example"


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "FW: Invoices of November"},
        {"recipient": "bob@contoso.example"},
        {"received_at": NOW},
        {"received_at": None},
        {"internet_message_id": "<a@evil.example>"},
        {"internet_message_id": ""},
    ],
)
async def test_nothing_else_is_taken_for_it(change: dict[str, Any]) -> None:
    assert await sent_by(Tracing(row(**{**FORWARD, **change}))) == []


@pytest.mark.parametrize("change", [{"subject": ""}, {"subject": None}, {"received_at": None}])
async def test_a_mail_that_nothing_is_known_of_is_not_looked_for(change: dict[str, Any]) -> None:
    directory = Tracing(row(**FORWARD))
    assert await sent_by(directory, MAIL.model_copy(update=change)) == []
    assert directory.asked == []


def test_delivery_time_is_the_recipients_own() -> None:
    rows = [row("A@x.example", received_at=NOW), row("b@x.example"), row("c@x.example", received_at=None)]
    times = [delivered_at(address, rows) for address in ("a@x.example", "b@x.example", "c@x.example")]
    assert times == [NOW, MAIL.received_at, None]


def test_statuses() -> None:
    rows = [
        row("a@x.example"),
        row("A@x.example", "filteredAsSpam"),
        row("b@x.example", "pending"),
        row("c@x.example", "failed"),
        row("d@x.example", "quarantined"),
        row("g@x.example", "expanded"),
    ]
    assert delivered_to(rows) == ["a@x.example", "b@x.example"]
    assert expanded(rows) == ["g@x.example"]


@pytest.mark.parametrize("received", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_a_time_at_the_end_of_the_calendar_is_out_of_range_and_no_crash(received: datetime) -> None:
    # The source chose it. A crash here would keep the draft of the plan, and with it the case, from going on for ever.
    directory = Tracing(row())
    traced, notes = trace(directory)
    mail = MAIL.model_copy(update={"received_at": received})
    assert await traced.of(mail) == ()
    assert await traced.identify(mail.model_copy(update={"internet_message_id": None})) is None
    assert (directory.asked, notes) == ([], {"trace_out_of_range": 2})
