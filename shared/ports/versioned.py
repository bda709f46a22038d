"""Records that are changed only under their ETag."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T_co]):
    """A record and the ETag that it was read with."""

    value: T_co
    etag: str
