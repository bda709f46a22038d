"""Answers of ports that are asked for many things at once, where some answers are refusals."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, Union

from shared.errors import DeniedError, UnavailableError


class RefusalKind(StrEnum):
    """What an error code means for us (graph.md 5.3). HTTP 404 alone has four meanings."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    """Not known whether it was done: look before doing it again."""
    MAILBOX_MOVING = "mailbox_moving"
    ON_PREMISES = "on_premises"
    MAILBOX_MISSING = "mailbox_missing"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    """The mailbox is there; the item or folder is not."""
    EXISTS = "exists"
    PERMANENT = "permanent"

    @property
    def retryable(self) -> bool:
        """Whether waiting can help."""
        return self in {RefusalKind.THROTTLED, RefusalKind.TRANSIENT, RefusalKind.MAILBOX_MOVING}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Graph did not do it. `code` is `error.code`, `request_id` is for Microsoft's support."""

    kind: RefusalKind
    code: str
    status: int
    retry_after: float | None = None
    request_id: str | None = None


T = TypeVar("T")
Answer = Union[T, Refusal]  # noqa: UP007 - `T | Refusal` is no type alias in Python 3.11


K = TypeVar("K")

# Of 10,000 reads one in a thousand meets a passing server error; asked three times, none is likely to be left.
_ROUNDS = 3


async def ask(call: Callable[[Sequence[K]], Awaitable[dict[K, Answer[T]]]], wanted: Sequence[K]) -> dict[K, Answer[T]]:
    """All answers of a read, by what was asked for.

    What met a passing error is asked again at once, unless the service said how long to wait. For reads only: a
    TRANSIENT answer to a change does not say whether it was done.
    """
    answers: dict[K, Answer[T]] = {}
    left = wanted
    for _ in range(_ROUNDS):
        if not left:
            break
        answers |= await call(left)
        left = [key for key in left if _worth_asking_again(answers[key])]
    return answers


def raise_for_refusals(what: str, answers: Iterable[Answer[T]]) -> None:
    """Return only if a retry would not give better answers.

    Args:
        what: the operation, without personal data.
        answers: the values that `ask` gave.

    Raises:
        UnavailableError: some were refused for now; the longest wait that was asked for goes with it.
        DeniedError: some were refused for lack of a right.
    """
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    passing = [refusal for refusal in refusals if refusal.kind.retryable]
    if passing:
        waits = [refusal.retry_after for refusal in passing if refusal.retry_after is not None]
        raise UnavailableError(f"{what}: {passing[0].code}", max(waits, default=None))
    denied = [refusal for refusal in refusals if refusal.kind is RefusalKind.DENIED]
    if denied:
        raise DeniedError(f"{what}: {denied[0].code}")


def _worth_asking_again(answer: object) -> bool:
    return isinstance(answer, Refusal) and answer.kind is RefusalKind.TRANSIENT and answer.retry_after is None
