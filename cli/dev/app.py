"""The commands `local up`, `demo` and `demo-crash`; `local` is imported when one of them runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.errors import USAGE, CommandError
from cli.options import AsJson

local = typer.Typer(help="The cloud on this machine.")
commands = typer.Typer()


@local.callback()
def _group() -> None:
    # With a callback a group of one command stays a group.
    pass


@local.command("up")
def local_up(
    *,
    scenario: Annotated[str, typer.Option(help="What fills the tenant: a name in local/tenant/scenarios.")] = (
        "phishing"
    ),
    as_json: AsJson = False,
) -> None:
    """Start it and keep it running until Ctrl-C."""
    from cli.dev.local_up import run

    with _start_errors():
        run(scenario, as_json=as_json)


@commands.command()
def demo() -> int:
    """Show a pull, its proof, and an undo that is remembered."""
    from cli.dev.demo import run

    with _start_errors():
        return run()


@commands.command("demo-crash")
def demo_crash() -> int:
    """Show that `kill -9` changes no result."""
    from cli.dev.demo_crash import run

    with _start_errors():
        return run()


@contextmanager
def _start_errors() -> Iterator[None]:
    """What keeps the local cloud from starting, as a failed command."""
    from local.emulators.graph.model import ModelError
    from local.process import StartError

    try:
        yield
    except ModelError as error:
        raise CommandError(str(error), USAGE) from None
    except StartError as error:
        raise CommandError(str(error)) from None
