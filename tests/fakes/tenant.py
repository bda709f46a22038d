"""Container `tenant` in a dictionary."""

from collections.abc import Callable

from shared.errors import ConflictError
from shared.ports.tenant import T
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.documents import Documents

_TRIES = 12


class FakeTenant:
    """`TenantStore`. `before_write` is called before each write of `update`: others who are quicker."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._documents = Documents()
        self.before_write: Callable[[], None] = lambda: None
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    # What tests look at.

    def now(self, kind: type[T]) -> T:
        """The document, without passing a checkpoint."""
        found = self._documents.get(_key(kind), kind)
        return found.value if found else kind()

    def put(self, document: T) -> None:
        """Write a document, whatever was there."""
        self._documents.put(document.id, document)

    # The port.

    async def read(self, kind: type[T]) -> T:
        self._checkpoint(f"read {kind.document_type}")
        return self.now(kind)

    async def update(self, kind: type[T], change: Callable[[T], T | None]) -> T:
        for _ in range(_TRIES):
            self._checkpoint(f"read {kind.document_type} to change it")
            found = self._documents.get(_key(kind), kind)
            now = found.value if found else kind()
            wanted = change(now)
            if wanted is None:
                return now
            self._checkpoint(f"before change {kind.document_type}")
            self.before_write()
            try:
                self._check(kind, found.etag if found else None)
            except ConflictError:
                continue
            self._documents.put(wanted.id, wanted)
            self._checkpoint(f"after change {kind.document_type}")
            return wanted
        raise ConflictError("others keep being first")

    def _check(self, kind: type[T], etag: str | None) -> None:
        if etag is not None:
            self._documents.check(_key(kind), etag)
        elif _key(kind) in self._documents:
            raise ConflictError("the document is already there")


def _key(kind: type[T]) -> str:
    key: str = kind.model_fields["id"].default
    return key
