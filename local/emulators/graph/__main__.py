"""`python -m local.emulators.graph`: the local Microsoft Graph as a process of its own.

Its keys come from the environment, where other users of the machine cannot read them.
"""

import argparse
import asyncio
import gc
import os
import ssl
from functools import partial
from pathlib import Path

from local.emulators.graph.logs import keep_secrets_out
from local.emulators.graph.model import load
from local.emulators.graph.server import AUDIENCES, create_app
from local.emulators.graph.state import TenantState
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, verify
from local.emulators.serve import ADMIN_KEY_SETTING, serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.emulators.graph", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tenant", type=Path, required=True, help="a file that local.emulators.graph.model.dump wrote")
    parser.add_argument("--tls-cert", type=Path, required=True)
    parser.add_argument("--tls-key", type=Path, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="the least time that a request takes")
    parser.add_argument(
        "--hidden-in-messages", action="store_true", help="/users/{id}/messages finds items in hidden folders too"
    )
    parser.add_argument("--announce", action="store_true", help='print {"url": …} when ready (always done)')
    arguments = parser.parse_args()
    admin_key = os.environ.get(ADMIN_KEY_SETTING)
    if not admin_key:
        parser.error(f"the environment variable {ADMIN_KEY_SETTING} is missing")

    keep_secrets_out()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    state = TenantState(load(arguments.tenant), hidden_in_messages=arguments.hidden_in_messages)
    # The tenant stays until the end: the garbage collector need not go through it each time.
    gc.freeze()
    app = create_app(
        state,
        authorize=partial(verify, key=os.environ[SIGNING_KEY_SETTING], audience=AUDIENCES),
        admin_key=admin_key,
        latency=arguments.latency_ms / 1000,
    )
    asyncio.run(serve(app, arguments.port, tls=tls))


if __name__ == "__main__":
    main()
