"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds between two looks: a person does not notice it, and a look costs the web app some milliseconds.
_PAUSE = 0.5


def poll(look: Callable[[], T | None], seconds: float) -> T | None:
    """What `look` gives as soon as it is not None; None when the time is up. It looks once at least."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)  # the API has nothing that would wake a client
    return found
