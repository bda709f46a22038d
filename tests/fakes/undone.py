"""What people undid, in a dictionary."""

from collections.abc import Collection

from shared.domain.undone import UndoEntry, Undone, undone_id
from tests.fakes.checkpoints import Checkpoints
from tests.fakes.documents import Documents


class FakeUndone:
    """`UndoneStore`."""

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self._documents = Documents()
        self._checkpoint = (checkpoints or Checkpoints()).checkpoint

    @property
    def all(self) -> list[Undone]:
        """Everything that is kept."""
        return [found.value for found in self._documents.all(Undone)]

    async def remember(self, message_keys: Collection[str], entry: UndoEntry) -> None:
        for key in sorted(set(message_keys)):
            self._checkpoint("before remember undo")
            found = self._documents.get(undone_id(key), Undone)
            before = found.value if found else Undone(id=undone_id(key), message_key=key)
            self._documents.put(before.id, before.with_entry(entry))
            self._checkpoint("after remember undo")

    async def recall(self, message_keys: Collection[str]) -> dict[str, Undone]:
        self._checkpoint("recall undone")
        found = {key: self._documents.get(undone_id(key), Undone) for key in sorted(set(message_keys))}
        return {key: undone.value for key, undone in found.items() if undone is not None}
