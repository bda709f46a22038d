"""`clawback alert submit`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.connection import connect
from cli.errors import USAGE, CommandError
from cli.options import AsJson, Key, SignIn, Url

alert = typer.Typer(help="Alerts.")


@alert.callback()
def _group() -> None:
    # With a callback a group of one command stays a group.
    pass


@alert.command()
def submit(
    file: Annotated[Path, typer.Argument(help="File with the alert.")],
    *,
    source: Annotated[str, typer.Option(help="The source in whose format it is.")] = "clawback",
    secret: Annotated[
        str | None,
        typer.Option(envvar="CLAWBACK_WEBHOOK_SECRET", help="Secret of the source; default: the local one."),
    ] = None,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Post an alert to a source's webhook."""
    from cli import json_output
    from cli.api import segment
    from cli.text import safe

    with connect(url, key, sign_in) as api:
        try:
            body = file.read_bytes()
        except (OSError, ValueError) as error:
            raise CommandError(f"{file}: {getattr(error, 'strerror', None) or 'not a file name'}", USAGE) from None
        headers = _headers(source, secret or _local_secret(source), body)
        answer = api.post(f"alerts/{segment(source)}", body, headers)
    if as_json:
        json_output.print_json(answer)
    else:
        ids = ", ".join(map(str, answer.get("alertIds", []))) or "it has no alert in it"
        print(f"accepted as {safe(answer.get('receiptId'))}: {safe(ids, 1000)}")


def _headers(source: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers that authenticate the alert.

    Raises:
        CommandError: no header can hold the secret; the HTTP library's own message would print it.
    """
    from cli.webhook import authentication

    try:
        headers = authentication(source, secret, body)
    except UnicodeEncodeError:
        headers = {"": secret}
    if all(value.isascii() and value.isprintable() for value in headers.values()):
        return headers
    raise CommandError("the secret is wrong: it has characters that no HTTP header can have", USAGE)


def _local_secret(source: str) -> str:
    from cli import local_cloud

    try:
        # The API refuses an unknown source.
        return local_cloud.read().webhook_secrets.get(source, "")
    except CommandError:
        raise CommandError("Which secret? Give --secret", USAGE) from None
