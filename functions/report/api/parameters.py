"""Parameters in the query of a request."""

from collections.abc import Mapping

from shared.domain.message import visible
from shared.web.problems import Problem

# Unknown parameters are named in the answer, so that only a part of a hostile query comes back.
_MAX_NAMES = 5
_MAX_NAME = 50


def number_of(query: Mapping[str, str], name: str, least: int, most: int, *, default: int) -> int:
    """A number from `least` (0 or more) to `most`.

    Raises:
        Problem: wrong-parameter.
    """
    text = query.get(name, str(default))
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (digits and least <= int(text) <= most):
        raise wrong_parameter(f"`{name}` is a number from {least} to {most}.")
    return int(text)


def only(query: Mapping[str, str], *allowed: str) -> None:
    """Refuse a query with a parameter that is not one of `allowed`: a wrong spelling would be ignored in silence.

    Raises:
        Problem: wrong-parameter, which names the unknown ones and those that are allowed.
    """
    if unknown := sorted(set(query) - set(allowed)):
        names = ", ".join(f"`{visible(name, _MAX_NAME) or ''}`" for name in unknown[:_MAX_NAMES])
        may = ", ".join(f"`{name}`" for name in allowed)
        raise wrong_parameter(f"Unknown: {names}. Allowed: {may}.")


def wrong_continuation() -> Problem:
    """What is answered to a continuation that does not fit."""
    return wrong_parameter("`continuation` is not one that this list has given.")


def wrong_parameter(detail: str) -> Problem:
    """What is answered to a wrong parameter."""
    return Problem(400, "wrong-parameter", "A parameter is wrong", detail)
