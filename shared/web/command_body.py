"""What every HTTP command has in common: a small body, and the person who gives it."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.domain.message import visible
from shared.web.problems import Problem
from shared.web.sign_in import AppRole, nobody, require, required, signed_in

_MAX_NAME = 128
_MAX_REASON = 1000

# Target ids go into one queue message of at most 48 KiB (shared.pipeline.envelope.MAX_BODY), at 36 bytes each.
MAX_TARGETS = 1000

# Pydantic lists what it expects as `'a', 'b' or 'c'`.
_WORD = re.compile(r"'([^']*)'")

_Reason = Annotated[str, AfterValidator(lambda text: visible(text, _MAX_REASON) or "")]


def _shown(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not (shown := visible(text, limit)):
            raise PydanticCustomError("blank", "nothing that could be shown")
        return shown

    return check


GivenReason = Annotated[str, AfterValidator(_shown(_MAX_REASON))]
"""A reason that has to be given."""


class CommandBody(BaseModel):
    """The body of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    by: Annotated[str, AfterValidator(_shown(_MAX_NAME))] | None = Field(
        None, description="Who asks; ignored where the platform signs people in, required elsewhere"
    )
    reason: _Reason = ""


C = TypeVar("C", bound=CommandBody)


def parse_command(body: bytes, model: type[C]) -> C:
    """The command in this body.

    Raises:
        Problem: wrong-shape, with path and kind of each mistake and none of the input. Where only some words are
            taken, `allowed` has them.
    """
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        known = {field.alias for field in model.model_fields.values()}
        errors = [
            {
                "path": ".".join(str(p) for p in e["loc"] if isinstance(p, int) or p in known) or "$",
                "kind": e["type"],
                **_allowed(e),
            }
            for e in found[:20]
        ]
        raise Problem(422, "wrong-shape", "The body is not what this command takes", errors=errors) from None


def _allowed(error: ErrorDetails) -> dict[str, list[str]]:
    """The words that are taken, where only some are. Pydantic has them from the model, never from the input."""
    if error["type"] not in {"enum", "literal_error"}:
        return {}
    return {"allowed": _WORD.findall(str(error["ctx"]["expected"]))}


def caller(headers: Mapping[str, str], command: CommandBody) -> str:
    """The person who gives the command: who is signed in, or, where sign-in is off, who the body names in `by`.

    Raises:
        Problem: nobody-asks, not-allowed.
    """
    if required():
        name = visible(signed_in(headers), _MAX_NAME)
        if not name:
            raise nobody()
        require(headers, AppRole.RESPONDER)
        return name
    if command.by is None:
        raise Problem(422, "nobody-asks", "The command does not say who gives it", "Name a person in `by`.")
    return command.by
