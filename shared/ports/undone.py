"""What people undid, by message. Every method may raise UnavailableError."""

from collections.abc import Collection, Mapping
from typing import Protocol

from shared.domain.undone import UndoEntry, Undone


class UndoneStore(Protocol):
    """Container `alerts`, beside the owners of messages."""

    async def remember(self, message_keys: Collection[str], entry: UndoEntry) -> None:
        """Keep this undo for each of these messages; nothing changes where it is kept already.

        After an error some of them may be kept: call it again.

        Raises:
            ConflictError: others keep being first.
        """
        ...

    async def recall(self, message_keys: Collection[str]) -> Mapping[str, Undone]:
        """What people undid, by message key, of those messages that somebody undid.

        A record that this version cannot read raises UnreadableError: it may say that the mail must not be pulled.
        """
        ...
