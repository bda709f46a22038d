"""Text from outside. Whatever a sender could write passes here once; the untouched bytes stay in the evidence."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from shared.domain import message
from shared.domain.alert import Indicator, IndicatorType

# What browsers still open (Chromium cuts at 2 MiB, proxies at 2 to 8 KiB); longer ones are made to fill disks.
MAX_URL = 2048

_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[\w-]{1,63}\.)+[^\W\d][\w-]{1,62}")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
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


def addresses(raw: str | list[str] | None) -> tuple[str, ...]:
    """Each address once, in order. A list, or one string with commas or semicolons between addresses.

    What holds no address is left out: a display name may hold the separator (`"Trang, Alex" <alex@…>`).
    """
    parts = [raw] if isinstance(raw, str) else raw or []
    found = (message.address(piece) for part in parts for piece in re.split(r"[,;]", part))
    return tuple(dict.fromkeys(address for address in found if address))


def observable(raw: str | None, source: str) -> Indicator | None:
    """What kind of thing this text is, by its own look: sources mislabel hashes and bare domains as URLs."""
    text = (raw or "").strip()
    if len(text) > MAX_URL or message.visible(text, MAX_URL) != text or " " in text:
        return None
    kind = next((kind for kind, looks_so in _LOOKS if looks_so(text)), None)
    if kind is None:
        return None
    # A URL's path is case-sensitive; nothing else here is.
    return Indicator(type=kind, value=text if kind is IndicatorType.URL else text.lower(), source=source)


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_domain(text: str) -> bool:
    return _DOMAIN.fullmatch(text) is not None


_LOOKS: tuple[tuple[IndicatorType, Callable[[str], bool]], ...] = (
    (IndicatorType.URL, lambda text: _SCHEME.match(text) is not None),
    (IndicatorType.SHA256, lambda text: _SHA256.fullmatch(text) is not None),
    (IndicatorType.MD5, lambda text: _MD5.fullmatch(text) is not None),
    (IndicatorType.IPV4, lambda text: _is_ip(text, 4)),
    (IndicatorType.IPV6, lambda text: _is_ip(text, 6)),
    (IndicatorType.SENDER, lambda text: message.address(text) == text.lower()),
    (IndicatorType.DOMAIN, _is_domain),
    # A URL that lost its scheme.
    (IndicatorType.URL, lambda text: _is_domain(text.split("/", 1)[0].split(":", 1)[0])),
)
