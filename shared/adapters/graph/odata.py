"""OData in addresses: whatever a sender chose is quoted, encoded, and cannot become part of the expression."""

from functools import lru_cache
from urllib.parse import quote


def literal(text: str) -> str:
    """`text` as an OData string: in quotes, with each quote inside doubled."""
    return "'" + text.replace("'", "''") + "'"


# One incident asks the same of every mailbox, and each mailbox many times over.
@lru_cache(maxsize=1024)
def query(**options: str | int) -> str:
    """The query string; `filter` becomes `$filter`, and so on."""
    return "?" + "&".join(f"${name}={_encoded(str(value))}" for name, value in options.items())


@lru_cache(maxsize=8192)
def segment(text: str) -> str:
    """`text` as one segment of a path."""
    # These two mean another segment, and need no encoding anywhere else.
    return text.replace(".", "%2E") if text in {".", ".."} else _encoded(text)


def _encoded(text: str) -> str:
    # Half a surrogate pair has no UTF-8: with "?" in its place it is found nowhere.
    return quote(text, safe="", errors="replace")
