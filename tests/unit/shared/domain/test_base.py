from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from shared.domain.base import Foreign, Frozen, Instant


class Record(Frozen):
    some_name: str
    when: Instant
    nothing: str | None = None


class Theirs(Foreign):
    id: str


MOMENT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_document_is_camel_case_without_nulls_and_comes_back_whole() -> None:
    record = Record(some_name="a", when=MOMENT)

    document = record.to_document()

    assert document == {"someName": "a", "when": "2026-03-02T09:00:00Z"}
    assert Record.model_validate(document) == record


def test_what_a_newer_writer_added_is_kept_and_written_back() -> None:
    newer = Record.model_validate({"someName": "a", "when": MOMENT, "more": {"deep": [1]}})
    changed = newer.model_copy(update={"some_name": "b"})
    assert changed.to_document() == {"someName": "b", "when": "2026-03-02T09:00:00Z", "more": {"deep": [1]}}


def test_what_we_write_is_immutable_and_an_error_does_not_show_it() -> None:
    with pytest.raises(ValidationError) as error:
        Record.model_validate({"someName": 7, "when": "ann@contoso.example"})
    assert "ann" not in str(error.value)
    with pytest.raises(ValidationError):
        Record(some_name="a", when=MOMENT).some_name = "b"  # type: ignore[misc]  # what is tested


def test_what_others_write_may_have_more() -> None:
    assert Theirs.model_validate({"id": "1", "more": 2}) == Theirs(id="1")


@pytest.mark.parametrize(
    "told",
    [datetime(2026, 3, 2, 9, 0), datetime(2026, 3, 2, 11, 0, tzinfo=timezone(timedelta(hours=2)))],  # noqa: DTZ001 - vendors leave it out
)
def test_moments_are_utc(told: datetime) -> None:
    when = Record(some_name="a", when=told).when

    assert (when, when.tzinfo) == (MOMENT, UTC)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_moment_outside_the_calendar_is_a_mistake_of_its_sender(text: str) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({"someName": "a", "when": text})
