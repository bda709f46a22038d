"""Text from elsewhere, made safe for a terminal. Apart from cli/show.py: an error message needs no tables."""

from shared.domain.message import visible


def safe(value: object, limit: int = 120) -> str:
    """`value` in at most `limit` characters, without control and direction-changing ones; empty for None."""
    return "" if value is None else visible(str(value), limit) or ""
