"""How a source authenticates its requests to the webhook (docs/reference/api.md, Alerts)."""

import time

from functions.ingest_alert.authentication import signature


def authentication(source: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers that authenticate `body` as this source's: a signature, or the secret itself."""
    if source == "clawback":
        timestamp = str(int(time.time()))
        return {"Clawback-Timestamp": timestamp, "Clawback-Signature": signature(secret, timestamp, body)}
    return {"X-Clawback-Secret": secret}
