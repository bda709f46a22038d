from hypothesis import given
from hypothesis import strategies as st

from cli.text import safe


@given(st.text())
def test_no_control_or_direction_character_is_shown(text: str) -> None:
    assert safe(safe(text)) == safe(text)
    assert not any(c in "\x1b\x9b\r\n\u202e\u2066\u200b" or ord(c) < 32 for c in safe(text))


def test_none_is_empty_and_zero_is_not() -> None:
    assert safe(None) == ""
    assert safe(0) == "0"
