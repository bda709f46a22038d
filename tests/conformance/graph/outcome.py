"""The outcome of a case."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The three ways in which a case ends."""

    PASSED = "passed"
    """Answered, or refused, as the documentation says."""
    REFUSED = "refused"
    """Refused with 400 or 501 and a reason, where Graph answers."""
    DIFFERENT = "different"
    """Answered otherwise than the documentation says."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, its result, and the error if there was one."""

    case: str
    result: Result
    detail: str
