"""What fits into one transactional batch of Cosmos DB, counted as it is sent."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

# Cosmos DB service limits: at most 100 operations and 2 MB in one batch. Whether a megabyte is 1000 or 1024 KB is not
# said; the smaller one is safe.
MAX_BATCH = 100
MAX_BATCH_BYTES = 2_000_000

# What wraps a document in the body of a batch: type, id and ETag of the operation. Our ids are below 100 characters.
_OPERATION_BYTES = 256


def sent_size(document: Mapping[str, Any]) -> int:
    """Bytes of a document as azure-cosmos sends it: each character outside ASCII is escaped and takes six or twelve."""
    return len(json.dumps(document, separators=(",", ":")))


def batch_size(documents: Iterable[Mapping[str, Any]]) -> int:
    """Bytes of one batch that writes these documents, at most."""
    return sum(sent_size(document) + _OPERATION_BYTES for document in documents)


def check_batch(documents: Iterable[Mapping[str, Any]]) -> None:
    """Check that one batch can write these documents.

    Raises:
        ValueError: they are more than `MAX_BATCH`, or larger than `MAX_BATCH_BYTES`.
    """
    written = list(documents)
    if len(written) > MAX_BATCH:
        raise ValueError("a transactional batch has at most 100 operations")
    if (size := batch_size(written)) > MAX_BATCH_BYTES:
        raise ValueError(f"a transactional batch has at most 2 MB, this one has {size} bytes")
