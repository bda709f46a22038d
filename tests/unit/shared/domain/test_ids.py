from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import derive, fresh

parts = st.lists(st.text(), min_size=1, max_size=4)


@given(parts)
def test_the_same_parts_give_the_same_id(given_parts: list[str]) -> None:
    assert derive("x", *given_parts) == derive("x", *given_parts)


@given(parts, parts)
def test_other_parts_give_another_id(one: list[str], other: list[str]) -> None:
    assert (derive("x", *one) == derive("x", *other)) is (one == other)


def test_parts_are_fenced() -> None:
    assert derive("x", "ab", "c") != derive("x", "a", "bc")
    assert derive("x", "a", "b") != derive("x", 'a", "b')


def test_the_prefix_is_part_of_what_is_derived() -> None:
    assert derive("x", "a").removeprefix("x-") != derive("y", "a").removeprefix("y-")


@given(st.text())
def test_an_id_is_a_document_id_a_blob_name_and_a_row_in_a_log(part: str) -> None:
    key = derive("alert", part)

    assert len(key) == len("alert-") + 26
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_derived_id_never_changes() -> None:
    # Written down: documents of last year carry it.
    assert derive("alert", "proofpoint_tap", "1") == "alert-h3v4besesv4dwy8ph5ban13jea"


def test_fresh_ids_differ() -> None:
    assert len({fresh("m") for _ in range(100)}) == 100
