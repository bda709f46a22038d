"""Text from outside. Whatever a sender could write passes here once; the untouched bytes stay in the evidence."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator

from shared.domain import message

_OPENING, _CLOSING = ("\\u003c", "&lt;"), ("\\u003e", "&gt;")


def whole(value: Any) -> Any:
    """A string without halves of surrogate pairs, which JSON can spell and UTF-8 cannot; anything else as it is."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(whole)]
"""A string that can be encoded again."""


def message_id(raw: str | None) -> str | None:
    """The Message-ID in angle brackets; None if there is none.

    Vendors escape it twice, quote it and fold it (alert-formats.md 12, pitfall 1).
    """
    text = re.sub(r"\r?\n[ \t]+", "", (raw or "")[: 4 * message.MAX_MESSAGE_ID])
    text = text.strip().strip("'\"").strip()
    # At the ends only: in between the sender may have written it so.
    for escaped in _OPENING:
        text = text.removeprefix(escaped)
    for escaped in _CLOSING:
        text = text.removesuffix(escaped)
    return message.internet_message_id(text)


def controlled(raw: str | list[str] | None) -> bool:
    """Whether a control character stands in one of these addresses.

    With CR LF in between, one recipient would be read as two, or as another one.
    """
    parts = [raw] if isinstance(raw, str) else raw or []
    return any(unicodedata.category(character) == "Cc" for part in parts for character in part.strip())


def addresses(raw: str | list[str] | None) -> tuple[str, ...]:
    """Each address once, in order. A list, or one string with commas or semicolons between addresses.

    What holds no address is left out: a display name may hold the separator (`"Trang, Alex" <alex@…>`). So is a piece
    with a control character in it: whose address it is would be a guess.
    """
    parts = [raw] if isinstance(raw, str) else raw or []
    pieces = (piece for part in parts for piece in re.split(r"[,;]", part) if not controlled(piece))
    found = map(message.address, pieces)
    return tuple(dict.fromkeys(address for address in found if address))
