"""`clawback local up`: the whole system on this machine, until Ctrl-C."""

import argparse
import contextlib
import json
import signal
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cli.api import LOCAL, CommandError
from local.emulators.graph import model
from local.stack import API_FILE, Stack
from local.tenant.generate import Generated, generate
from local.tenant.scenario import load_scenario


def fill(name: str, directory: Path) -> tuple[Generated, Path]:
    """The scenario as it is now, and the file that its tenant was written to."""
    made = generate(load_scenario(name), now=datetime.now(UTC).replace(microsecond=0))
    directory.mkdir(parents=True, exist_ok=True)
    model.dump(made.tenant, directory / f"{name}.json")
    return made, directory / f"{name}.json"


def _answers() -> str | None:
    """The API of the local cloud that runs here; None if there is none, or only what one that was killed left."""
    try:
        url: str = json.loads((LOCAL / API_FILE).read_text(encoding="utf-8"))["url"]
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except (OSError, ValueError, KeyError):
        return None
    return url


def run(given: argparse.Namespace) -> int:
    """Start, say where everything is, wait.

    Raises:
        CommandError: one is up in this folder already; its state is not to be pulled from under it.
    """
    if (up := _answers()) is not None:
        raise CommandError(f"Clawback is up at {up} already: end that first, or start this one in another folder")
    # Being asked to end is as good as Ctrl-C, at any time: nothing is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made, tenant = fill(given.scenario, Path("out") / "tenants")
    alert = Path("out") / "tenants" / f"{given.scenario}-alert.json"
    alert.write_text(json.dumps(made.alert, indent=2) + "\n", encoding="utf-8")
    # Absolute: the services run in the repository's root, wherever the command was given.
    with Stack(LOCAL.resolve(), tenant=tenant.resolve()) as stack:
        told = {
            "api": f"{stack.url}/api",
            "key": stack.key,
            "graph": stack.cloud.state.graph_url,
            "cosmos": stack.cloud.state.cosmos_url,
            "alert": str(alert),
        }
        if given.json:
            print(json.dumps(told), flush=True)
        else:
            print(f"Clawback is up at {told['api']} (function key {told['key']})")
            print(f"Try: clawback alert submit {alert} --source proofpoint_tap; then clawback incident list")
            print("Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0
