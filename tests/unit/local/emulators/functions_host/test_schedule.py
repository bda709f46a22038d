from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.functions_host.config import HostError
from local.emulators.functions_host.schedule import parse

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", NOON + timedelta(seconds=1)),
        ("0 * * * * *", NOON + timedelta(minutes=1)),
        ("*/15 * * * * *", NOON + timedelta(seconds=15)),
        ("0 */5 * * * *", NOON + timedelta(minutes=5)),
        ("0 0 9-17 * * *", NOON + timedelta(hours=1)),
        ("0 30 9 * * *", datetime(2026, 11, 25, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 0 * * MON-FRI", datetime(2026, 11, 25, tzinfo=UTC)),
        ("0 0 0 * * Sunday", datetime(2026, 11, 29, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("5/20 * * * * *", NOON + timedelta(seconds=5)),
        ("30 12 * * *", NOON + timedelta(minutes=30)),
        # Both the day of the month and the day of the week: the first Friday that is a 13th.
        ("0 0 0 13 * 5", datetime(2027, 8, 13, tzinfo=UTC)),
    ],
)
def test_the_next_time(text: str, expected: datetime) -> None:
    assert parse(text).after(NOON) == expected


@pytest.mark.parametrize(
    "text", ["", "* * *", "60 * * * * *", "* * * 0 * *", "a * * * * *", "5-1 * * * * *", "00:05:00"]
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(HostError):
        parse(text)


def test_a_schedule_that_never_fires_is_refused() -> None:
    with pytest.raises(HostError, match="never fires"):
        parse("0 0 0 30 2 *").after(NOON)


@given(
    st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 23),
)
def test_the_next_time_is_later_fits_and_none_is_left_out(
    moment: datetime, second: int, minute: int, hour: int
) -> None:
    found = parse(f"{second} {minute} {hour} * * *").after(moment)
    assert timedelta(0) < found - moment <= timedelta(days=1)
    assert (found.hour, found.minute, found.second) == (hour, minute, second)
