"""`clawback`: for people, and with `--json` for scripts."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import commands, dead_letters, doctor
from cli.api import CommandError
from cli.dev import demo, demo_crash, local_up
from cli.show import safe
from shared.names import SOURCES

_EXIT = "Exit status: 0 done, 1 refused or not as it should be, 2 wrong usage, 3 unreachable."


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    root = argparse.ArgumentParser(prog="clawback", description=__doc__, epilog=_EXIT)
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", action="store_true", help="JSON instead of text")
    common = argparse.ArgumentParser(add_help=False, parents=[output])
    common.add_argument("--url", help="of a deployed Clawback (or CLAWBACK_API_URL); default: the local one")
    common.add_argument("--key", help="its function key (or CLAWBACK_API_KEY)")
    common.add_argument(
        "--sign-in",
        metavar="CLIENT_ID",
        help="of its app registration (or CLAWBACK_SIGN_IN): ask as whoever is signed in with Azure CLI",
    )
    groups = root.add_subparsers(required=True, metavar="COMMAND")

    local = groups.add_parser("local", help="the cloud on this machine").add_subparsers(required=True)
    up = local.add_parser("up", parents=[output], help="start it and keep it running")
    up.add_argument("--scenario", default="phishing", help="what fills the tenant (local/tenant/scenarios)")
    up.set_defaults(run=local_up.run)

    alert = groups.add_parser("alert", help="alerts").add_subparsers(required=True)
    submit = alert.add_parser("submit", parents=[common], help="post an alert to a source's webhook")
    submit.add_argument("file", type=Path)
    submit.add_argument("--source", default="clawback", help="whose format it is (default: our own)")
    submit.add_argument("--secret", help="of the source (or CLAWBACK_WEBHOOK_SECRET); default: the local one")
    submit.set_defaults(run=commands.submit)

    incident = groups.add_parser("incident", help="incidents").add_subparsers(required=True)
    listing = incident.add_parser("list", parents=[common], help="the newest")
    listing.add_argument("--top", type=int, default=20, help="how many (default: 20)")
    listing.set_defaults(run=commands.list_incidents)
    show = incident.add_parser("show", parents=[common], help="one, with its targets")
    show.add_argument("incident")
    show.set_defaults(run=commands.show)

    _add_commands(groups, common)

    export = groups.add_parser("export", parents=[common], help="an incident's activity as CSV, or all of it as JSON")
    export.add_argument("incident")
    export.add_argument("--out", type=Path, help="file to write; default: standard output")
    export.set_defaults(run=commands.export)

    letters = groups.add_parser("dead-letter", help="messages that could not be processed").add_subparsers(
        required=True
    )
    letters_list = letters.add_parser("list", parents=[output], help="all of them")
    letters_list.set_defaults(run=dead_letters.list_all)
    replay = letters.add_parser("replay", parents=[output], help="send one to its stage again")
    replay.add_argument("message")
    replay.set_defaults(run=dead_letters.replay)

    _add_doctor(groups, common)
    show_it = groups.add_parser("demo", help="one phishing mail pulled, proven gone and put back")
    show_it.set_defaults(run=demo.run, json=False)
    crash = groups.add_parser("demo-crash", help="kill -9 in the middle; the result is the same")
    crash.set_defaults(run=demo_crash.run, json=False)
    return root


# argparse has no public name for what add_subparsers gives: `Any`.


def _add_commands(groups: Any, common: argparse.ArgumentParser) -> None:
    """What people ask to be done with an incident."""
    for name, run, text in (
        ("approve", commands.approve, "release a plan that waits for a person"),
        ("undo", commands.undo, "put copies back where they were"),
        ("close", commands.close, "close a case"),
    ):
        command = groups.add_parser(name, parents=[common], help=text)
        command.add_argument("incident")
        command.add_argument("--by", required=True, help="who asks; where people sign in, the sign-in counts")
        command.add_argument("--reason", default="", help="is kept with the command")
        command.set_defaults(run=run)
        if name == "approve":
            command.add_argument("--plan", help="its id, as `incident show` says; needed where several wait")
        if name == "undo":
            command.add_argument("--mailbox", action="append", default=[], help="only this address; may be repeated")


def _add_doctor(groups: Any, common: argparse.ArgumentParser) -> None:
    examine = groups.add_parser(
        "doctor", parents=[common], help="is everything as a deployment needs it? What mends it?"
    )
    examine.add_argument(
        "--mailbox", action="append", default=[], help="address that must be readable; may be repeated"
    )
    examine.add_argument("--outside", action="append", default=[], help="address that must not be; may be repeated")
    examine.add_argument(
        "--unused", action="append", default=[], choices=SOURCES, help="source that nobody posts as; may be repeated"
    )
    examine.add_argument("--wait", type=float, default=180.0, help="seconds for pipeline to answer (default: 180)")
    examine.add_argument("--by", default="clawback doctor", help="who asks; where people sign in, the sign-in counts")
    examine.set_defaults(run=doctor.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    given = parser().parse_args(arguments)
    try:
        status: int = given.run(given)
    except CommandError as error:
        # Line by line: an answer from elsewhere has no say over the terminal.
        lines = "\n".join(safe(line, 500) for line in str(error).splitlines())
        print(json.dumps({"error": str(error)}) if given.json else f"clawback: {lines}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130  # as shells have it: 128 + SIGINT
    return status
