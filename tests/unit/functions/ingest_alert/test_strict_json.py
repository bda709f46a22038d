import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_alert.strict_json import MalformedError, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_is_json_is_read(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "syntax"),
        (b'{"a": 1', "syntax"),
        (b'{"a": 1}{"b": 2}', "syntax"),
        (b"9" * 5000, "syntax"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"a": NaN}', "not_a_number"),
        (b"[-Infinity]", "not_a_number"),
        (b"[1e999]", "not_a_number"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "duplicate_key"),
        ('{"a": "ü"}'.encode("latin-1"), "encoding"),
        ('{"a": 1}'.encode("utf-16"), "encoding"),
        (b'{"a": "\xed\xa0\x80"}', "encoding"),
    ],
)
def test_what_is_not_is_refused_by_kind(body: bytes, kind: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(body)
    assert caught.value.kind == kind
    assert str(caught.value) == kind


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    with contextlib.suppress(MalformedError):
        parse(body)
