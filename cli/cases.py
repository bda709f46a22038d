"""The commands for cases: `incident list`, `incident show`, `approve`, `undo`, `close`, `export`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.connection import connect
from cli.errors import USAGE, CommandError
from cli.options import AsJson, By, Incident, Key, Reason, SignIn, UndoClass, Url

if TYPE_CHECKING:
    from cli.case_json import Case

incident = typer.Typer(help="Incidents.")
commands = typer.Typer()


@incident.command("list")
def list_incidents(
    *,
    top: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """List the newest incidents."""
    from cli import json_output, show
    from cli.case_json import newest

    with connect(url, key, sign_in) as api:
        found = newest(api, top)
    if as_json:
        json_output.print_json({"incidents": found})
    else:
        console = show.console()
        console.print(show.incidents(found, console.width))


@incident.command("show")
def show_incident(
    incident: Incident, *, url: Url = None, key: Key = None, sign_in: SignIn = None, as_json: AsJson = False
) -> None:
    """Show an incident with all its targets."""
    from cli import json_output
    from cli.case_json import Case
    from cli.case_screen import print_case

    with connect(url, key, sign_in) as api:
        case = Case(api, incident)
        if as_json:
            json_output.print_parts(case.parts())
        else:
            print_case(case)


@commands.command()
def approve(
    incident: Incident,
    *,
    by: By,
    reason: Reason = "",
    plan: Annotated[
        str | None, typer.Option(help="Id of the plan, as `incident show` prints it; needed if several plans wait.")
    ] = None,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Approve exactly the plan that waits now."""
    from cli import json_output
    from cli.case_json import Case, ask
    from cli.text import safe

    with connect(url, key, sign_in) as api:
        waiting = [one for one in Case(api, incident).waiting_plans() if plan in {None, one.get("id")}]
        if not waiting:
            raise CommandError(f"no plan{f' {plan}' if plan else ''} of incident {incident} waits for approval")
        if len(waiting) > 1:
            # One of them may have come after the person looked.
            listed = ", ".join(f"{one.get('id')} ({one.get('targets')} targets)" for one in waiting)
            raise CommandError(f"several plans wait; name one with --plan: {listed}")
        (chosen,) = waiting
        body = {"planId": chosen.get("id"), "planHash": chosen.get("hash"), "by": by, "reason": reason}
        answer = ask(api, incident, "approve", body)
    if as_json:
        json_output.print_json([answer])
    else:
        print(safe(f"approval of {chosen.get('id')} ({chosen.get('targets')} targets) {_requested(answer)}"))


@commands.command()
def undo(
    incident: Incident,
    *,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; whoever has the same mail to decide about next reads it.")],
    undo_class: Annotated[
        UndoClass, typer.Option("--class", help="Was the mail harmless, or pulled by mistake, or is it something else?")
    ],
    mailbox: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Only this address; may be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All targets of the incident; asks first.")] = False,
    yes: Annotated[
        int | None,
        typer.Option(min=0, metavar="COUNT", help="With --all: do not ask; put back if it is so many now."),
    ] = None,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Put copies back where they were: those of some mailboxes, or all."""
    from cli.case_json import Case, ask
    from cli.text import safe

    if bool(mailbox) == everything:
        raise CommandError("which? Name mailboxes with --mailbox, or say --all; not both", USAGE)
    if yes is not None and not everything:
        raise CommandError("--yes is for --all", USAGE)
    if not safe(reason):
        raise CommandError("--reason is empty: say why", USAGE)
    body: dict[str, Any] = {"by": by, "reason": reason, "class": undo_class}
    with connect(url, key, sign_in) as api:
        if mailbox:
            body["targets"] = _targets_in(Case(api, incident), {address.lower() for address in mailbox})
        else:
            body |= {"all": True, "count": _confirmed(Case(api, incident)) if yes is None else yes}
        answer = ask(api, incident, "undo", body)
    _print_requested("undo", answer, as_json=as_json)


@commands.command()
def close(
    incident: Incident,
    *,
    by: By,
    reason: Reason = "",
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Close a case."""
    from cli.case_json import ask

    with connect(url, key, sign_in) as api:
        answer = ask(api, incident, "close", {"by": by, "reason": reason})
    _print_requested("closing", answer, as_json=as_json)


@commands.command()
def export(
    incident: Incident,
    *,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> None:
    """Export the activity (CSV) or everything (JSON)."""
    from cli import json_output
    from cli.case_json import Case
    from cli.files import write, write_to_stdout

    with connect(url, key, sign_in) as api:
        case = Case(api, incident)
        if out is not None:
            write(out, export_json(case) if as_json else case.activity_csv())
        elif as_json:
            json_output.print_parts(_everything(case))
        else:
            write_to_stdout(case.activity_csv())


def export_json(case: "Case") -> Iterator[str]:
    """The incident with all its parts and the check of its chain, for a file in UTF-8."""
    from cli.json_output import json_pieces

    return json_pieces(_everything(case), "utf-8")


def _everything(case: "Case") -> dict[str, Any]:
    return {**case.parts(), "verification": case.verification()}


def _confirmed(case: "Case") -> int:
    """How many targets can be put back now, after the person has seen the numbers and said yes.

    Raises:
        CommandError: the person says no, or nobody can be asked.
    """
    from cli.text import safe

    # On standard error: what the command prints is the answer alone.
    for line in _numbers(case):
        print(safe(line), file=sys.stderr)
    count = case.can_be_put_back
    # Not `typer.confirm`: it writes a part of its question to standard output, where a script reads the answer.
    print(f"Put back all {count}? [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise CommandError(f"nobody can be asked here: give --yes {count}", USAGE)
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("nothing was put back")
    return count


def _numbers(case: "Case") -> Iterator[str]:
    header, states = case.header, case.counts.get("states", {})
    ended = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none of them has ended"
    yield f"incident {header.get('id')} has {header.get('targets')} targets: {ended}"
    yield f"{case.can_be_put_back} can be put back"
    if (left := int(header.get("targets") or 0) - sum(states.values())) > 0:
        yield f"{left} are worked on: what is not pulled yet will not be pulled"


def _targets_in(case: "Case", addresses: set[str]) -> list[str]:
    """The ids of the targets in these mailboxes.

    Raises:
        CommandError: one of them has no target.
    """
    from cli.show import address

    found = [(str(target.get("id")), address(target)) for target in case.targets()]
    if unknown := addresses - {mailbox for _, mailbox in found}:
        raise CommandError(f"incident {case.id} has no target in: {', '.join(sorted(unknown))}")
    return [target for target, mailbox in found if mailbox in addresses]


def _print_requested(what: str, answer: dict[str, Any], *, as_json: bool) -> None:
    from cli import json_output
    from cli.text import safe

    if as_json:
        json_output.print_json(answer)
    else:
        print(safe(f"{what} {_requested(answer)}"))


def _requested(answer: dict[str, Any]) -> str:
    return f"is requested ({answer.get('commandId')})"
