"""`clawback hidden`: what lies in the hidden folders of mailboxes, and putting it back.

Web cannot look into a mailbox: it keeps the question, pipeline answers it, and the answer is read once it is there.
"""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.connection import connect
from cli.errors import REFUSED, UNREACHABLE, USAGE, CommandError
from cli.options import AsJson, By, Key, SignIn, Url
from cli.polling import poll

if TYPE_CHECKING:
    from cli.api import Api

hidden = typer.Typer(help="Mail in the hidden folders of mailboxes.")


# What became of a mail that was to be put back, and is as it should be.
_GOOD = {"asked", "put_back"}

Mailbox = Annotated[str | None, typer.Option(metavar="ADDRESS", help="The mailbox.")]
Case = Annotated[str | None, typer.Option(metavar="ID", help="The incident: its mail, in all of its mailboxes.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for pipeline's answer.")]


@hidden.command("list")
def list_hidden(
    *,
    mailbox: Mailbox = None,
    incident: Case = None,
    wait: Wait = 180.0,
    by: By = "clawback hidden list",
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> int:
    """List what lies in the hidden folder of a mailbox, or what of an incident lies in those of its mailboxes."""
    from cli import json_output, show
    from cli.text import safe

    where = _where(mailbox, incident)
    with connect(url, key, sign_in) as api:
        report = _answer(api, "hidden-lists", {**where, "by": by}, wait)
    found = report["found"]
    if as_json:
        json_output.print_json(found)
    else:
        console = show.console()
        console.print(
            show.table(("mailbox", "received", "subject", "folder", "incident", "state", "item"), _rows(found))
        )
        console.print(f"{found.get('total', 0)} mails")
        for one in found.get("refused", []):
            console.print(f"{safe(one.get('mailbox'))}: {safe(one.get('code'))}", style="red")
        if found.get("leftOff"):
            console.print(f"{found['leftOff']} mailboxes of the incident were not looked into", style="red")
    return REFUSED if found.get("refused") or found.get("leftOff") else 0


@hidden.command("restore")
def restore_hidden(
    *,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the command.")],
    mailbox: Mailbox = None,
    incident: Case = None,
    item: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this mail, as `hidden list` prints it; may be repeated."),
    ] = None,
    everything: Annotated[
        int | None, typer.Option("--all", min=1, metavar="COUNT", help="All of it, if it is exactly as many as this.")
    ] = None,
    wait: Wait = 180.0,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> int:
    """Put hidden mail back, whatever the state of its targets: where a target knows that it was, else to the Inbox."""
    from cli import json_output, show

    where = _where(mailbox, incident)
    if bool(item) == (everything is not None):
        raise CommandError("name mail with --item, or all of it with --all COUNT; `hidden list` says how many", USAGE)
    chosen: dict[str, Any] = {"items": item} if item else {"all": True, "count": everything}
    with connect(url, key, sign_in) as api:
        report = _answer(api, "hidden-restores", {**where, **chosen, "by": by, "reason": reason}, wait)
    if report.get("problem"):
        total = report["found"].get("total")
        raise CommandError(f"nothing was put back: there are {total} mails now, and not {everything}")
    done = report.get("restored", [])
    if as_json:
        json_output.print_json({"restored": done})
    else:
        rows = (
            (
                one.get("mailbox"),
                one.get("result"),
                ", ".join(one.get("incidentIds") or []) or one.get("folder"),
                one.get("item"),
            )
            for one in done
        )
        show.console().print(show.table(("mailbox", "result", "incident or folder", "item"), rows))
    refused = report["found"].get("refused")
    return REFUSED if refused or not all(one.get("result") in _GOOD for one in done) else 0


def _where(mailbox: str | None, incident: str | None) -> dict[str, str]:
    if (mailbox is None) == (incident is None):
        raise CommandError("name either --mailbox or --incident", USAGE)
    return {"mailbox": mailbox.strip()} if mailbox is not None else {"incidentId": incident or ""}


def _answer(api: "Api", path: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Ask, and wait for the report.

    Raises:
        CommandError: it did not come in time, or is none.
    """
    from cli.api import segment

    key = str(api.post(path, json.dumps(body).encode()).get("id"))
    report = poll(lambda: api.get(f"hidden/{segment(key)}").get("report"), seconds)
    if report is None:
        raise CommandError(f"no answer yet; it will be at /api/hidden/{key}", UNREACHABLE)
    if not isinstance(report, dict) or not isinstance(report.get("found"), dict):
        raise CommandError("the answer is no report: is another version deployed?", UNREACHABLE)
    return report


def _rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A row for each mail and target that has it; one for mail that no target has."""
    return [
        (
            one.get("mailbox"),
            one.get("receivedAt"),
            one.get("subject"),
            owner.get("folder"),
            owner.get("incidentId"),
            owner.get("state"),
            one.get("item"),
        )
        for one in found.get("items", [])
        for owner in one.get("owners") or [{}]
    ]
