from collections.abc import Sequence

import pytest

from shared.errors import DeniedError, UnavailableError
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals

FLAKY = Refusal(RefusalKind.TRANSIENT, "UnknownError", 500)
BUSY = Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429, 4.0)
BUSIER = Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429, 9.0)
DENIED = Refusal(RefusalKind.DENIED, "Authorization_RequestDenied", 403)
MISSING = Refusal(RefusalKind.NOT_FOUND, "ErrorItemNotFound", 404)


class Service:
    """Answers each question with what is left for it, and then with its own name."""

    def __init__(self, **answers: list[Refusal]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    async def __call__(self, wanted: Sequence[str]) -> dict[str, Answer[str]]:
        self.calls.append(list(wanted))
        return {w: self.answers[w].pop(0) if self.answers.get(w) else w for w in wanted}


async def test_only_transient_refusals_are_asked_again() -> None:
    service = Service(b=[FLAKY], c=[BUSY], d=[MISSING])
    assert await ask(service, ["a", "b", "c", "d"]) == {"a": "a", "b": "b", "c": BUSY, "d": MISSING}
    assert service.calls == [["a", "b", "c", "d"], ["b"]]


async def test_it_is_asked_three_times_and_not_more() -> None:
    service = Service(a=[FLAKY] * 5)
    assert await ask(service, ["a"]) == {"a": FLAKY}
    assert len(service.calls) == 3


async def test_a_service_that_says_how_long_is_not_asked_at_once() -> None:
    service = Service(a=[Refusal(RefusalKind.TRANSIENT, "UnknownError", 503, 30.0)])
    await ask(service, ["a"])
    assert len(service.calls) == 1


async def test_an_empty_question_is_not_asked() -> None:
    service = Service()
    assert await ask(service, []) == {}
    assert service.calls == []


def test_the_longest_wait_counts() -> None:
    with pytest.raises(UnavailableError, match="resolve: TooManyRequests") as caught:
        raise_for_refusals("resolve", ["x", BUSY, DENIED, BUSIER, MISSING])
    assert caught.value.retry_after == 9.0


def test_a_missing_right_raises_denied() -> None:
    with pytest.raises(DeniedError, match="resolve: Authorization_RequestDenied"):
        raise_for_refusals("resolve", ["x", DENIED])


def test_permanent_refusals_do_not_raise() -> None:
    raise_for_refusals("resolve", ["x", MISSING])
