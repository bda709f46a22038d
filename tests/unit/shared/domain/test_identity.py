"""Whether a copy is the mail that was named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.identity import Identity, Judgement, Traits, compare, is_before, near
from shared.domain.mail_address import all_spelled
from tests.fakes.clock import START

EVIL, GOOD, THIRD = "ceo@evil.example", "orders@adatum.example", "ann@contoso.example"
SAME = Judgement(Identity.SAME)
UNSURE = Judgement(Identity.UNSURE, "sender_unknown")
ANOTHER_SENDER = Judgement(Identity.DIFFERENT, "sender_differs")
EARLIER = Judgement(Identity.DIFFERENT, "received_earlier")

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def mail(*senders: str, **known: object) -> Traits:
    return Traits(senders=frozenset(senders), **known)  # type: ignore[arg-type]  # the fields, by name


def without(traits: Traits, field: str) -> Traits:
    return replace(traits, **{field: None})  # type: ignore[arg-type]  # one of those that may be None


def test_the_sender_decides_where_both_sides_know_it() -> None:
    assert compare(mail(EVIL), mail(EVIL)) == SAME
    assert compare(mail(EVIL), mail(GOOD)) == ANOTHER_SENDER


def test_one_of_two_from_addresses_is_not_another_sender() -> None:
    assert compare(mail(EVIL, GOOD), mail(GOOD)) == SAME
    assert compare(mail(EVIL), mail(EVIL, GOOD)) == SAME
    assert compare(mail(EVIL, GOOD), mail(GOOD, THIRD)) == UNSURE


def test_the_message_id_alone_makes_nothing_the_same() -> None:
    assert compare(mail(), mail(EVIL)) == UNSURE
    assert compare(mail(EVIL), mail()) == UNSURE
    assert compare(mail(), mail()) == UNSURE


def test_time_subject_and_trace_together_stand_for_a_sender_that_is_not_known() -> None:
    named = mail(subject="Invoice", received_at=START, traced_at=START + MINUTE)
    found = mail(GOOD, subject="invoice ", received_at=START + 2 * MINUTE)
    assert compare(named, found) == SAME
    assert compare(replace(named, senders=frozenset({EVIL})), replace(found, senders=frozenset())) == SAME
    for missing in ("subject", "received_at", "traced_at"):
        assert compare(without(named, missing), found).identity is Identity.UNSURE
    assert compare(named, replace(found, subject="[EXTERNAL] Invoice")) == UNSURE
    assert compare(named, replace(found, received_at=START + 20 * MINUTE)) == UNSURE


def test_mail_of_days_before_is_another_mail_whoever_sent_it() -> None:
    for senders in ((), (EVIL,)):
        named = mail(*senders, received_at=START)
        assert compare(named, mail(EVIL, received_at=START - 3 * DAY)) == EARLIER
        assert compare(named, mail(received_at=START - 3 * DAY)) == EARLIER
    # A redirect, a release from quarantine or a slow gateway makes it later.
    assert compare(mail(EVIL, received_at=START), mail(EVIL, received_at=START + 3 * DAY)) == SAME


def test_message_trace_is_believed_before_the_time_of_the_alert() -> None:
    detected = mail(EVIL, received_at=START + 3 * DAY, traced_at=START)
    assert compare(detected, mail(EVIL, received_at=START)) == SAME
    assert is_before(START - DAY, detected)
    assert not is_before(START, detected)
    assert not is_before(None, detected)
    assert not is_before(START, mail())


def test_the_network_message_id_decides_before_all_else() -> None:
    assert compare(mail(network_message_id="n"), mail(GOOD, network_message_id="n")) == SAME
    assert compare(mail(EVIL, network_message_id="n"), mail(GOOD, network_message_id="n")) == SAME
    assert compare(mail(network_message_id="n"), mail(GOOD, network_message_id="m")) == UNSURE


_SENDERS = st.frozensets(st.sampled_from([EVIL, GOOD, THIRD]))
_TIMES = st.none() | st.integers(-5_000, 5_000).map(lambda minutes: START + minutes * MINUTE)
_IDS = st.sampled_from([None, "n", "m"])
_SUBJECTS = st.sampled_from([None, "", "Invoice", "Your order"])
_NAMED = st.builds(Traits, _SENDERS, _SUBJECTS, _TIMES, _IDS, _TIMES)
_FOUND = st.builds(Traits, _SENDERS, _SUBJECTS, _TIMES, _IDS)


@given(_NAMED, _FOUND)
def test_there_is_a_reason_for_whatever_is_not_the_same(named: Traits, found: Traits) -> None:
    identity, why = compare(named, found)
    assert (why is None) is (identity is Identity.SAME)


@given(_NAMED, _FOUND)
def test_no_common_sender_is_never_the_same_mail_without_the_network_message_id(named: Traits, found: Traits) -> None:
    assume(not named.senders & found.senders)
    assume(named.network_message_id is None or named.network_message_id != found.network_message_id)
    if compare(named, found).identity is Identity.SAME:
        # From is not known on one side, and all the rest agrees.
        assert not (named.senders and found.senders)
        assert near(named.received_at, found.received_at)
        assert near(named.traced_at, found.received_at)
        assert named.subject
        assert named.subject == found.subject


@given(_NAMED, _FOUND, st.sampled_from(["subject", "received_at", "network_message_id", "traced_at"]), st.booleans())
def test_a_field_that_is_missing_turns_no_check_off(named: Traits, found: Traits, field: str, mine: bool) -> None:
    assume(not (named.senders and found.senders))
    before = compare(named, found).identity
    if mine:
        named = without(named, field)
    else:
        found = without(found, field)
    after = compare(named, found).identity
    assert after is before or after is not Identity.SAME


@given(_NAMED, _FOUND)
def test_a_sender_that_becomes_unknown_needs_all_the_other_evidence(named: Traits, found: Traits) -> None:
    hidden = replace(found, senders=frozenset())
    if compare(named, hidden).identity is Identity.SAME:
        by_id = named.network_message_id is not None and named.network_message_id == found.network_message_id
        assert by_id or (near(named.received_at, found.received_at) and near(named.traced_at, found.received_at))


_SPELLINGS = {
    "müller@xn--bcher-kva.example": ["Müller@bücher.example", '"müller"@BÜCHER.example', "M <müller@bücher.example>"],
    '"john doe"@evil.example': ['"John Doe"@EVIL.example', '"john\\ doe"@evil.example', 'J <"john doe"@evil.example>'],
    EVIL: ["CEO@evil.example", '"ceo"@evil.example', "<ceo@evil.example.>"],
}


@given(_NAMED, _FOUND, st.data())
def test_the_spelling_of_either_side_changes_nothing(named: Traits, found: Traits, data: st.DataObject) -> None:
    texts = st.lists(st.sampled_from(sorted(_SPELLINGS)), max_size=3)

    def respelled(traits: Traits) -> tuple[Traits, Traits]:
        known = data.draw(texts)
        written = [data.draw(st.sampled_from(_SPELLINGS[one])) for one in known]
        return replace(traits, senders=frozenset(known)), replace(traits, senders=frozenset(all_spelled(written)))

    (named, named_again), (found, found_again) = respelled(named), respelled(found)
    assert compare(named, found) == compare(named_again, found_again)


@given(_NAMED, _FOUND)
def test_the_two_sides_can_be_told_apart_in_either_order(named: Traits, found: Traits) -> None:
    # Only the alert's side has a trace, and an early copy is another thing than a late one.
    named, found = (replace(one, traced_at=None, received_at=None) for one in (named, found))
    assert compare(named, found) == compare(found, named)


def test_the_first_and_the_last_day_of_the_calendar_are_times_too() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert compare(mail(EVIL, received_at=first), mail(EVIL, received_at=START)) == SAME
    assert compare(mail(EVIL, received_at=last), mail(EVIL, received_at=first)) == EARLIER


@pytest.mark.parametrize(("one", "other"), [(None, START), (START, None), (None, None)])
def test_a_time_that_is_not_known_is_near_nothing(one: datetime | None, other: datetime | None) -> None:
    assert not near(one, other)
