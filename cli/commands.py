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

# What fits above the list of targets; the others are in the JSON.
_MAILS = 10


def _api(given: argparse.Namespace) -> Api:
    return Api.find(given.url, given.key, given.sign_in)


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
    path = f"alerts/{quote(given.source, safe='')}"
    answer = api.post(path, body, authentication(given.source, secret, body))
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
    found = api.incident(given.incident)
    targets = list(api.targets(given.incident))
    if given.json:
        return _json({**found, "targets": targets})
    incident, console = found["incident"], screen.console()
    console.print(f"{incident['id']}  {incident['state']}  {screen.safe(incident.get('title'))}", style="bold")
    for link in incident["alerts"]:
        decision = link.get("decision")
        said = f"{decision['action']} by rule {decision['rule']!r}" if decision else "not decided yet"
        console.print(f"alert {link['id']} from {link['source']}, {link['severity']}: {screen.safe(said)}")
    mails = incident.get("messages", [])
    for mail in mails[:_MAILS]:
        known = screen.safe(
            mail.get("internetMessageId") or mail.get("networkMessageId") or "a mail without Message-ID"
        )
        console.print(f"mail {known} from {screen.safe(mail.get('sender'))}: {screen.safe(mail.get('subject'))}")
    if len(mails) > _MAILS:
        console.print(f"and {len(mails) - _MAILS} mails more (--json)")
    for plan in incident.get("plans", []):
        console.print(f"plan {plan['id']}: {plan['targets']} targets, {plan['state']}")
        if by := plan.get("approvedBy"):
            console.print(f"  approved by {screen.safe(by)} at {plan.get('approvedAt')}")
        waits = plan["state"] == "awaiting_approval"
        for reason in plan.get("approvalReasons", []):
            said = "needs a person" if waits else "needed a person"
            console.print(f"  {said}: {screen.safe(reason)}", style="yellow" if waits else "")
        for note in plan.get("notes", []):
            console.print(f"  note: {screen.safe(note)}")
    for command in incident.get("commands", []):
        reason = f": {screen.safe(command['reason'])}" if command.get("reason") else ""
        console.print(f"{command['kind']} asked by {screen.safe(command['by'])} at {command['at']}{reason}")
    console.print(screen.targets(targets))
    return 0


def approve(given: argparse.Namespace) -> int:
    """`clawback approve`: exactly the plan as it is now."""
    api = _api(given)
    incident = api.incident(given.incident)["incident"]
    waiting = [plan for plan in incident.get("plans", []) if plan["state"] == "awaiting_approval"]
    if given.plan:
        waiting = [plan for plan in waiting if plan["id"] == given.plan]
    if not waiting:
        raise CommandError("no such plan of this incident waits for approval")
    if len(waiting) > 1:
        # One of them may have come after the person looked.
        told = ", ".join(f"{plan['id']} ({plan['targets']} targets)" for plan in waiting)
        raise CommandError(f"several plans wait; say which with --plan: {told}")
    answers = []
    for plan in waiting:
        body = {"planId": plan["id"], "planHash": plan["hash"], "by": given.by, "reason": given.reason}
        answers.append(api.command(given.incident, "approve", body))
        if not given.json:
            print(f"approval of {plan['id']} ({plan['targets']} targets) {_asked(answers[-1])}")
    return _json(answers) if given.json else 0


def undo(given: argparse.Namespace) -> int:
    """`clawback undo`."""
    api = _api(given)
    body: dict[str, Any] = {"by": given.by, "reason": given.reason}
    if given.mailbox:
        wanted = {address.lower() for address in given.mailbox}
        known = {t["id"]: t["mailbox"]["address"] for t in api.targets(given.incident)}
        if strangers := wanted - set(known.values()):
            raise CommandError(f"no target of this incident: {', '.join(sorted(strangers))}")
        body["targets"] = [key for key, address in known.items() if address in wanted]
    return _said(given, "undo", api.command(given.incident, "undo", body))


def close(given: argparse.Namespace) -> int:
    """`clawback close`."""
    body = {"by": given.by, "reason": given.reason}
    return _said(given, "closing", _api(given).command(given.incident, "close", body))


def export(given: argparse.Namespace) -> int:
    """`clawback export`."""
    api = _api(given)
    content = export_json(api, given.incident) if given.json else api.activity_csv(given.incident)
    if given.out is None:
        print(content, end="")
    else:
        write(given.out, content)
    return 0


def export_json(api: Api, incident: str) -> str:
    """The incident with all targets and the check of its chain."""
    found = api.incident(incident)
    found["targets"] = list(api.targets(incident))
    found["verification"] = api.verification(incident)
    return json.dumps(found, indent=2) + "\n"


def write(path: Path, content: str) -> None:
    """Write a file, and its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # As it is: the API's CSV has RFC 4180's line ends.
    path.write_text(content, encoding="utf-8", newline="")


def _said(given: argparse.Namespace, what: str, answer: dict[str, Any]) -> int:
    if given.json:
        return _json(answer)
    print(f"{what} {_asked(answer)}")
    return 0


def _asked(answer: dict[str, Any]) -> str:
    return f"is asked for ({answer['commandId']})"
