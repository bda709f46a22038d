from datetime import UTC, datetime, timedelta

from shared.clock import utc_now


def test_now_is_utc_and_survives_json() -> None:
    now = utc_now()

    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert timedelta(0) <= datetime.now(UTC) - now < timedelta(minutes=1)
