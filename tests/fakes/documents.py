"""Documents as Cosmos DB keeps them: text, and an ETag that every write changes."""

import json
from itertools import count
from typing import TypeVar

from shared.domain.base import Stored
from shared.errors import ConflictError, NotFoundError
from shared.ports.versioned import Versioned

# Cosmos DB: operations of a transactional batch.
MAX_BATCH = 100

S = TypeVar("S", bound=Stored)

_etags = count(1)


class Documents:
    """One partition, or one container whose ids are its partition keys."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[type[Stored], str, str]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def get(self, key: str, model: type[S]) -> Versioned[S] | None:
        """The document of this id, if it is of this kind."""
        kind, text, etag = self._kept.get(key, (Stored, "", ""))
        return Versioned(model.model_validate_json(text), etag) if kind is model else None

    def all(self, model: type[S]) -> list[Versioned[S]]:
        """All documents of this kind, in the order in which they were first written."""
        return [found for key in self._kept if (found := self.get(key, model)) is not None]

    def put(self, key: str, value: S) -> Versioned[S]:
        """Write a document, whatever was there."""
        etag = f'"{next(_etags)}"'
        self._kept[key] = type(value), json.dumps(value.to_document()), etag
        return Versioned(value, etag)

    def check(self, key: str, etag: str) -> None:
        """Raises NotFoundError or ConflictError unless the document is there and has this ETag."""
        if key not in self._kept:
            raise NotFoundError("no such document")
        if self._kept[key][2] != etag:
            raise ConflictError("the document has changed")
