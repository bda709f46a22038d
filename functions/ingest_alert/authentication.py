"""How a source proves that it is itself. Any of its secrets will do, so that rotation needs no moment."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

# A signed request is good for this long: clocks differ, retries take a while, and a copied request expires.
WINDOW_SECONDS = 300

# More signatures than secrets can be in use are an attempt to make us compute.
_MAX_SIGNATURES = 8

Authenticate = Callable[[Mapping[str, str], bytes, Sequence[str], datetime], bool]
"""Whether a request with these headers (lower-case names) and this body knows one of the secrets at this time."""


def shared_secret(headers: Mapping[str, str], _: bytes, secrets: Sequence[str], __: datetime) -> bool:
    """`X-Clawback-Secret` is one of the secrets: for products that can send a header but cannot sign."""
    given = _bytes(headers.get("x-clawback-secret", ""))
    # All are compared, each in constant time: the time that it takes does not show which one is nearly right.
    return sum(hmac.compare_digest(given, secret.encode()) for secret in secrets) > 0


def signed(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """`Clawback-Signature: v1=<hex>[, v1=<hex>…]` is the HMAC-SHA256 of `<Clawback-Timestamp>.<body>`."""
    timestamp = headers.get("clawback-timestamp", "")
    # Seconds since 1970 have ten digits until the year 2286.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) == 10):  # noqa: PLR2004 - as above
        return False
    if abs(now.timestamp() - int(timestamp)) > WINDOW_SECONDS:
        return False
    given = [part.strip() for part in headers.get("clawback-signature", "").split(",")][:_MAX_SIGNATURES]
    expected = [signature(secret, timestamp, body) for secret in secrets]
    return sum(hmac.compare_digest(_bytes(a), b.encode()) for a in given for b in expected) > 0


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The `v1=…` that a sender of `body` at `timestamp` puts into `Clawback-Signature`."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _bytes(header: str) -> bytes:
    # What cannot be encoded is no secret and no signature, and is no error of ours either.
    return header.encode(errors="replace")
