"""A document as Cosmos DB keeps it."""

import json
from itertools import count
from typing import Generic, TypeVar

from shared.domain.base import Frozen
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

M = TypeVar("M", bound=Frozen)

_etags = count(1)


class Stored(Generic[M]):
    """A document as the service keeps it: text, and an ETag that every write changes."""

    def __init__(self, value: M) -> None:
        self.model = type(value)
        self.text = json.dumps(value.to_document())
        self.etag = f'"{next(_etags)}"'

    def read(self) -> Versioned[M]:
        return Versioned(self.model.model_validate_json(self.text), self.etag)


def check_etag(stored: Stored[M] | None, etag: str) -> None:
    if stored is None:
        raise NotFoundError("no such document")
    if stored.etag != etag:
        raise ConflictError("the document has changed")
