"""Message trace (reference/graph.md 2.7)."""

from datetime import UTC, datetime, timedelta

from local.emulators.graph import collection
from local.emulators.graph.errors import bad_request, unsupported
from local.emulators.graph.filters import compile_filter
from local.emulators.graph.http import Call, Response
from local.emulators.graph.kinds import TRACE
from local.emulators.graph.odata import And, Compare, Expression, parse_filter
from local.emulators.graph.odata import Call as Function

_EQUAL = frozenset({"id", "messageId", "recipientAddress", "senderAddress", "status", "fromIP", "toIP"})
_RECEIVED = "receivedDateTime"
_DEFAULT_PERIOD = timedelta(hours=48)
_LONGEST = timedelta(days=10)
_OLDEST = timedelta(days=90)


def list_traces(call: Call) -> Response:
    """`GET /admin/exchange/tracing/messageTraces`: a row for each final recipient, newest first."""
    now = call.tenant.now()
    text = call.options.get("$filter")
    since: datetime | None = None
    until: datetime | None = None
    rows = call.tenant.trace
    if text is not None:
        since, until = _bounds(parse_filter(text))
        fits = compile_filter(text, TRACE)
        rows = [row for row in rows if fits(row)]
    until = until or now
    if until > now:
        raise bad_request("Invalid filter: the end of the period is in the future.")
    oldest = now - _OLDEST
    if min(until, since or until) < oldest:
        raise bad_request("Invalid filter: the period begins more than 90 days ago.")
    since = since or until - _DEFAULT_PERIOD
    if since > until or until - since > _LONGEST:
        raise bad_request("Invalid filter: the period is longer than 10 days, or ends before it begins.")
    found = sorted((row for row in rows if since <= row.received <= until), key=lambda row: row.received, reverse=True)
    names = TRACE.names(call.options.get("$select"))
    return collection.answer(
        call, found, collection.TRACE, "admin/exchange/tracing/messageTraces", lambda row: TRACE.render(row, names)
    )


def _bounds(expression: Expression) -> tuple[datetime | None, datetime | None]:
    """Beginning and end of the period. Refuses what message trace does not filter by.

    Graph ignores `or` silently and keeps one of two values for a property (graph.md 2.7): no caller can want that.
    """
    since: datetime | None = None
    until: datetime | None = None
    seen: set[tuple[str, str]] = set()
    for part in expression.parts if isinstance(expression, And) else (expression,):
        match part:
            case Compare(left=left, op="eq") if left in _EQUAL:
                key = (left, "eq")
            case Function(path="subject", name=name):
                key = ("subject", name)
            case Compare(left=left, op="ge" | "le" as op, right=right) if left == _RECEIVED:
                key = (left, op)
                moment = _moment(right.value)
                since, until = (moment, until) if op == "ge" else (since, moment)
            case _:
                unsupported(
                    "this message trace filter: eq, ge/le on receivedDateTime, functions on subject, 'and' only"
                )
        if key in seen:
            unsupported(f"two conditions on {key[0]} in a message trace filter: Graph keeps one of them")
        seen.add(key)
    return since, until


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise bad_request(f"Invalid filter: '{value}' is not a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
