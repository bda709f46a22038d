"""Parameters in the query of a request."""

from collections.abc import Mapping

from shared.web.problems import Problem


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


def wrong_continuation() -> Problem:
    """What is answered to a continuation that does not fit."""
    return wrong_parameter("`continuation` is not one that this list has given.")


def wrong_parameter(detail: str) -> Problem:
    """What is answered to a wrong parameter."""
    return Problem(400, "wrong-parameter", "A parameter is wrong", detail)
