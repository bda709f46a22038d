"""The sources: one module each, with a `SOURCE`. Its name is the module's, and the last part of the webhook's path."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions.ingest_alert.authentication import Authenticate
from functions.ingest_alert.models import Reading


@dataclass(frozen=True, slots=True)
class Source:
    """A product that sends alerts."""

    authenticate: Authenticate
    read: Callable[[Any], Reading]
    """From the parsed body to what it says. Raises WrongShapeError if it is not this source's format at all."""


def find(name: str) -> Source | None:
    """The source of this name, imported when it is first asked for."""
    if name not in names():
        return None
    source: Source = importlib.import_module(f"{__name__}.{name}").SOURCE
    return source


def names() -> set[str]:
    """All sources."""
    return {module.name for module in pkgutil.iter_modules(__path__)}
