"""`$filter`: a hostile Message-ID stays a value if its quotes are doubled."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulators.graph.errors import GraphError
from local.emulators.graph.filters import compile_filter
from local.emulators.graph.kinds import MESSAGE
from local.emulators.graph.mailbox import Item, MailboxState
from local.emulators.graph.model import Mailbox
from local.emulators.graph.odata import MAX_DEPTH, Compare, Literal, parse_filter, parse_options, split_top_level
from tests.unit.local.emulators.graph.world import ANNA, PHISH, phish

# Text that can be sent: percent-encoded UTF-8 has no lone surrogates.
text = st.text(st.characters(codec="utf-8"))
hostile = st.lists(st.sampled_from(["'", "''", " or ", "eq", "(", ")", ",", ":", "a", "%27", "+", "\\", "\n"])).map(
    "".join
)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@given(text | hostile)
def test_a_quoted_value_is_one_comparison(value: str) -> None:
    expression = parse_filter(f"internetMessageId eq {quoted(value)}")
    assert expression == Compare("internetMessageId", "eq", Literal(value, quoted=True))


@given(text | hostile)
def test_percent_encoding_keeps_the_value(value: str) -> None:
    query = f"%24filter={quote(quoted(value), safe='')}&$top=1"
    assert parse_options(query) == {"$filter": quoted(value), "$top": "1"}


@given(text | hostile, text | hostile)
def test_exactly_the_item_with_that_message_id_is_found(wanted: str, other: str) -> None:
    messages = tuple(replace(phish(), internet_message_id=one) for one in dict.fromkeys((wanted, other)))
    mailbox = MailboxState(Mailbox(ANNA, messages=messages))
    fits = compile_filter(f"internetMessageId eq {quoted(wanted)}", MESSAGE)
    scanned = {item.immutable_id for item in mailbox.all_items() if fits(item)}
    assert {item.immutable_id for item in mailbox.with_message_id(wanted)} == scanned
    found: list[Item] = [item for item in mailbox.all_items() if item.immutable_id in scanned]
    assert wanted in {item.message.internet_message_id for item in found}
    assert {item.message.internet_message_id.lower() for item in found} == {wanted.lower()}


@given(hostile)
def test_any_other_text_parses_or_is_a_bad_request(value: str) -> None:
    try:
        parse_filter(value)
    except GraphError as error:
        assert error.status == 400  # noqa: PT017 - it may parse or be refused, but not crash


paths = st.sampled_from(
    ["subject", "isRead", "flag", "flag/flagStatus", "flag/nope", "from/emailAddress/address", "from/address", "id",
     "categories", "categories/$count", "toRecipients", "receivedDateTime", "importance", "body/content", "nope",
     "attachments", "conversationIndex", "singleValueExtendedProperties", "c", "c/x", "c/id", "c/value",
     "flag/dueDateTime/dateTime", "$count"]
)  # fmt: skip
literals = st.sampled_from(
    ["'x'", "'String 0x1042'", "'Integer 0x1081'", "''", "1", "-1.5", "9" * 5000, "true", "null", "2026-11-24", "bare",
     "2026-11-24T08:00:00Z", "0001-01-01T00:00:00-14:00", "9999-12-31T23:59:59+14:00", "subject"]
)  # fmt: skip
comparisons = st.builds(
    "{} {} {}".format, paths, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), literals
) | st.builds("{}({},{})".format, st.sampled_from(["contains", "startswith", "endswith"]), paths, literals)
conditions = st.recursive(
    comparisons
    | st.builds("cast({},Edm.Int32) {} {}".format, paths, st.sampled_from(["eq", "gt"]), literals)
    | st.builds("{} in ({},{})".format, paths, literals, literals),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("not ({})".format, inner)
        | st.builds("{}/any(c:{})".format, paths, inner)
    ),
    max_leaves=5,
)


@settings(max_examples=500)
@given(conditions)
def test_a_filter_is_answered_or_refused(text: str) -> None:
    (item,) = MailboxState(Mailbox(ANNA, messages=(phish(in_reply_to=PHISH, last_verb=104),))).all_items()
    try:
        assert compile_filter(text, MESSAGE)(item) in {True, False}
    except GraphError as error:
        assert error.status in {400, 501}  # noqa: PT017 - it may be answered or refused, but not crash


@pytest.mark.parametrize("deep", ["(" * 5000, "not " * 5000, "a/any(b:" * 5000])
def test_deep_nesting_is_a_bad_request(deep: str) -> None:
    with pytest.raises(GraphError, match="400"):
        parse_filter(deep)
    inside = "(" * (MAX_DEPTH - 1)
    assert parse_filter(f"{inside}isRead eq true{')' * (MAX_DEPTH - 1)}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("isRead eq false and importance eq 'NORMAL'", True),
        ("isRead eq true or importance eq 'high'", False),
        ("not (isRead eq true)", True),
        ("subject eq null", False),
        ("subject ne null", True),
        ("startswith(subject,'inv') and endswith(subject,'ICE')", True),
        ("from/emailAddress/address eq 'Mallory@evil.example'", True),
        ("toRecipients/any(r:r/emailAddress/address eq 'anna@contoso.example')", True),
        ("categories/any(c:c eq 'red')", False),
        ("receivedDateTime lt 2026-11-24T06:00:00.5Z", True),
        ("receivedDateTime gt 2026-11-24T08:00:00+02:00", False),
        ("subject gt 'a' and subject le 'invoice'", True),
        ("flag/flagStatus eq 'notFlagged'", True),
        ("subject in ('x','Invoice')", True),
        ("importance ne null and Importance eq 'Normal'", True),
        ("NOT(isRead EQ true) AND StartsWith(Subject,'Inv')", True),
    ],
)
def test_conditions(expression: str, expected: bool) -> None:
    (item,) = MailboxState(Mailbox(ANNA, messages=(phish(),))).all_items()
    assert compile_filter(expression, MESSAGE)(item) is expected


def test_splitting_looks_at_brackets_and_quotes() -> None:
    assert split_top_level("a,b(c,d),e eq 'f,g'", ",") == ["a", "b(c,d)", "e eq 'f,g'"]
