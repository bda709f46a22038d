"""COUNT, SUM, MIN, MAX and AVG. Undefined inputs are skipped; an input of the wrong type makes the result undefined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from local.emulators.cosmosdb.values import UNDEFINED, is_number, number, order_key

if TYPE_CHECKING:
    from collections.abc import Callable


class Accumulator(Protocol):
    """One aggregate over one group."""

    def add(self, value: Any) -> None:
        """Add the value of one row."""

    def result(self) -> Any:
        """The value of the aggregate."""


class _Count:
    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Any) -> None:
        self._count += value is not UNDEFINED

    def result(self) -> Any:
        return self._count


class _Sum:
    def __init__(self) -> None:
        self._sum: float = 0
        self._count = 0
        self._spoiled = False

    def add(self, value: Any) -> None:
        if value is UNDEFINED:
            return
        if is_number(value):
            self._sum += value
            self._count += 1
        else:
            self._spoiled = True

    def result(self) -> Any:
        return UNDEFINED if self._spoiled else number(self._sum)


class _Average(_Sum):
    def result(self) -> Any:
        return UNDEFINED if self._spoiled or not self._count else number(self._sum / self._count)


class _Extreme:
    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._best: Any = UNDEFINED
        self._spoiled = False

    def add(self, value: Any) -> None:
        if value is UNDEFINED:
            return
        if type(value) in (list, dict):
            self._spoiled = True
        elif self._best is UNDEFINED or self._better(value):
            self._best = value

    def _better(self, value: Any) -> bool:
        new, old = order_key(value), order_key(self._best)
        return new > old if self._sign > 0 else new < old

    def result(self) -> Any:
        return UNDEFINED if self._spoiled else self._best


AGGREGATES: Final[dict[str, Callable[[], Accumulator]]] = {
    "COUNT": _Count,
    "SUM": _Sum,
    "AVG": _Average,
    "MIN": lambda: _Extreme(-1),
    "MAX": lambda: _Extreme(1),
}
