import pytest

from shared.domain.batch import MAX_BATCH, MAX_BATCH_BYTES, batch_size, check_batch, sent_size


@pytest.mark.parametrize(
    ("text", "size"), [("a", 1), ("ü", 6), ("\U0001f41f", 12), ('"', 2), ("\n", 2), ("\x00", 6), ("\u2028", 6)]
)
def test_characters_are_counted_as_they_are_sent(text: str, size: int) -> None:
    assert sent_size({"a": text}) == len('{"a":""}') + size


def test_a_batch_is_checked_by_number_and_by_size() -> None:
    check_batch([{"id": "x"}] * MAX_BATCH)
    with pytest.raises(ValueError, match="at most 100 operations"):
        check_batch([{"id": "x"}] * (MAX_BATCH + 1))

    room = MAX_BATCH_BYTES - batch_size([{"a": ""}])
    check_batch([{"a": "x" * room}])
    with pytest.raises(ValueError, match="at most 2 MB"):
        check_batch([{"a": "x" * (room + 1)}])
