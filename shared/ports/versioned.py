"""Records that are changed only under their ETag."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """A record and the ETag that it was read with."""

    value: T
    etag: str
