"""Indicators in one spelling, so that two sources that mean the same say the same.

Text comes in as vendors and analysts write it: defanged (`hxxp://evil[.]example`), in capitals, with the wrong type,
with letters that only look like others. It goes out as one spelling that can be compared, or not at all; the raw
payload keeps what was left out.
"""

import ipaddress
import re
import socket
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

import idna
from idna.core import InvalidCodepoint

from shared.domain.base import Frozen
from shared.domain.message import address, visible

# What browsers still open (Chromium cuts at 2 MiB, proxies at 2 to 8 KiB); longer ones are made to fill disks.
MAX_URL = 2048
# More than this in one alert is a feed of indicators.
MAX_PER_ALERT = 1000

# RFC 1035 2.3.4: 253 characters, labels of 1 to 63. Underscores are no host names, and resolve all the same. A top
# level domain has letters only, or is an A-label: otherwise every file name and every version would be a domain.
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})")
# WHATWG URL 3.5: such a host is an IPv4 address. It may be one number, and its parts octal or hexadecimal.
_NUMBERS = re.compile(r"(?:[0-9a-fx]+\.){0,3}(?:0x[0-9a-f]*|[0-9]+)\.?")
_HASHES = {64: "sha256", 32: "md5"}
_HEXADECIMAL = re.compile(r"[0-9a-f]+")

# RFC 3986 3.1, and the ports that browsers leave out.
_SCHEMES = {"http": 80, "https": 443, "ftp": 21}
# What the sender's own tools defang: everything up to the path. A path may have brackets of its own.
_HEAD = re.compile(r"[^/?#]*(?://[^/?#]*)?")
_DEFANGED = re.compile(r"[\[({](\.|dot|:|://|@|at)[\])}]", re.IGNORECASE)
_REFANGED = {"dot": ".", "at": "@"}
# WHATWG URL 4.4: browsers take any number of slashes after these, and either kind.
_SCHEME = re.compile(r"h(?:tt|xx|\*\*)p(s?):[/\\]*|(ftp):[/\\]*", re.IGNORECASE)
# RFC 3986 2: what may stand in a path or query as it is; a percent sign begins what is escaped already.
_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = f"{_PATH}?"


class IndicatorType(StrEnum):
    """STIX 2.1 cyber-observable names."""

    URL = "url"
    DOMAIN = "domain-name"
    IPV4 = "ipv4-addr"
    IPV6 = "ipv6-addr"
    SHA256 = "sha256"
    MD5 = "md5"
    SENDER = "email-addr"


class Indicator(Frozen):
    """Something to recognise the threat by, and who said so."""

    type: IndicatorType
    value: str
    source: str


def parse(kind: IndicatorType, raw: str, source: str) -> Indicator | None:
    """The indicator of this type in its one spelling; None if the text is nothing of the type.

    An IP address gets the type of its version. For a URL that is too long there is its host, so that length alone hides
    nothing.
    """
    text = refanged(raw)
    match kind:
        case IndicatorType.URL:
            return _url(text, source)
        case IndicatorType.DOMAIN:
            return _of(IndicatorType.DOMAIN, domain(text), source)
        case IndicatorType.IPV4 | IndicatorType.IPV6:
            return _ip(text, source)
        case IndicatorType.SHA256 | IndicatorType.MD5:
            return _hash(kind, text, source)
        case IndicatorType.SENDER:
            return _of(IndicatorType.SENDER, _sender(text), source)


def recognise(raw: str | None, source: str) -> Indicator | None:
    """The indicator that this text is, whatever the source calls it: sources mislabel hashes and bare domains."""
    text = refanged(raw or "")
    if re.search(r"\s", text):
        return None
    return next((found for kind in _looks_like(text) if (found := parse(kind, text, source))), None)


def host(url: Indicator) -> Indicator | None:
    """The domain or IP address that a URL leads to; None for what is no URL."""
    if url.type is not IndicatorType.URL:
        return None
    return _host(urlsplit(url.value).hostname or "", url.source)


def domain(text: str) -> str | None:
    """The domain as DNS has it: lower-case A-labels without the final dot; None if it is no domain.

    UTS 46 without its transitional rules, then IDNA 2008, label by label: `faß.example` and `fass.example` are two
    domains (Python's own codec, IDNA 2003, makes them one). A label that is ASCII already is not judged by IDNA:
    names with underscores, or hyphens where IDNA forbids them, exist in DNS.
    """
    text = text.strip().lower()
    if len(text) > 4 * 253:
        return None
    try:
        mapped = text if text.isascii() else idna.uts46_remap(text, std3_rules=False)
        labels = mapped.rstrip(".").split(".")
        name = ".".join(label if label.isascii() else _a_label(label) for label in labels)
    except (idna.IDNAError, UnicodeError):
        return None
    return name if _DOMAIN.fullmatch(name) else None


def refanged(raw: str) -> str:
    """The text without the changes that keep readers from clicking on it (`hxxp://evil[.]example`)."""
    text = raw.strip()[: 4 * MAX_URL]
    head = _HEAD.match(text)
    end = head.end() if head else 0
    text = _DEFANGED.sub(lambda found: _REFANGED.get(found[1].lower(), found[1]), text[:end]) + text[end:]
    if scheme := _SCHEME.match(text):
        text = f"{scheme[2] or 'http' + scheme[1]}://".lower() + text[scheme.end() :]
    return text


def _looks_like(text: str) -> tuple[IndicatorType, ...]:
    """The types that the text may be of, likeliest first."""
    if "://" in text:
        return (IndicatorType.URL,)
    if "/" in text or re.search(r"\.[^:]+:[0-9]+$", text):
        # A URL that lost its scheme. An IP address with a slash is a network.
        return (IndicatorType.URL,) if domain(re.split("[/:]", text, maxsplit=1)[0]) else ()
    if "@" in text:
        return (IndicatorType.SENDER,) if address(text) == text.lower() else ()
    return (IndicatorType.SHA256, IndicatorType.MD5, IndicatorType.IPV4, IndicatorType.DOMAIN)


def _of(kind: IndicatorType, value: str | None, source: str) -> Indicator | None:
    return None if value is None else Indicator(type=kind, value=value, source=source)


def _hash(kind: IndicatorType, text: str, source: str) -> Indicator | None:
    value = text.lower()
    of_this_kind = _HEXADECIMAL.fullmatch(value) and _HASHES.get(len(value)) == kind
    return _of(kind, value if of_this_kind else None, source)


def _sender(text: str) -> str | None:
    found = address(text)
    if found is None or visible(found) != found:
        return None
    local, _, name = found.rpartition("@")
    return f"{local}@{domain(name) or name}"


def _ip(text: str, source: str) -> Indicator | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if "%" in text:
        # The zone of a link-local address is a name on one machine.
        return None
    kind = IndicatorType.IPV4 if isinstance(ip, ipaddress.IPv4Address) else IndicatorType.IPV6
    return _of(kind, str(ip), source)


def _url(text: str, source: str) -> Indicator | None:
    # WHATWG URL 4.4: browsers leave tabs and line ends out, and take a backslash for a slash.
    text = re.sub(r"[\t\r\n]", "", text)
    path, mark, rest = text.partition("?")
    text = path.replace("\\", "/") + mark + rest
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    leads_to = _host(unquote(name), source)
    if leads_to is None or parts.scheme not in _SCHEMES:
        return None
    where = f"[{leads_to.value}]" if leads_to.type is IndicatorType.IPV6 else leads_to.value
    if port not in {None, _SCHEMES[parts.scheme]}:
        where = f"{where}:{port}"
    # The fragment never reaches a server; user names in a URL are there to mislead the reader.
    path = quote(parts.path or "/", safe=_PATH, errors="replace")
    query = "?" + quote(parts.query, safe=_QUERY, errors="replace") if parts.query else ""
    url = f"{parts.scheme}://{where}{path}{query}"
    return leads_to if len(url) > MAX_URL else _of(IndicatorType.URL, url, source)


def _host(name: str, source: str) -> Indicator | None:
    if _NUMBERS.fullmatch(name):
        try:
            name = socket.inet_ntoa(socket.inet_aton(name.rstrip(".")))
        except OSError:
            return None
    return _ip(name, source) or _of(IndicatorType.DOMAIN, domain(name), source)


def _a_label(label: str) -> str:
    try:
        return idna.alabel(label).decode()
    except InvalidCodepoint:
        # Symbols such as emoji are not of IDNA 2008. Some registries sell them, and browsers open them (UTS 46).
        return f"xn--{label.encode('punycode').decode()}"
