"""One spelling of an address, so that two texts of one address are equal."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import idna

from shared.domain.indicators import domain
from shared.domain.message import MAX_ADDRESS, address, few

# A From header of more addresses than this fits is cut: nobody compares hundreds of senders.
_MAX_HEADER = 8_192

_QUOTED = r'"(?:[^"\\\r\n]|\\.){0,256}"'
# Commas and semicolons separate addresses, but not inside quotes. A quote that is never closed separates too.
_PART = re.compile(rf'(?:{_QUOTED}|[^,;"])+')
_IN_BRACKETS = re.compile(r"<([^<>]*)>?\s*\Z")
_QUOTED_LOCAL = re.compile(rf'({_QUOTED})@([^\s@<>",;:()\[\]\\]+)')

# RFC 5322 3.2.3: what a local part may be without quotes; RFC 6532 adds everything outside ASCII.
_DOT_ATOM = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\]\\.]+(?:\.[^\s\x00-\x1f\x7f\"(),:;<>@\[\]\\.]+)*")

# In front of a local part: a quotation mark, and BATV (alert-formats.md 4.3), as `address` leaves them out.
_TAGS = re.compile(r"^(?:'|prvs=[^=]*=)+")

# The name of a mailbox inside an Exchange organisation, plain or wrapped into an SMTP address: whose SMTP address it
# is, only that organisation knows.
_LEGACY_NAMES = ("/o=", "/ou=", "/cn=", "ex:", "x500:", "imceaex-")


def spelled(raw: str | None) -> str | None:
    """The one address in `raw` in one spelling; None if there is none, or more than one.

    Lower case, the local part without quotes that it does not need, the domain in A-labels (IDNA 2008), without display
    name, angle brackets and BATV tag. A legacy name of Exchange (X.500, IMCEAEX) is no address.
    """
    found = _parsed((raw or "")[:_MAX_HEADER])
    return found[0] if len(found) == 1 else None


def all_spelled(raw: Iterable[str | None]) -> tuple[str, ...]:
    """All addresses in these texts, such as From headers, in one spelling, once each and in order.

    None if they are more than `MAX_SENDERS`.
    """
    return few(found for text in raw for found in _parsed((text or "")[:_MAX_HEADER]))


def other_spellings(address: str) -> tuple[str, ...]:
    """Other addresses, in order, at which Exchange Online delivers mail to this one if nobody has it as it stands.

    First the domain in its other form (A-labels or U-labels), then the local part without `+` and what follows it
    (plus addressing, which is on by default in Exchange Online).
    """
    local, _, host = address.lower().rpartition("@")
    name = domain(host)
    if not local or name is None:
        return ()
    hosts = dict.fromkeys((host, name, _in_u_labels(name)))
    bare = local.partition("+")[0]
    found = [f"{one}@{host}" for one in dict.fromkeys((local, bare)) if one for host in hosts]
    return tuple(one for one in found if one != address.lower())


def _in_u_labels(name: str) -> str:
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


# The copies of one mail have one sender: it is read ten thousand times.
@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in _PART.findall(text))
    return tuple(dict.fromkeys(found for part in parts if (found := _one(part)) is not None))


def _one(part: str) -> str | None:
    """The address of one mailbox: of `"Name" <address>`, what is in the brackets."""
    brackets = _IN_BRACKETS.search(part)
    text = brackets[1].strip() if brackets else part
    if text.lower().startswith(_LEGACY_NAMES):
        return None
    if quoted := _QUOTED_LOCAL.fullmatch(text):
        local, host = re.sub(r"\\(.)", r"\1", quoted[1][1:-1]), quoted[2]
    elif found := address(text):
        local, _, host = found.rpartition("@")
    else:
        return None
    local = _TAGS.sub("", unicodedata.normalize("NFC", local.lower()))
    host = domain(host) or host.lower().rstrip(".")
    unreadable = any(unicodedata.category(character) in {"Cc", "Cs"} for character in local)
    if unreadable or not host or local.startswith(_LEGACY_NAMES):
        return None
    if not _DOT_ATOM.fullmatch(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    whole = f"{local}@{host}"
    return whole if len(whole) <= MAX_ADDRESS else None
