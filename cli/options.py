"""Options and arguments that several commands have, each described once."""

from enum import StrEnum
from typing import Annotated

import typer

_JSON = "clawback.json"


def wants_json(context: typer.Context) -> bool:
    """Whether the command that runs in this context, or failed in it, was given `--json`."""
    return bool(context.meta.get(_JSON))


def _remember_json(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - Typer calls it so
    # Kept for errors too: a mistake in another option is then reported as JSON.
    context.meta[_JSON] = value
    return value


Url = Annotated[
    str | None, typer.Option(envvar="CLAWBACK_API_URL", help="Address of a deployed Clawback; default: the local one.")
]
Key = Annotated[str | None, typer.Option(envvar="CLAWBACK_API_KEY", help="Its function key.")]
SignIn = Annotated[
    str | None,
    typer.Option(
        envvar="CLAWBACK_SIGN_IN",
        metavar="CLIENT_ID",
        help="Its app registration, where people sign in: use the account that is signed in with Azure CLI.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", is_eager=True, callback=_remember_json, help="Print JSON instead of text.")
]


class UndoClass(StrEnum):
    """As `shared.domain.undone` has it, which takes longer to load than `--help` may take."""

    FALSE_POSITIVE = "false_positive"
    MISTAKE = "mistake"
    OTHER = "other"


Incident = Annotated[str, typer.Argument(help="Id of the incident, as `clawback incident list` prints it.")]
By = Annotated[str, typer.Option(help="Who asks. Where people sign in, the signed-in account is used instead.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.")]
