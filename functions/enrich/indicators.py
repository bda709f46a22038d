"""Indicators of an alert in one spelling, so that two sources that mean the same say the same."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from shared.domain.alert import Alert, Indicator, IndicatorType
from shared.domain.message import address

# A longer URL is kept by nobody's block list; RFC 9110 4.1 asks for 8,000 octets to be supported.
_MAX_URL = 8000
# RFC 1035 2.3.4.
_MAX_DOMAIN = 253
# Thousands of indicators in one alert are a feed, not an alert; the raw payload keeps all.
_MAX_COUNT = 1000

_HASH = {IndicatorType.SHA256: re.compile(r"[0-9a-f]{64}"), IndicatorType.MD5: re.compile(r"[0-9a-f]{32}")}
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")


def collect(alert: Alert) -> tuple[Indicator, ...]:
    """The alert's indicators and what follows from them (a URL's host, a message's sender), once each, sorted."""
    found = {(i.type, i.value): i for i in _all(alert)}
    return tuple(found[key] for key in sorted(found)[:_MAX_COUNT])


def _all(alert: Alert) -> Iterable[Indicator]:
    for given in alert.indicators:
        indicator = normalised(given)
        if indicator is None:
            continue
        yield indicator
        if indicator.type is IndicatorType.URL:
            yield from _host_of(indicator)
    for message in alert.messages:
        if message.sender is not None:
            sender = Indicator(type=IndicatorType.SENDER, value=message.sender, source=alert.source)
            if (indicator := normalised(sender)) is not None:
                yield indicator


def normalised(given: Indicator) -> Indicator | None:
    """The indicator in its one spelling; None if its value is nothing of its type."""
    value = _refanged(given.value)
    match given.type:
        case IndicatorType.URL:
            found = _url(value)
        case IndicatorType.DOMAIN:
            found = _domain(value)
        case IndicatorType.IPV4 | IndicatorType.IPV6:
            return _ip(value, given.source)
        case IndicatorType.SHA256 | IndicatorType.MD5:
            lower = value.lower()
            found = lower if _HASH[given.type].fullmatch(lower) else None
        case IndicatorType.SENDER:
            found = address(value)
    return None if found is None else given.model_copy(update={"value": found})


def _refanged(value: str) -> str:
    # Analysts write hxxp://evil[.]example so that nobody clicks it.
    value = value.strip()[:_MAX_URL]
    value = re.sub(r"^h(xx|XX)p", "http", value)
    return re.sub(r"\[(\.|:|@|://)\]|\((\.)\)", lambda m: m.group(1) or m.group(2), value)


def _url(value: str) -> str | None:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme.lower() not in {"http", "https", "ftp"}:
        return None
    shown = f"[{host}]" if ":" in host else host
    where = f"{shown}:{port}" if port is not None else shown
    # The fragment never reaches a server; user names in a URL are there to mislead the reader.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme.lower()}://{where}{parts.path or '/'}{query}"


def _domain(value: str) -> str | None:
    lower = value.lower().rstrip(".")
    if len(lower) > _MAX_DOMAIN:
        return None
    try:
        ascii_form = lower.encode("idna").decode() if not lower.isascii() else lower
    except UnicodeError:
        return None
    return ascii_form if _DOMAIN.fullmatch(ascii_form) else None


def _ip(value: str, source: str) -> Indicator | None:
    try:
        ip = ipaddress.ip_address(value)
    except ValueError:
        return None
    kind = IndicatorType.IPV4 if ip.version == 4 else IndicatorType.IPV6  # noqa: PLR2004 - IPv4
    return Indicator(type=kind, value=str(ip), source=source)


def _host_of(url: Indicator) -> Iterable[Indicator]:
    try:
        host = urlsplit(url.value).hostname or ""
    except ValueError:
        # What was put together again is not always what urlsplit takes: `http://a]@[v1.a[/`.
        return
    if (ip := _ip(host, url.source)) is not None:
        yield ip
    elif (domain := _domain(host)) is not None:
        yield Indicator(type=IndicatorType.DOMAIN, value=domain, source=url.source)
