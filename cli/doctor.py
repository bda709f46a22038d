"""`clawback doctor`: checks all that a deployment needs, and says how to fix what is wrong.

The apps look at themselves, with their own identities (`shared.health.check`); cli/diagnosis.py judges what they found.
"""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.connection import connect
from cli.errors import REFUSED, UNREACHABLE, USAGE, CommandError
from cli.options import AsJson, By, Key, SignIn, Url
from shared.names import SOURCES

if TYPE_CHECKING:
    from cli.api import Api
    from cli.diagnosis import Finding, Seen

commands = typer.Typer()

# Seconds between two looks at how far the messages have come.
_PAUSE = 0.5

Trips = Mapping[str, list[dict[str, Any]]]
"""The stops of each trip, as the API gives them."""


def _known(sources: list[str] | None) -> list[str] | None:
    if unknown := set(sources or ()) - set(SOURCES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the sources are {', '.join(SOURCES)}")
    return sources


@commands.command()
def doctor(
    *,
    mailbox: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Mailbox that must be readable; may be repeated."),
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Mailbox that must not be readable; may be repeated."),
    ] = None,
    unused: Annotated[
        list[str] | None,
        typer.Option(
            metavar=f"[{'|'.join(SOURCES)}]",
            callback=_known,
            help="Source that nobody posts as, so that it needs no secret; may be repeated.",
        ),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for pipeline's answer.")] = 180.0,
    by: By = "clawback doctor",
    url: Url = None,
    key: Key = None,
    sign_in: SignIn = None,
    as_json: AsJson = False,
) -> int:
    """Check all that a deployment needs."""
    from cli import json_output
    from cli.diagnosis import judge

    readable, shut = ([address.strip() for address in them or ()] for them in (mailbox, outside))
    if both := set(readable) & set(shut):
        raise CommandError(f"given as --mailbox and as --outside: {', '.join(sorted(both))}", USAGE)
    with connect(url, key, sign_in) as api:
        try:
            findings = list(judge(_examine(api, readable, shut, unused or [], by, wait)))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise CommandError("the answer is not a health check: is another version deployed?", UNREACHABLE) from None
    findings = [replace(finding, fix="") if finding.ok else finding for finding in findings]
    wrong = sum(not finding.ok for finding in findings)
    if as_json:
        json_output.print_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    return REFUSED if wrong else 0


def _examine(api: "Api", readable: list[str], shut: list[str], unused: list[str], by: str, wait: float) -> "Seen":
    from cli.diagnosis import Seen
    from shared.health.check import ROUND

    before = datetime.now(UTC)
    body = {"by": by, "mailboxes": [*readable, *shut]}
    begun = api.post("health-checks", json.dumps(body).encode())
    clocks = {"web": _ahead(begun["web"]["at"], before, datetime.now(UTC))}
    # There is no id if web's settings are wrong: it could not send anything.
    trips = _follow(api, begun["id"], wait) if "id" in begun else _not_begun()
    if (first := trips[ROUND][0].get("report")) is not None:
        clocks["pipeline"] = _ahead(first["at"], before, datetime.now(UTC))
    return Seen(begun["web"], trips, clocks, frozenset(shut), frozenset(unused))


def _follow(api: "Api", check_id: str, seconds: float) -> Trips:
    """How far the messages came in this time, or what was seen last."""
    from cli.api import segment

    deadline = time.monotonic() + seconds
    trips = _not_begun()
    while True:
        # Where web cannot read the reports, its own report says so.
        with contextlib.suppress(CommandError):
            trips = api.get(f"health-checks/{segment(check_id)}")["trips"]
        if _arrived(trips) or not time.monotonic() < deadline:
            return trips
        time.sleep(_PAUSE)  # other processes work, and wake nobody


def _not_begun() -> Trips:
    """The trips of messages that no stage has reported."""
    from shared.health.check import TRIPS

    return {trip: [{"stage": str(stage)} for stage in route] for trip, route in TRIPS.items()}


def _arrived(trips: Trips) -> bool:
    return all(stops[-1].get("report") for stops in trips.values())


def _ahead(reported: str, before: datetime, after: datetime) -> float:
    """Seconds by which a clock is ahead of ours (below zero: behind) that was read between `before` and `after`."""
    at = datetime.fromisoformat(reported)
    if before <= at <= after:
        return 0.0
    return (at - after if at > after else at - before).total_seconds()


def _print(findings: list["Finding"]) -> None:
    from cli import show
    from cli.text import safe

    console = show.console()
    for finding in findings:
        detail = f"  {safe(finding.detail, 300)}" if finding.detail else ""
        console.print(
            f"{'ok' if finding.ok else 'NO':3}{safe(finding.name)}{detail}", style="" if finding.ok else "red"
        )
        if not finding.ok:
            console.print(f"     {safe(finding.fix, 1000)}")
    wrong = sum(not finding.ok for finding in findings)
    console.print(f"{len(findings)} checks, {wrong} to fix" if wrong else f"All {len(findings)} checks passed")
