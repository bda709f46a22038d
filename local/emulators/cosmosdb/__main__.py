"""`python -m local.emulators.cosmosdb`: the local Cosmos DB as a process of its own."""

import argparse
import asyncio
import os
import ssl
from functools import partial
from pathlib import Path

from local.emulators.cosmosdb.server import create_app
from local.emulators.cosmosdb.store import Store
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, verify
from local.emulators.serve import ADMIN_KEY_SETTING, serve

# The SDK asks for a token for the account's own host name first, without the port.
AUDIENCES = ("https://127.0.0.1", "https://cosmos.azure.com")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.emulators.cosmosdb", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--db", default=":memory:", help="SQLite file, or :memory:")
    parser.add_argument("--tls-cert", type=Path, required=True)
    parser.add_argument("--tls-key", type=Path, required=True)
    parser.add_argument("--announce", action="store_true", help='print {"url": …} when ready (it always does)')
    arguments = parser.parse_args()
    admin_key = os.environ.get(ADMIN_KEY_SETTING)
    if not admin_key:
        parser.error(f"set {ADMIN_KEY_SETTING} to the key that opens /_local/")

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    authorize = partial(verify, key=os.environ[SIGNING_KEY_SETTING], audience=AUDIENCES)
    store = Store(arguments.db)
    try:
        app = create_app(store, authorize=authorize, admin_key=admin_key)
        asyncio.run(serve(app, arguments.port, tls=tls))
    finally:
        store.close()


if __name__ == "__main__":
    main()
