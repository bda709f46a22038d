"""`clawback pause` and `clawback resume`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.connection import connect
from cli.errors import USAGE, CommandError
from cli.options import AsJson, Key, SignIn, Url
from cli.polling import poll

if TYPE_CHECKING:
    from cli.api import Api

commands = typer.Typer()


By = Annotated[
    str | None, typer.Option(help="Who asks; needed. Where people sign in, the signed-in account is used instead.")
]
Reason = Annotated[str | None, typer.Option(help="Why; needed. It is kept, and shown to whoever asks.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait until it holds.")]


@commands.command()
def pause(
    *,
    by: By = None,
    reason: Reason = None,
    show: Annotated[bool, typer.Option("--show", help="Only show whether pulling is paused, and what was before.")] = (
        False
    ),
    wait: Wait = 60.0,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Stop all pulling in the whole tenant. Undo still works."""
    with connect(url, key, sign_in) as api:
        found = api.get("pause") if show else _ask(api, "pause", by, reason, wait)
    _print(found, as_json=as_json)


@commands.command()
def resume(
    *,
    by: By = None,
    reason: Reason = None,
    wait: Wait = 60.0,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Let pulling go on after a pause."""
    with connect(url, key, sign_in) as api:
        found = _ask(api, "resume", by, reason, wait)
    _print(found, as_json=as_json)


def _ask(api: "Api", command: str, by: str | None, reason: str | None, wait: float) -> dict[str, Any]:
    """Ask for it, and wait until it holds; what the API says of the pause then.

    Raises:
        CommandError: who or why is missing, the API refuses, or it does not hold in that time.
    """
    import json

    from cli.api import objects

    if not by or not reason:
        raise CommandError("--by and --reason are needed", USAGE)
    asked = api.post(command, json.dumps({"by": by, "reason": reason}).encode()).get("commandId")

    def holds() -> dict[str, Any] | None:
        found = api.get("pause")
        made = any(change.get("commandId") == asked for change in objects(found.get("changes")))
        return found if made else None

    if (found := poll(holds, wait)) is not None:
        return found
    raise CommandError(
        f"{command} is requested ({asked}), and does not hold yet: `clawback pause --show` says when it does. "
        "If it does not, pipeline does not work: run `clawback doctor`; stop the app pipeline to stop all pulling"
    )


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    from cli import json_output
    from cli.api import objects
    from cli.text import safe

    if as_json:
        json_output.print_json(found)
        return
    print("all pulling is paused" if found.get("paused") else "pulling is not paused")
    for change in objects(found.get("changes", [])):
        what = "paused" if change.get("paused") else "resumed"
        who = f"{safe(change.get('by'))} at {safe(change.get('at'))}: {safe(change.get('reason'), 1000)}"
        print(f"  {what} by {who}")
