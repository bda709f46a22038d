"""The commands that go through the HTTP API."""

import argparse
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli import show as screen
from cli.api import LOCAL, USAGE, Api, CommandError
from local.cloud import read_state
from local.stack import authentication


def _api(given: argparse.Namespace) -> Api:
    return Api.find(given.url, given.key)


def _json(body: Any) -> int:
    print(json.dumps(body, indent=2))
    return 0


def submit(given: argparse.Namespace) -> int:
    """`clawback alert submit`."""
    api = _api(given)
    try:
        body = given.file.read_bytes()
    except OSError as error:
        raise CommandError(f"{given.file}: {error.strerror}", USAGE) from None
    secret = given.secret or os.environ.get("CLAWBACK_WEBHOOK_SECRET") or _local_secret(given.source)
    answer = json.loads(api.call(f"alerts/{quote(given.source)}", body, authentication(given.source, secret, body)))
    if given.json:
        return _json(answer)
    print(f"accepted as {answer['receiptId']}: {', '.join(answer['alertIds']) or 'no alert in it'}")
    return 0


def _local_secret(source: str) -> str:
    try:
        settings = read_state(LOCAL).environments["web"]
    except OSError:
        raise CommandError("Which secret? Give --secret", USAGE) from None
    secrets = json.loads(settings.get(f"CLAWBACK_WEBHOOK_SECRETS__{source}", "[]"))
    # A source that nobody knows is for the API to refuse.
    return str(secrets[0]) if secrets else ""


def list_incidents(given: argparse.Namespace) -> int:
    """`clawback incident list`."""
    found = _api(given).get(f"incidents?top={given.top}")
    if given.json:
        return _json(found)
    screen.console().print(screen.incidents(found["incidents"]))
    return 0


def show(given: argparse.Namespace) -> int:
    """`clawback incident show`."""
    api = _api(given)
    found = api.get(f"incidents/{quote(given.incident)}?top=1")
    targets = list(api.targets(quote(given.incident)))
    if given.json:
        return _json({**found, "targets": targets})
    incident, console = found["incident"], screen.console()
    console.print(f"{incident['id']}  {incident['state']}  {screen.safe(incident.get('title'))}", style="bold")
    for link in incident["alerts"]:
        decision = link.get("decision")
        said = f"{decision['action']} by rule {decision['rule']!r}" if decision else "not decided yet"
        console.print(f"alert {link['id']} from {link['source']}, {link['severity']}: {screen.safe(said)}")
    for plan in incident.get("plans", []):
        console.print(f"plan {plan['id']}: {plan['targets']} targets, {plan['state']}")
        for brake in plan.get("brakes", []):
            console.print(f"  needs a person: {screen.safe(brake)}", style="yellow")
        for note in plan.get("notes", []):
            console.print(f"  note: {screen.safe(note)}")
    console.print(screen.targets(targets))
    return 0


def approve(given: argparse.Namespace) -> int:
    """`clawback approve`: exactly the plan as it is now."""
    api = _api(given)
    incident = api.get(f"incidents/{quote(given.incident)}?top=1")["incident"]
    waiting = [plan for plan in incident.get("plans", []) if plan["state"] == "awaiting_approval"]
    if not waiting:
        raise CommandError("no plan of this incident waits for approval")
    for plan in waiting:
        body = {"planId": plan["id"], "planHash": plan["hash"], "by": given.by, "reason": given.reason}
        answer = api.post(f"incidents/{quote(given.incident)}/approve", body)
        _said(given, answer, f"plan {plan['id']} ({plan['targets']} targets) is released")
    return 0


def undo(given: argparse.Namespace) -> int:
    """`clawback undo`."""
    api = _api(given)
    body: dict[str, Any] = {"by": given.by, "reason": given.reason}
    if given.mailbox:
        wanted = {address.lower() for address in given.mailbox}
        known = {t["id"]: t["mailbox"]["address"] for t in api.targets(quote(given.incident))}
        if strangers := wanted - set(known.values()):
            raise CommandError(f"no target of this incident: {', '.join(sorted(strangers))}")
        body["targets"] = [key for key, address in known.items() if address in wanted]
    _said(given, api.post(f"incidents/{quote(given.incident)}/undo", body), "asked for")
    return 0


def close(given: argparse.Namespace) -> int:
    """`clawback close`."""
    body = {"by": given.by, "reason": given.reason}
    _said(given, _api(given).post(f"incidents/{quote(given.incident)}/close", body), "asked for")
    return 0


def export(given: argparse.Namespace) -> int:
    """`clawback export`."""
    content = export_json(_api(given), given.incident) if given.json else export_csv(_api(given), given.incident)
    if given.out is None:
        print(content, end="")
    else:
        write(given.out, content)
    return 0


def export_csv(api: Api, incident: str) -> str:
    """The activity as CSV."""
    return api.call(f"incidents/{quote(incident)}/activity.csv").decode()


def export_json(api: Api, incident: str) -> str:
    """The incident with all targets and the check of its chain."""
    found = api.get(f"incidents/{quote(incident)}?top=1")
    found.pop("next", None)
    found["targets"] = list(api.targets(quote(incident)))
    found["verification"] = api.get(f"incidents/{quote(incident)}/verify-chain")
    return json.dumps(found, indent=2) + "\n"


def write(path: Path, content: str) -> None:
    """Write a file, and its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _said(given: argparse.Namespace, answer: dict[str, Any], text: str) -> None:
    if given.json:
        print(json.dumps(answer, indent=2))
    else:
        print(f"{text} ({answer['commandId']})")
