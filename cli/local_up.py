"""`clawback local up`: the whole system on this machine, until Ctrl-C."""

import argparse
import contextlib
import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

from cli.api import LOCAL
from local.stack import Stack
from local.tenant import model
from local.tenant.generate import Generated, generate
from local.tenant.scenario import load_scenario


def fill(name: str, directory: Path) -> tuple[Generated, Path]:
    """The scenario as it is now, and the file that its tenant was written to."""
    made = generate(load_scenario(name), now=datetime.now(UTC).replace(microsecond=0))
    directory.mkdir(parents=True, exist_ok=True)
    model.dump(made.tenant, directory / f"{name}.json")
    return made, directory / f"{name}.json"


def run(given: argparse.Namespace) -> int:
    """Start, say where everything is, wait."""
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
