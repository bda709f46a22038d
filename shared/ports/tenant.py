"""What holds for the whole tenant."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from shared.domain.tenant import Budget, Pause

T = TypeVar("T", Pause, Budget)


class TenantStore(Protocol):
    """One document of each kind. One that nobody has written yet is as its kind begins."""

    async def read(self, kind: type[T]) -> T:
        """The document as it is now: what another process wrote a moment ago is in it.

        Raises:
            UnavailableError, DeniedError.
        """
        ...

    async def update(self, kind: type[T], change: Callable[[T], T | None]) -> T:
        """Change the document under its ETag.

        Args:
            kind: which document.
            change: what it is to be, from what it is; None leaves it. Called again if others were first. It is to do
                nothing if the change is in the document already: an answer may get lost after the write.

        Returns:
            The document after the change.

        Raises:
            ConflictError: others keep being first.
            UnavailableError, DeniedError.
        """
        ...
