"""Waiting for what other processes do, which only looking tells."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_SECONDS = 60.0
# Between two looks: the processes that are waited for need the processor more than we do.
_PAUSE = 0.1


def wait(find: Callable[[], T], until: Callable[[T], object] = bool) -> T:
    """What `find` finds, once that is it."""
    deadline = time.monotonic() + _SECONDS
    while not until(found := find()):
        assert time.monotonic() < deadline, found
        time.sleep(_PAUSE)
    return found
