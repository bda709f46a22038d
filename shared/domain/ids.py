"""One way to make ids: derived where a repeat must give the same one, random where it must not."""

import hashlib
import json
import uuid
from typing import NewType

AlertId = NewType("AlertId", str)
IncidentId = NewType("IncidentId", str)
PlanId = NewType("PlanId", str)
ChunkId = NewType("ChunkId", str)
TargetId = NewType("TargetId", str)
MailboxId = NewType("MailboxId", str)
"""The directory object id of the mailbox's owner, which is Graph's `/users/{id}`."""

# 130 bits: collisions by chance are impossible in practice, and the id is short enough for a screen.
_DIGITS = 26


def derive(prefix: str, *parts: str) -> str:
    """The id that these parts always give. Parts are separated (as JSON), so ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256(json.dumps([prefix, *parts]).encode()).digest()
    number = int.from_bytes(digest[:17])
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no letter reads as a digit
    text = "".join(alphabet[(number >> (5 * i)) & 31] for i in range(_DIGITS))
    return f"{prefix}-{text}"


def fresh(prefix: str) -> str:
    """An id for something that happens once, such as an analyst's command."""
    return f"{prefix}-{uuid.uuid4().hex}"
