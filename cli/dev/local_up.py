"""`clawback local up`: the whole system on this machine, until Ctrl-C."""

import contextlib
import json
import signal
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cli import local_cloud
from cli.errors import CommandError
from local.emulators.graph import model
from local.stack import Stack
from local.tenant.generate import Generated, generate
from local.tenant.scenario import load_scenario


def fill(name: str, directory: Path) -> tuple[Generated, Path]:
    """The scenario with times relative to now, and the file that its tenant was written to."""
    made = generate(load_scenario(name), now=datetime.now(UTC).replace(microsecond=0))
    directory.mkdir(parents=True, exist_ok=True)
    model.dump(made.tenant, directory / f"{name}.json")
    return made, directory / f"{name}.json"


def running() -> str | None:
    """Address of the local cloud that runs in this folder; None if none does, or one was killed and left its file."""
    try:
        url = local_cloud.read().url
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except (CommandError, OSError, ValueError, OverflowError):
        return None
    return url


def run(scenario: str, *, as_json: bool) -> None:
    """Start, print where everything is, wait.

    Raises:
        CommandError: one runs in this folder already; starting would delete its state.
    """
    if (up := running()) is not None:
        raise CommandError(f"Clawback is up at {up} already: end that first, or start this one in another folder")
    # SIGTERM ends it as Ctrl-C does, at any time: nothing is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made, tenant = fill(scenario, Path("out") / "tenants")
    alert = Path("out") / "tenants" / f"{scenario}-alert.json"
    alert.write_text(json.dumps(made.alert, indent=2) + "\n", encoding="utf-8")
    # Absolute: the services run in the repository's root, wherever the command was given.
    with Stack(local_cloud.DIRECTORY.resolve(), tenant=tenant.resolve()) as stack:
        where = {
            "api": f"{stack.url}/api",
            "key": stack.key,
            "graph": stack.cloud.state.graph_url,
            "cosmos": stack.cloud.state.cosmos_url,
            "alert": str(alert),
        }
        if as_json:
            print(json.dumps(where), flush=True)
        else:
            print(f"Clawback is up at {where['api']} (function key {where['key']})")
            print(f"Try: clawback alert submit {alert} --source proofpoint_tap; then clawback incident list")
            print("Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
