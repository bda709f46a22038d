"""`clawback`: commands for people, and with `--json` for scripts."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cli import alerts, cases, dead_letters, doctor
from cli.dev import app as dev
from cli.errors import INTERRUPTED, PIPE_CLOSED, REFUSED, CommandError
from cli.options import wants_json


class _Root(TyperGroup):
    """Every failure of a command becomes one message and an exit status, in text or as JSON."""

    def invoke(self, ctx: typer.Context) -> int:  # type: ignore[override]  # Typer's own context, which it calls this with
        """Run the command; its exit status."""
        try:
            status = super().invoke(ctx)
            # Here, and not when the program ends, where nobody could handle that the pipe is closed.
            sys.stdout.flush()
        except CommandError as error:
            _report(str(error), as_json=wants_json(ctx))
            return error.status
        except TyperException as error:
            _report(_usage(error), as_json=wants_json(ctx))
            return error.exit_code
        except OSError as error:
            return _not_written(error, as_json=wants_json(ctx))
        return status if isinstance(status, int) else 0


# Plain help: Rich's takes longer to load than everything else that `--help` needs. No stack traces with values in them.
app = typer.Typer(
    cls=_Root,
    help="Take malicious mail out of mailboxes, prove that it is gone, and put it back.",
    epilog="Exit status: 0 done, 1 refused or not as it should be, 2 wrong usage, 3 unreachable.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dev.local, name="local")
app.add_typer(alerts.alert, name="alert")
app.add_typer(cases.incident, name="incident")
app.add_typer(cases.commands)
app.add_typer(dead_letters.dead_letter, name="dead-letter")
app.add_typer(doctor.commands)
app.add_typer(dev.commands)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    # Where a stream was closed by whoever started this, there is none: what is printed then goes nowhere.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout, sys.stderr = sys.stdout or _nowhere("w"), sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A narrow code page must not fail on somebody's name.
            stream.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    try:
        status = command.main(
            args=None if arguments is None else list(arguments), prog_name="clawback", standalone_mode=False
        )
    except TyperException as error:
        # A mistake before any command is known.
        _report(_usage(error), as_json=False)
        return error.exit_code
    except OSError as error:
        # Help is printed before any command is known.
        return _not_written(error, as_json=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", Path(os.devnull).open(mode, encoding="utf-8"))


def _not_written(error: OSError, *, as_json: bool) -> int:
    """The exit status after the output could not be written, or the system refused something else."""
    # What is still buffered would fail again when the program ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # Windows calls a closed pipe an invalid argument.
    if error.errno in {errno.EPIPE, errno.EINVAL}:
        return PIPE_CLOSED
    _report(f"{error.filename or 'the output'}: {error.strerror or error}", as_json=as_json)
    return REFUSED


def _usage(error: TyperException) -> str:
    """What is wrong, and where help is."""
    context = getattr(error, "ctx", None)
    where = f"\nTry `{context.command_path} --help`." if context is not None else ""
    return f"{error.format_message()}{where}"


def _report(message: str, *, as_json: bool) -> None:
    """Print an error, if there is anybody to read it."""
    with contextlib.suppress(OSError):
        _print_error(message, as_json=as_json)


def _print_error(message: str, *, as_json: bool) -> None:
    if as_json:
        from cli.json_output import json_text

        print(json_text({"error": message}, sys.stderr.encoding or "utf-8"), file=sys.stderr)
        return
    from cli.text import safe

    # Line by line, each made safe: parts of it may come from the API or from an attacker's mail.
    lines = "\n".join(safe(line, 500) for line in message.splitlines())
    print(f"clawback: {lines}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
